"""Poseur: a person's keypoints as queries that look at a feature pyramid around where each joint may be.

Source: "Poseur: Direct Human Pose Regression with Transformers", arXiv 2201.07412. A crop (batch, 3, H, W) becomes K
keypoints in parts of the crop (0 to 1), with a spread sigma and a score each.

A neck brings each map of the trunk to C channels. The smallest map, averaged to g (C), gives a first guess

    r = (g Wc') / |g| + bc,   sigma0 = sigmoid(g Ws' + bs)

(r is detached in training, and may lie outside the crop). With e the sines of a point, queries begin as
q = LN(Linear([e(r), e(clip r)])), with learnt positions p. The memory M of all levels is features + sines of places +
a learnt embedding of the level. A decoder layer, each step followed by a residual and a LayerNorm, is attention among
the queries (q and k take p), deformable attention to M, and a feed-forward network.

Deformable attention projects values after sampling: head h samples the raw memory of full width at points around the
query's reference, weighs and sums them, and only then applies its own V_h (C, C / h) and bias. By linearity that is
projecting first, except that the bias arrives whole even where samples fell outside the map; and it projects
K vectors for each head instead of every place of every map.

After layer l, with ref_0 = r:  ref_{l+1} = sigmoid(mlp_l(x_l) + logit(ref_l)), and the layer's answer is
coord_l = ref_{l+1} + mlp'_l(x_l), sigma_l = sigmoid(of three linear maps). In training, groups of queries with noisy
references join; groups do not see one another. The loss is the residual log-likelihood of every stage.

Read in this order: ``config``, ``attention`` (deformable, after sampling), ``decoder``, ``head``, ``network`` (trunk,
neck, pictures), ``conversion`` (published names, recordings), ``claims``, ``training`` (rendered people),
``pictures``.
"""
