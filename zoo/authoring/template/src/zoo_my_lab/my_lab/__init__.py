"""Attention with a learned temperature per head. Replace this text by what your paper computes, and its source.

Tokens X (N, d) give queries, keys and values Q, K, V (H, N, d_h) by one projection without bias, and each of the H
heads has its own temperature tau_h > 0:

    Y_h = softmax(Q_h K_h' / (tau_h sqrt(d_h))) V_h,    Y = [Y_1, ..., Y_H] W_O

With tau = 1 this is scaled dot-product attention, so that weights of ``torch.nn.MultiheadAttention`` fit.

``config`` has the schemas, ``layer`` the mechanism, ``network`` a classifier around it, ``conversion`` the names of
published checkpoints and the replay of recordings, ``claims`` what is promised, ``training`` how the weights were made.
"""
