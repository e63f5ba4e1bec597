"""A2N: attention in attention, a network for super-resolution that decides how much attention an image needs.

Source: "Attention in Attention Network for Image Super-Resolution", arXiv 2104.09497.

Not every attention layer of a super-resolver helps every image. A block therefore has two branches, one with pixel
attention A and one plain convolution N, and a small network D that weighs them for each image:

    x = lrelu(conv1x1(r))
    (w_a, w_n) = softmax(D(x) / t),   D = linear, ReLU, linear on the average over all pixels,   t = 30
    r <- r + conv1x1(lrelu(w_a A(x) + w_n N(x)))

    A(x) = k4(k3(x) * sigmoid(k2(lrelu(k1(x)))))      k1, k3, k4: 3 x 3, k2: 1 x 1

The high temperature keeps both weights near one half at the start. Sixteen such blocks, a convolution and a shortcut
give features f (batch, 40, h, w), which are enlarged by nearest-neighbour steps of 2 (or one of 3), each followed by
a convolution, pixel attention x * sigmoid(conv1x1(x)) and a convolution; the image itself, enlarged bilinearly, is
added at the end. A2N-M replaces the 3 x 3 convolution of N by a 1 x 1 and saves a fifth of the parameters.

Read in this order: ``config``, ``block`` (attention in attention), ``network`` (the super-resolver), ``claims``,
``conversion`` (published names, recordings), ``training`` (real photographs), ``pictures``.
"""
