"""Attention heads of language models, as a survey orders them, and its ways to find them.

Source: "Attention Heads of Large Language Models: A Survey" (2024), arXiv 2409.03752.

Four stages of a model's work (knowledge recalling, in-context identification, latent reasoning, expression
preparation), eleven groups of functions and 41 classes of heads. A class's name in lower case with dashes is the tag
of everything in the catalogue that finds heads of it ("induction-head").

Scores, on [BOS] p p with p of R random tokens, a query i, a query q of the second copy, and weights A:

    previous_token  mean_i A[i, i-1]      duplicate_token  mean_q A[q, q-R]      induction  mean_q A[q, q-R+1]
    first_token     mean_i>=1 A[i, 0]     self_attention   mean_i>=1 A[i, i]     entropy    mean_i - sum_j A log A
    retrieval       share of needle tokens whose query has its largest weight on the needle
    ov_copy         share of tokens t with fewer than 5 logits of ln_1(W_E[t]) W_V W_O W_U above that of t
    ov_targets      the same of another token in t's place: its successor, its word's first letter

Replacement puts something else in the place of a head's output z: zero, its mean over reference texts, or that of a
corrupted text. Modification adds a direction to it. Effects are direct (by the residual stream alone), total, and the
difference of both.

Read in this order: ``classes`` (the 41 records), ``terms`` (methods and benchmarks), ``tree`` (all of it as a tree,
which is the entry), ``config``, ``scores`` (the probe), ``replacement`` (ablations as a method, and effects),
``probing`` (classifiers on heads, function vectors), ``claims``, ``pictures``, ``conversion`` (recordings).
"""
