"""Limits of normalisation: how many tokens can a head select before selected and rest become alike?

Source: "Limitations of Normalization in Attention Mechanism" (2025), arXiv 2508.17821. Written from its statements and
theory; the constants of its theorems were not at hand, so the bounds here are the ones proved below, under names of
their own.

A normaliser turns logits l_i into weights alpha_i = F(l_i) / sum_j F(l_j), softmax at temperature T with
F = exp(l / T). For one query let I_N be the N largest weights, y_i = alpha_i x_i, G = sum_i y_i and s the sum of the
selected y_i. The probe measures

    distance       || sum_{i not in I_N} y_i - s ||,  or the sum of || y_i - s || over the rest
    separability   with r = min over the rest of || y_i - s ||, the share of selected tokens with || y_i - s || <= r
    sensitivity    norms of the Jacobian J = (diag(alpha) - alpha alpha') / T

Triangle bound: distance <= D = max_i ||x_i|| and >= | ||s|| - ||G - s|| |. Random-set identity: for a uniformly random
set of N tokens E distance^2 = ||G||^2 - 4 (N/L) ||G||^2 + 4 E||s||^2 with
E||s||^2 = c ||G||^2 + (N/L - c) sum_i ||y_i||^2 and c = N (N - 1) / (L (L - 1)).

Softmax gradients: every entry of J is at most 1 / (4T), since alpha (1 - alpha) <= 1/4; the spectral norm reaches
1 / (2T) with two equal tokens.

What to use instead: ``normalise`` has the alternatives, length-aware (scalable softmax) and sparse (sparsemax,
1.5-entmax) ones among them, and ``softmax-limits-attention`` is standard attention with any of them.

Read ``normalisers`` first, then ``quantities``, everything above for rows of weights; ``probe`` measures it on every
head of a model, and ``attention`` is the layer. ``config``, ``conversion``, ``claims``, ``pictures`` and ``facts`` are
what their names say.
"""
