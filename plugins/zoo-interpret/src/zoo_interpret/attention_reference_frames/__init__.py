"""What are you sinking? Attention maps as graphs, and the reference frame that a model builds with its sinks.

Source: "What are you sinking? A geometric approach on attention sink" (2025), arXiv 2508.02546. There is no published
code: measures and the rule that tells frames apart are reconstructed, see the card.

For a map A (T, T), rows summing to one:

    received        r_j = 1/T sum_i A_ij;  a sink: r_j at least the q-quantile of r;  sink rate of a layer: r_0 > 0.3
    graph           W = (A + A')/2 without its diagonal, L = D - W;  Fiedler value: second smallest eigenvalue of L,
                    and of the normalised D^-1/2 L D^-1/2
    degrees         d_j = sum_i A_ij - A_jj;  centralisation sum_j (max d - d_j) / (T - 1)^2;  Gini;  variance;
                    star-likeness max d / sum d
    topology        edges where max(A_ij, A_ji) > t:  Betti_0 components,  Betti_1 = edges - T + components
    information     mean_i KL(A_i || uniform over the keys that i may see)
    geometry        cosine of tokens 1.. to the first, and its norm over theirs, in every layer

A frame is centralised (one sink), bidirectional (the first and the last token of an encoder, in turn) or distributed.

Modules: ``config``; ``measures`` (of maps), ``topology``, ``geometry`` (of streams and values), ``spectra``
(random-matrix statistics over training); ``frames`` (the rule); ``probe``; ``sinks`` (what a sink is worth);
``synthetic`` (maps of each kind); ``conversion`` (recordings); ``claims``; ``pictures``. Read them in this order.
"""
