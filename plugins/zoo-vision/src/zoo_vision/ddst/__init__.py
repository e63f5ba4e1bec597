"""Dynamic Double Space Tower: image tokens grouped by the rules of Gestalt, in place of attention.

Source: "Dynamic Double Space Tower", arXiv 2506.11394. A reconstruction: of the paper the four rules, their order, the
two directions and the use within a model of 3B parameters were public; every equation below is ours.

On the grid of an image's tokens x (batch, N, C), N = H W, and a question q, a block starts from X_0 = LayerNorm(x) and
perceives bottom-up by four layers, each with a gate that the question decides,

    X_l = X_(l-1) + sigmoid(W_l [mean X_(l-1); q] + b_l) f_l(X_(l-1))

    f_1 proximity    depthwise convolutions of 3, 5 and 7, mixed by softmax(W q); linear; GELU
    f_2 similarity   a_ng = softmax_g(cos(W x_n, p_g) / tau),  m_g = sum_n a_ng x_n / sum_n a_ng,  linear of a m
    f_3 closure      c_g = close(a_g) - a_g: where a soft morphological closing fills a gap of group g; linear of c m
    f_4 continuity   h_n = lambda h_before + (1 - lambda) x_n along eight directions, mixed per token; linear

and then conceives top-down by the same layers, 4 to 1, with gates of its own, from X_4 (1 + tanh(W q)). It gives
x + linear([bottom-up; top-down]) and passes that through a feed-forward network. Nothing compares tokens with tokens:
the cost is linear in N.

For questions about places, centroids of groups mu_g = sum_n a_ng pos_n / sum_n a_ng are read out: an MLP of every
offset mu_g - mu_h, summed with weights that the question gives.

Read in this order: ``config``, ``layers`` (the four), ``tower`` (block and stack), ``relations`` (read-out, and a small
network that answers questions about coloured squares), ``scenes`` (those squares), ``training``, ``claims``,
``pictures``.
"""
