"""A-HMLC and G-HMLC: contrastive learning under a hierarchy of labels, with embedding features of its own per level.

Source: "Feature Identification for Hierarchical Contrastive Learning", arXiv 2510.00837; no code was published. The
baseline HMCE, which it extends, is from the code of "Use All The Labels", salesforce/hierarchicalContrastiveLearning.

An encoder and a projection head give every view of an image an embedding f of D features. Labels (n, H) run from
coarse to fine. With unit vectors z and positives P, over all rows i (samples times views),

    SC(z, P) = -tau / tau_base mean_i mean_{j in P(i), j != i} [z_i.z_j / tau - log sum_{k != i} exp(z_i.z_k / tau)]

One embedding cannot be tight for a coarse class and spread over its fine ones. So level h sees features of its own:

    z_h = normalise(M_h * f),      L = sum_h w_h SC(z_h, P_h),      P_h(i, j): equal labels at level h and all coarser

* **A-HMLC** (soft masks): one attention head per level. Feature j is a token k_j = W (f_j e_j) + e_j with a learned
  embedding e_j, level h a learned query q_h, and M_h = D softmax_j(q_h.k_j / sqrt(d_k)): a mask for every sample.
* **G-HMLC** (hard masks): a Gaussian mixture of H components over the D features, each described by how much of its
  variance the classes of every level explain; every feature belongs to the level of its component.
* **HMCE** (baseline): no masks; finer levels first, each next coarser one on one sample per class of the finer; the
  term of a coarser level is at least that of the finer ones.

Read in this order: ``config``, ``contrast`` (SC), ``masks`` (soft and hard), ``mixture`` (which features serve which
level), ``network`` (encoder, head, masks, linear probes), ``baseline`` (HMCE), ``hierarchy`` (silhouette), ``textiles``
and ``training`` (real images with labels on two levels), ``claims``, ``conversion`` (recordings), ``pictures``.
"""
