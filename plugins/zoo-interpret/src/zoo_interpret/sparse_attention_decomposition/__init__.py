"""Sparse attention decomposition: which upstream heads wrote the signal that made a head look where it looks.

Source: "Sparse Attention Decomposition Applied to Circuit Tracing" (2024), arXiv 2410.00340.

With the normalised state x = (r - mean) / scale of a layer, its norm's gain g and bias beta folded into the weights,

    W_Q' = diag(g) W_Q, columns centred;   b_Q' = b_Q + beta W_Q;   K alike                   (dim, head_dim)
    Omega = [W_Q'; b_Q'] [W_K'; b_K']^T = U S V^T                       (dim + 1, dim + 1), of rank head_dim
    score(i, j) = [x_i; 1]^T Omega [x_j; 1] = sum_k S_k ([x_i; 1] . u_k) ([x_j; 1] . v_k)     (without 1/sqrt(head_dim))

Few terms make up a score: the largest, until they exceed a fraction of it (the whole; the rest cancels), are kept. What
they read at the destination i and the source j are the directions, with e_k = sign([x_i; 1] . u_k),

    w_d = sum_k e_k sqrt(S_k) u_k,       w_s = sum_k e_k sqrt(S_k) v_k                                   (dim + 1,)

and an upstream head that wrote y at token t contributes w . [y_t; 1] / scale_t. The largest contributions, until they
exceed 0.7 of the sum, are edges; tracing goes on from the upstream heads' own firings at that token.

Read in this order: ``config``; ``folding`` (weights, rotary positions, the decomposition of one pair); ``running``
(what of a run is looked at); ``tracing`` (the probe: firings, contributions, edges, the graph); ``interventions`` (take
a signal away, or add it, everywhere or for one head); ``claims``; ``pictures``; ``conversion`` (recordings).
"""
