"""Efficient attention: the same product, associated the other way round, linear in the number of positions.

Source: Shen et al., "Efficient Attention: Attention with Linear Complexities" (2018), arXiv 1812.01243.

For n positions with queries Q (n, d_k), keys K (n, d_k) and values V (n, d_v):

    E(Q, K, V) = rho_q(Q) (rho_k(K)' V)

    softmax:  rho_q = softmax over the d_k channels of a position,  rho_k = softmax over the n positions of a channel
    scaling:  rho_q(Q) = Q / sqrt(n),  rho_k(K) = K / sqrt(n);  equal to (Q K' / n) V

G = rho_k(K)' V is (d_k, d_v): each of the d_k channels is a template attention map over all positions that gathers
one global context vector, and each query mixes these. No n x n matrix exists: 2 n d_k d_v multiply-adds instead of
n^2 (d_k + d_v), so it is cheaper for n > 2 d_k d_v / (d_k + d_v), and d_k n + d_k d_v numbers in between instead of
n^2. With softmax the implied matrix rho_q(Q) rho_k(K)' still has rows that are probability distributions.

The key softmax runs over all positions, so there is no causal form.

``config`` has the schemas, ``layer`` the product and the module around it, ``networks`` what carries modules: any
network behind whose layers they go, a residual network and a feature pyramid. ``conversion`` replays recordings and
``claims`` measures what the paper promises and ``pictures`` draws the cards' pictures.
"""
