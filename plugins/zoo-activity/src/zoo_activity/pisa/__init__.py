"""PISA: recommends the next listening session, from ACT-R's activations of memory and a transformer over sessions.

Source: "Transformers Meet ACT-R: Repeat-Aware and Sequential Listening Session Recommendation", arXiv 2408.16578,
and the authors' code. A user's last L sessions of up to S tracks (batch, L, S), 0 padding, histories left-padded, give
scores of every track for the session that follows the last.

Activations of track i, before the network (``actr``), d = 0.5, times in seconds:

    base level   B_i = ln sum over plays (t_ref - t)^-d, then softmax over the tracks of the user
    spreading    sum over other tracks j of the session of A_ij, A = D^-1/2 (co-occurrence counts) D^-1/2
    matching     in the network: sum over other slots of e_i . e_j

A session is its tracks' sum, alpha_i e_i, with a_i = sum_c act_ic w_c (all made positive) and alpha_i = a_i^g / sum_j
a_j^g, g = 0.5. Sessions (batch, L, D), times sqrt(D), plus positions, pass a transformer in SASRec's manner, whose last
states are st; lt = sum of base level * e over the user's favourites; both of norm 1. Then

    (a, b) = softmax(Linear([lt, st])),  f = (a lt + b st + session) / |.|,  score_i = f . e_i + lambda_ls lt . e_i

Read in this order: ``config``, ``actr``, ``sessions`` (embedding), ``transformer``, ``network``, ``loss``,
``conversion``, ``claims``, ``pictures``. The scores of recommendations are the plugin's ``recommendation``.
"""
