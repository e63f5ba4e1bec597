"""KTPFormer: a space-time transformer that lifts poses, fed by the graph of the skeleton and the chain of the frames.

Source: "KTPFormer: Kinematics and Trajectory Prior Knowledge-Enhanced Transformer for 3D Human Pose Estimation", arXiv
2404.00658. Keypoints (batch, F, 17, 2), normalised by the picture's width, become joints (batch, F, 17, 3) in metres,
relative to the pelvis; F is fixed.

A prior graph layer mixes the K nodes of a graph, x (N, K, in) to (N, K, C), with the fixed topology A (the skeleton,
or frames each joined to the next; rows divided by their sums, then 1 on the diagonal), a learnt one A2 (1e-6 at first)
and a scale M (K, C) of each node's channels:

    S = sym(A + A2)
    G(x) = (S * I) (M * (x W0)) + (S * (1 - I)) (M * (x W1)) + b

A unit is ReLU(BatchNorm(G(x))). KPA, the kinematic prior, is one unit from 2 to C channels over the joints; TPA, the
trajectory prior, is x + unit(unit(x)) over the frames. Prior attention puts a prior in front of self-attention, and
what the prior gives, plus learned positions p, is both the residual and the source of query, key and value:

    r = prior(x) + p,   y = r + attention(LN(r)),   y + MLP(LN(y))

The network: KPA attention over the joints of each frame, a norm; TPA attention over the frames of each joint, a norm;
``depth`` times a plain block over joints and one over frames, each followed by that same norm; LayerNorm, Linear to 3.

Modules: ``config``, ``priors`` (KPA, TPA), ``network``, ``conversion`` (published names, recordings), ``claims``,
``training`` (captured motions).
"""
