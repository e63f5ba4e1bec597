"""Select and pack attention: a gate chooses tokens of every image, and the chosen ones of a batch share containers.

Source: "Context-Aware Token Selection and Packing for Enhanced Vision Transformer", arXiv 2410.23608; no code was
published.

**Select.** A gate scores the tokens r (B, N, C) of a map, and takes the larger of its own score and of the one that the
level before handed on:

    s = max(Linear(r), s_up),   r_g = sigmoid(s) r,   kept = sigmoid(s) > theta

In training the choice is drawn, q = sigmoid((s + G1 - G2) / tau) with Gumbel noise, and passes gradients straight
through: k = kept + q - stop(q), r_p = k r_g.

**Pack.** The kept tokens of all images, one image after the other in row-major order, form one list, which is cut into
containers of L = M^2 places; the last is padded. Attention runs inside containers, between tokens of the same image:

    multiply-adds   all tokens B(4 N C^2 + 2 N^2 C)
                    windows    B(4 N C^2 + 2 M^2 N C)
                    packed     B(N C + N C^2) + B'(3 L C^2 + 2 L^2 C),   B' = ceil(kept / L) containers

**Unpack.** Answers go back to their places, zeros elsewhere, and a projection acts on all tokens. Every second block
rolls the map by M // 2 first, so that lists are cut elsewhere.

The backbone (SPT) is Swin's, with such blocks in stages 3 and 4. Where images have objects marked, the scores learn to
find them: L = L_task + alpha sum over blocks of BCE(sigmoid(s), y), y = 1 in cells that touch an object.

Read in this order: ``config``, ``packing`` (lists and containers), ``attention``, ``network``, ``selection`` (labels
and loss), ``cost``, ``claims``, ``training`` (handwritten digits), ``pictures``.
"""
