"""Attention meets post-hoc interpretability: attention, gradients and LIME on one document, and how they relate.

Source: "Attention Meets Post-hoc Interpretability: A Mathematical Perspective" (ICML 2024), arXiv 2402.03485.

The classifier has one layer of H heads and nothing else. With e_t = E[x_t] + P_t (d), the query of the first token,
[CLS], and per head W_q, W_k (d_att, d), W_v (d_out, d), W_l (classes, d_out), all without biases:

    alpha_t = softmax_t(q . k_t / sqrt(d_att))      over all T positions, [CLS] and padding among them
    f       = 1/H sum_h W_l sum_t alpha_t v_t       (classes,)

Three explanations of class c, whose row of W_l is w:

    attention   alpha_t, averaged over heads or their maximum: never negative, and blind to w
    gradient    1/H sum_h alpha_t [ W_v' w + (w.v_t - sum_s alpha_s w.v_s) W_k' q / sqrt(d_att) ]     for t >= 1
    LIME        the linear model of f in the presence z_j of distinct words, removed words being UNK; about, up to one
                factor, 1/H sum_h sum_{t: x_t = j} w . (alpha_t v_t - alpha_t^unk v_t^unk)

where unk marks the document whose words are all UNK. As token scores, gradients are averaged over coordinates, or their
L1 or L2 norm is taken, or their product with e_t. The probe gives all of these for any encoder of transformers too.

Modules: ``config``; ``classifier`` (the network); ``closed_forms`` (gradient and LIME by formula); ``lime`` (by
sampling); ``probe`` (all explanations of any classifier); ``planted`` (a classifier whose words are known to matter);
``training``; ``conversion`` (checkpoints and recordings); ``claims``; ``pictures``. Read them in this order.
"""
