"""Attention adversarial training: perturb attention scores where it hurts most, and learn to bear it.

Source: "Attention Meets Perturbations: Robust and Interpretable Attention with Adversarial Training" (2021), arXiv
2009.12064, and the authors' code.

A classifier softmaxes scores a (T) over the words of a sentence. With g the gradient of its loss with respect to a,

    AT     r = eps g / |g|
    iAT    r_t = sum_k alpha_tk d'_tk,    d'_t = d_t / |d_t|,    d_t = (a_t - a_k)_k,    alpha = eps G / |G|

G the gradient with respect to alpha (T, T) at 0; scores are then a + r, and the loss L(a) + lambda L(a + r), r a
constant. Since dL / d alpha_tk = g_t d'_tk and the squares of d'_t sum to 1, iAT taken literally is AT. With d in the
place of d' it is not: r_t goes with g_t |d_t|^2, words that stand out are perturbed more (iat-unnormalised). The
released code of iAT walks down the gradient instead (iat-released).

``method`` perturbs any model that lets go of its scores (``zoo_seq2seq.exposed``): the classifier of
``zoo_seq2seq.attention_classifier``, or one of transformers; read it first. ``config``, ``conversion``, ``claims``,
``training``, ``pictures`` and ``facts`` are what their names say.
"""
