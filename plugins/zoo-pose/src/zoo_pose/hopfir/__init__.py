"""HopFIR: lifts one pose by attention to groups of joints that are k limbs away, and by refinement within limbs.

Source: "HopFIR: Hop-wise GraphFormer with Intragroup Joint Refinement for 3D Human Pose Estimation", arXiv 2302.14581;
no code was published and this is a reconstruction. Keypoints (batch, 17, 2), normalised by the picture's width, become
joints (batch, 17, 3) in metres, relative to the pelvis.

With d(i, j) the limbs between two joints, the hop matrix H_k averages over {j: d(i, j) = k}. Hop-wise attention has one
head for each hop k = 0..K-1; the joint itself asks, the groups answer, X (J, C):

    G_k = H_k X,   o_k = softmax((X Wq_k) (G_k Wk_k)' / sqrt(C / K)) (G_k Wv_k),   out = Linear([o_0 .. o_{K-1}])

so each joint sees the k-hop groups of all joints (``attend = joints``); ``hops`` weighs each joint's own K groups. A
block is

    Y = X + HopAttention(LN(X)),   Z = Y + ReLU(BN(GraphConv(LN(Y)))),   Z + Refinement(LN(Z))

The refinement attends within a limb's three joints or within the torso alone, and adds MLP([root, middle, tip]) of each
limb to its tip. In front stands GraphConv(2 -> C) and ReLU, behind LayerNorm and Linear(C, 3).

Modules: ``config``, ``layers`` (attention, refinement, graph convolutions), ``network``, ``claims``, ``training``,
``pictures``.
"""
