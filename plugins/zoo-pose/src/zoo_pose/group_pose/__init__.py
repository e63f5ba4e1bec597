"""Group Pose: all people of an image at once, as N groups of K + 1 queries, without boxes and without suppression.

Source: "Group Pose: A Simple Baseline for End-to-End Multi-person Pose Estimation", arXiv 2308.07313. An image
(batch, 3, H, W) with a mask of its padding becomes N candidates with a class and K keypoints each, in parts of the
unpadded image.

A trunk's maps of strides 8, 16, 32 and one of stride 64 are the memory; six layers of deformable attention encode it.
Every position proposes: class logits, and K keypoints sigmoid(offset_k + logit(its centre)). The N best by class go on,
each as K keypoint queries (a learnt embedding + its memory) and an instance query (learnt), with K + 1 points: the
keypoints, and in front their mean. A decoder layer on X (N, K + 1), each step with a residual and a LayerNorm:

    within:   attention among the K + 1 queries of an instance; positions p of the keypoints are added
    across:   attention among the N queries of one type; no positions
    deform:   each query samples the memory around its own point
    feed-forward

so scores number N (K + 1)^2 + (K + 1) N^2 instead of (N (K + 1))^2. After layer l: pose_{l+1} = sigmoid(logit(pose_l) +
mlp_l(x_l)), and the class is read from the instance query. The authors add p to X in place, so it is also in values,
residuals, and in what earlier layers' auxiliary heads read; ``inplace_positions=False`` is the paper's text.

Read in this order: ``config``, ``deformable`` (attention), ``encoder`` (memory and its encoder), ``decoder``
(proposals, groups, refinement), ``trunks``, ``network`` (all together), ``pictures``, ``losses`` (matching),
``conversion`` (published names, recordings), ``claims``, ``training`` (rendered people).
"""
