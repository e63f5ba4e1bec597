"""Low-rank heads and the nearest point: a benchmark for the trade-off between head size and number of heads.

Source: "On the Benefits of Rank in Attention Layers" (2024), arXiv 2407.16153.

Target: points x_1..x_N and a query y on the unit sphere of R^d; f(X; y) is the point nearest to y. Attention with H
heads of rank r has Q, K (H, r, d) and VO (H, d, d):

    A_h = softmax over points of (Q_h y) . (K_h x_k) / sqrt(r)        (soft; one-hot of the argmax when hard)
    out = sum_h VO_h' (X A_h)

One full-rank hard head with Q = K = VO = I represents f exactly for every N. Heads of rank r << d need exponentially
many of them in d, even for N = 2: for random rank-1 hard heads the error of the best combination has a closed form,
1 - 2 b.a + a'C a with C a = b, where C and b are the inner products of heads with each other and with f; and no H
rank-1 hard heads at all, whatever their maps, fall below ``rank_one_bound``.

The error is E ||f_hat - f||^2; predicting zero gives 1. When the points query themselves the target is the farthest
point, since the nearest would be the point itself.

* ``attention-rank``: the benchmark.
* ``attention-rank-heads``: attention with H heads of rank r, trained or constructed.
* ``attention-rank-encoder``: the widened encoder of the experiments, several attentions of low rank per layer.

Read in this order: ``config``, the schemas; ``benchmark``, points and targets; ``heads``; ``theory``, the closed
forms; ``encoder``; ``training``; ``conversion``, which replays recordings; ``claims``, what is measured; ``pictures``
of the cards.
"""
