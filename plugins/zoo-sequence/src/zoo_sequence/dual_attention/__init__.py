"""Dual attention: some heads read what objects look like, others how objects relate.

Source: "Disentangling and Integrating Relational and Sensory Information in Transformer Architectures" (2024),
arXiv 2405.16727, and the authors' code.

Of H heads of width d, H_s are sensory and H_r relational; both groups attend with softmax, but pass on different
messages, and their outputs stand side by side. A sensory head is ordinary attention, sum_j a_ij W_v x_j. For a
relational head h, with R relations of width p = d H_r / R,

    a_ij^h = softmax_j((W_q^attn x_i)^h . (W_k^attn x_j)^h / sqrt(d))       to whom object i attends
    r_ij^l = act((W_q^rel x_i)^l . (W_k^rel x_j)^l / sqrt(p))               how i relates to j, l = 1 .. R
    e_i^h  = sum_j a_ij^h (W_r^h r_ij + W_v^h s_j)  =  W_r^h (sum_j a_ij^h r_ij) + sum_j a_ij^h W_v^h s_j

The second form is evaluated: R numbers per pair of objects instead of d. What object j looks like reaches i only
through their relation; s_j is a symbol that says which object it was, retrieved from a library by attention
(``symbolic_attention``), by position, or by distance. Masks hide senders; relations need none, but where act is a
softmax it is over the senders that i sees.

* ``dual-attention``: the layer, with a symbol retriever of its own.
* ``dual-attention-lm``, ``dual-attention-vit``, ``dual-attention-seq2seq``: a causal language model, an image
  classifier and an encoder-decoder, whose blocks share one retriever by default and ask it anew before every block.
* ``dual-attention-relational-games``: synthetic images on which relational heads learn from fewer examples than a
  plain transformer of the same size.

Read in this order: ``config``, the schemas; ``symbols``, the three retrievers; ``attention``, both groups of heads and
the layer; ``networks``; ``relational_games``, the benchmark; ``training``, a classifier and its plain twin;
``conversion``, the authors' names and the replay of recordings; ``claims``, what is measured; ``pictures`` of the
cards.
"""
