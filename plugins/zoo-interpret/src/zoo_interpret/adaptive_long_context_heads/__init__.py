"""Adaptive long-context heads: for every head and query, whether a local window is enough, decided from few numbers.

Source: "Unveiling Simplicities of Attention: Adaptive Long-Context Head Identification" (2025), arXiv 2502.09647.

With scores s_j = q.k_j / sqrt(d), after rotary positions, a query at t sees a window W, the first T_sink keys and the
last T_local ones (its own included), and the bulk B, the rest, of n_B keys. The window's share of attention is

    p = A_loc / (A_loc + A_bulk),     A_loc = sum_W exp(s_j),    A_bulk = sum_B exp(s_j)

    oracle   local where p >= tau_oracle; it needs all scores
    static   one label per head, from its mean share over calibration queries
    QAdA     local where A_loc / (A_loc + n_B exp(mu + sigma^2 / 2)) >= tau, since for keys ~ N(mu_K, Sigma_K) scores
             are normal with mu = q.mu_K / sqrt(d) and sigma^2 = q' Sigma_K q / d

The moments come from the window's own recent keys, or from calibration keys of another prompt. Where the bulk is
empty a head is local. Local pairs of head and query attend to W alone; the others to everything.

Read in this order: ``config``; ``masses`` (windows, shares, moments, estimates, of one layer); ``calibration``
(moments of other prompts, and static labels); ``skipping`` (attention that reads the bulk only where it is needed);
``method`` (decide, and run the model with the decisions); ``results``; ``claims``; ``pictures``; ``conversion``
(recordings).
"""
