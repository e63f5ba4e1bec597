"""Minimal transformers: which parts of attention can go?

Source: "Reducing the Transformer Architecture to a Minimum" (2024), arXiv 2410.13732; sizes from a third-party
reproduction. Tokens X (N, d), heads of width d_h, scale d_h^-0.5 in every variant, softmax over keys:

    unchanged         Q, K, V and O with biases
    wqk               score x_i' (W x_j) with one matrix for W_Q and W_K; one head, else it saves nothing
    wqk-no-vo         the same, and the output is A X: no V, no O
    symmetric         score x_i T T' x_j with T lower triangular, per head on its slice of the features
    symmetric-no-vo   the same, and the output is A X

With one head W_Q W_K' and W_V W_O are single matrices already, so merging them loses nothing. Without V and O an
attention output is a convex combination of its inputs (with several heads, of each head's slice of them). T T' is
positive semidefinite: no token is less similar to itself than zero.

The network is post-norm: x = LN1(x + A), x = LN2(x + MLP(x)). Its MLP can be left out too; layers are then steps of the
recursion x + A(x) x W_V W_O. Q, the ratio of training samples times outputs to parameters, says how far the data
determine the network: above 1 the loss on new data is comparable to that in training.

Read ``layer`` first, the attention, then ``network``, the image classifier made of it; ``training`` learns handwritten
digits with every variant. ``config``, ``conversion``, ``claims``, ``pictures`` and ``facts`` are what their names say.
"""
