"""See what you are told: move attention from sink tokens to the rest of the image in heads that look at the image.

Source: "See What You Are Told: Visual Attention Sink in Large Multimodal Models" (ICLR 2025), arXiv 2503.03321.

A few dimensions D of a language model carry massive activations, at the first token and at tokens of the image's
background: sinks, which attract attention and say little. For layer l with input x, image positions I:

    phi(t) = max_{d in D} | RMSNorm(x_t)_d |       without gain, float32;   sinks S = { t : phi(t) > tau }, S_v = S & I
    share  r = sum_{S_v} a / sum_I (a + 1e-6),     mass m = sum_I a         of a row a of attention
    a head is image-centric at a query where  r <= rho  and  m >= summ      (never where S_v is empty)

In these rows sinks, of text too, keep p of their weight, and what they give goes to the rest of the image, in
proportion to the attention that it has:

    a'_j = p a_j  for j in S,      a'_j = a_j + B a_j / sum_{I - S_v} a,   B = (1 - p) sum_S a,   for j in I - S_v

Rows keep their sums. In the prefill only queries after the image are changed, in decoding all; sinks are found in the
prefill, from the third layer on.

Modules: ``config``; ``redistribution`` (sinks, heads, rows: pure functions); ``method`` (inside a running model, and
what it found); ``planted`` (a model whose sinks are known); ``conversion`` (recordings); ``claims``; ``pictures``.
Read them in this order.
"""
