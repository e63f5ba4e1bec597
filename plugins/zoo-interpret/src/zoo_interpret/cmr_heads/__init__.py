"""Attention heads and human episodic memory: recall by the context maintenance and retrieval model, fitted to heads.

Source: "Linking In-context Learning in Transformers to Human Episodic Memory" (NeurIPS 2024), arXiv 2405.14992.

A list of n items and one absorbing state; T is the shift matrix, T[i, i+1] = 1. Encoding at rate b_enc associates

    M = (I - (1 - b_enc) T)^-1 T             M[i, j] = (1 - b_enc)^(j-i-1) for j > i, else 0        (n + 1, n + 1)

Recall starts with the context t = onehot(s0) and repeats, until the absorbing state:

    P = M^T t / sum;   item ~ P;   f = onehot(item);   t_in = (1 - g) f + g M f, over its L2 norm;
    t <- (1 - b_rec) t + b_rec t_in, over its L2 norm

The conditional response probability crp(d) is the share of transitions by the lag d. With g = 0 there are closed forms
for b_rec = 0 (symmetric) and b_rec = 1 (forward only). A head's lag curve a(d) is its attention around the matching
token of a repeated random sequence; with both shifted to a minimum of 0 and the CRP c scaled to the same maximum,

    distance = mean((c max(a) / max(c) - a)^2) / var(a)

and the smallest over a grid of (b_enc, b_rec, g) says how CMR-like a head is (below 0.5).

Read in this order: ``config``; ``recall`` (the memory model: associations, simulation, closed forms); ``fitting`` (the
grid, the distance, the Gaussian baseline); ``heads`` (lag curves and scores of a model's heads; the probe itself);
``ablation`` (the in-context learning score, with heads' values zeroed); ``claims``;
``pictures``; ``conversion`` (recordings).
"""
