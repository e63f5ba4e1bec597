"""FAST: attention whose weights factorise, so that every token attends to every token in linear time.

Source: Gerami et al., "FAST: Factorizable Attention for Speeding up Transformers" (2024), arXiv 2402.07901; details
from the authors' code, armingerami/fastmax and armingerami/reproducing_fastmax_results.

Fastmax replaces the exponential of softmax by its Taylor polynomial of degree p (1 or 2), per head of D features:

    f(x) = 1 + x + x^2 / 2          (in general a0 + a1 x + a2 x^2; without the last term for p = 1)
    o_i = sum_j f(s_ij) v_j / sum_j f(s_ij),   s_ij = q_i . k_j / t,   j <= i where causal

A polynomial of a product of vectors is a product of vectors: the sums over j leave the query (x: outer product),

    numerator_i   = a0 sum_j v_j + a1/t q_i' (sum_j k_j v_j') + a2/t^2 (q_i x q_i) : (sum_j (k_j x k_j) v_j')
    denominator_i = a0 N         + a1/t q_i . sum_j k_j       + a2/t^2 (q_i x q_i) : (sum_j (k_j x k_j))

with prefix sums in the causal form. Cost is O(N D^(p+1)) instead of O(N^2 D), no N x N matrix exists, and a decoder
carries (D + 1) F numbers per head whatever the length, F = (D + 1)(D + 2) / 2 for p = 2 and even D (k x k is
symmetric).

Scores are those of standardised queries and keys (the paper; t = temperature), of plain ones (the reproduction code;
t = normalize_term sqrt(D)), or of queries and keys divided by their largest norm in the sequence (the CUDA package;
t = 1, |s| <= lim^2). For p = 2 f(x) >= 1/2: every weight is positive and every denominator at least N / 2. For p = 1
f is negative below x = -1 and denominators can vanish: keep |s| < 1.

Read ``polynomial`` first, which evaluates such attention and its gradient in chunks; then ``config``, the schemas;
``attention``, which makes a function, a recurrence and a layer of it; ``networks``, the models of the experiments;
``conversion``, which replays recordings; ``claims``, which measures what the paper promises; and ``pictures`` of the
cards.
"""
