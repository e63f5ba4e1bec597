"""Attention as Pavlovian conditioning: a memory that learns while it reads.

Source: "Understanding Transformers through the Lens of Pavlovian Conditioning" (2025), arXiv 2508.08289.

One head keeps a state S (d_v, d_k), zero at the start. The key is the conditional stimulus, the value the
unconditional stimulus, the query the test stimulus and the output the conditioned response:

    hebb    S_t = S_{t-1} + eta v_t k_t'
    decay   S_t = lambda S_{t-1} + eta v_t k_t'
    oja     S_t = S_{t-1} + eta (v_t k_t' - alpha diag(v_t^2) S_{t-1})
    delta   S_t = S_{t-1} + eta (v_t - S_{t-1} k_t) k_t'                     (Rescorla-Wagner)
    bcm     y_t = S_{t-1} k_t + v_t,  theta_t = (1 - rho) theta_{t-1} + rho y_t^2,
            S_t = S_{t-1} + eta y_t (y_t - theta_t) k_t'
    o_t = S_t q_t

For delta, eta is relative to |k|^2 where keys are not of unit length. With the Hebb rule this is linear attention
without a normaliser: S_t q = sum_{s<=t} (q . k_s) v_s. Softmax attention is the limit of infinitely many features and
is offered as a point of reference.

Why it matters: with n random unit keys the response to one of them carries interference of mean square
(n - 1) / d_k, so the average capacity of a head grows with d_k; if interference adds up coherently, it grows with
sqrt(d_k) only. An error-correcting rule stores up to d_k independent associations exactly.

Read ``rules`` first: one presentation, and the recurrence that defines them all. Then ``layer``, where they are a
drop-in layer, with ``zoo_sequence.linear_attention`` for the Hebb rule and its decay; ``language_model`` and
``training``, which lets it recall; ``memory``, one head to be written and read by hand; and the two experiments,
``storage`` (how much a head holds) and ``conditioning`` (the classical protocols). ``config``, ``conversion``,
``claims``, ``pictures`` and ``facts`` are what their names say.
"""
