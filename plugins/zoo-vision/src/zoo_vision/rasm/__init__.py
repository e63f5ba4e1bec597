"""RASM: regional attention that removes shadows.

Source: "Regional Attention for Shadow Removal", arXiv 2411.14201.

What lies in shadow is restored from what lies around it, so a pixel needs its neighbourhood, a wide one, but not the
whole image. Regional attention lets a query read k x k keys, every d-th pixel on both axes (k = 11, d = 2), which
spans 21 pixels at the cost of 121 keys. Along an axis of length L a position i belongs to the class of all
j = i mod d; among its n members it has rank p = i // d and reads the k members that start at

    s = clamp(p - k // 2, 0, n - k)

so that near a border the window slides inwards and never shrinks. With a learned bias r for every offset

    logit(i, j) = q_i . k_j / sqrt(head_dim) + r[head, (row_j - row_i) / d + k - 1, (column_j - column_i) / d + k - 1]

and softmax runs over the k x k keys. A map smaller than k d is padded with zeros below and to the right, and the
padding takes part as keys. The cost is N k^2 C for N pixels, linear in N.

A layer is x = s + CAB(attention(LN(s))), x + LeFF(LN(x)): CAB is a pair of depthwise convolutions under a gate for
each channel, LeFF an MLP with a depthwise convolution inside. A U-shaped network has layers without attention at full
and half resolution and regional attention below; it reads the image and the shadow's mask as four channels and
predicts what is added to the image. The mask plays no part in attention itself.

Read in this order: ``config``, ``attention`` (regional attention), ``network`` (layers and the U), ``claims``,
``conversion`` (published names, recordings), ``training`` (shadows laid over real photographs), ``pictures``.
"""
