"""CAMEL: language experts that look at each other, and a decoder that knows the language of every token.

Source: "CAMEL: Cross-Attention Enhanced Mixture-of-Experts and Language Bias for Code-Switching Speech Recognition"
(2024), arXiv 2412.12760; no code by the authors is known. What the paper leaves open is reconstructed (see `facts`).

Features (B, T, mel) are subsampled by 4 and go through E-Branchformer layers; behind each of the last ones H (B, T', d)
goes to one expert per language l (English, Mandarin), whose other language is o:

    A_l = H + W_down^l ReLU(W_up^l LN_l(H))                      adapter
    S_l = A_l + tanh(g1_l) MHSA_l(LN(A_l))                       gates g start at 0: adapters alone
    C_l = S_l + tanh(g2_l) MHA_l(LN(S_l), LN(A_o))
    H'  = W [C_en; C_zh]                                         or w_en C_en + w_zh C_zh

H' feeds CTC and the decoders; the last C_l feed a CTC of their own, in whose labels the other language's tokens are one
special token. A second decoder says the language of every token (B, U); its hidden states D bias the embeddings E of
the first: E' = E + MHA(LN(E), D), causal. Recognising, it goes by its own predictions.

    L = w L_ctc + (1 - w) L_ce + beta (CTC_en + CTC_zh) / 2 + gamma L_ld

Read ``config``, ``branchformer`` (the layer; its relative attention is the plugin's), ``experts`` (the mechanism),
``decoders``, ``network``, ``losses`` (labels and L), ``rescoring`` (CTC's beam, rescored), ``task`` (a toy language
pair that sounds alike), ``training`` (French and Italian numbers in turn), ``claims``, ``pictures``, ``facts``.
"""
