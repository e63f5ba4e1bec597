"""Mixture-of-Head attention: every token picks which heads it reads, with a learned weight per head.

Source: "MoH: Multi-Head Attention as Mixture-of-Head Attention" (2024), arXiv 2410.11842, and the authors' code.

Multi-head attention is a sum over heads, concat(H_1 .. H_h) W_O = sum_i H_i W_O^i, and MoH gives the summands
weights. The first h_s heads are shared, always on; of the other h_r = h - h_s, the routed pool, a token x chooses k:

    g  = softmax(W_g x)                            pool scores (h_r)
    m  = 1 for the k largest of g, else 0
    (a1, a2) = 2 softmax(W_0 x)                    balance of the two groups
    gates = [a1 h_s softmax(W_1 x),  a2 k (g m) / sum(g m)]
    y  = sum_i gates_i H_i W_O^i

The gates of a token sum to a1 h_s + a2 k with a1 + a2 = 2. An unchosen head has gate 0, and here it is really left
out: a routed head is evaluated at the queries that chose it only, against all keys, so that with half of the
heads on, attention takes about half of its time. Keys and values of every head are still projected, as they must
be for the tokens that did choose the head.

A load-balance loss (``balance_loss``) keeps the pool in use: with P_i the mean of g_i and f_i the mean of m_i over the
tokens of the batch, a layer adds h_r^2 mean_i(P_i f_i).

``moh`` is the bare layer; ``moh-vit``, ``moh-dit`` and ``moh-llama`` are the paper's networks. The last one has no
router: its pool is scored by the norms of the queries (``moh-llama-attention``).

Read ``routing`` first: it makes gates, and evaluates heads where their gates are not zero. Then ``attention``, the
bare layer; ``llama``, the layer without a router and its language model; ``dit`` with ``diffusion``, which trains and
samples it; ``vit``, whose attention is TransNeXt's. ``config``, ``conversion``, ``claims``, ``pictures`` and ``facts``
are what their names say.
"""
