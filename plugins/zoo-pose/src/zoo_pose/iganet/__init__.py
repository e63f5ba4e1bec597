"""IGANet: lifts one pose by a graph branch and an attention branch that feed each other in every block.

Source: "Interweaved Graph and Attention Network for 3D Human Pose Estimation", arXiv 2304.14045. Keypoints
(batch, frames, 17, 2), normalised by the picture's width, become joints (batch, frames, 17, 3) in metres, relative to
the pelvis; frames do not see one another.

The graph layer knows four fixed slices A_k (17, 17) of one column-normalised adjacency: the joints themselves, bones
away from and towards the spine, and links between left and right. With a linear map to 4 C channels

    GCN(x)[w] = sum_{k, v} (W x[v] + b)_k A_k[v, w]

A block, with LN_J normalising over the joints, s1 = 0.5 and s2 = 0.8 fixed, and Att adding its second argument to the
heads' outputs (of which m is a copy from before the addition) in front of its output projection:

    g1     = GCN1(LN_J(x))
    (a, m) = Att(LN(x), s1 g1)
    g2     = GCN2(g1 + s2 m)
    x      = x + g2 + a,   x = x + uMLP(LN(x))

uMLP is GELU(Linear) from C to C/2, the same from C/2 to C/2 plus its input, and back to C. In front of the blocks
stand four linear maps without activations, behind them LayerNorm and a linear map to 3.

Modules: ``config``, ``layers`` (graph, attention, block), ``network``, ``conversion`` (published names, recordings),
``claims``, ``training`` (captured motions).
"""
