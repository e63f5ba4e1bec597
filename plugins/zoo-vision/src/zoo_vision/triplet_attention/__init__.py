"""Triplet attention: three almost free gates that let channels, rows and columns talk to each other.

Source: "Rotate to Attend: Convolutional Triplet Attention Module" (WACV 2021), arXiv 2010.03045.

Z-pool over an axis stacks the maximum and the mean over it. A gate on t (B, A, P, Q) is

    gate(t) = t * sigmoid(BN(conv_kxk(Zpool_A(t))))          2 -> 1 channel, k = 7, no bias

The module applies three gates with weights of their own to x (B, C, H, W): one with H in the pooled place (it
convolves over the C-W plane), one with W there (the H-C plane), one with C there (the H-W plane), and averages the
three results. With k = 7 that is 3 * (2 * 49 + 2) = 300 parameters whatever the number of channels.

Read in this order: ``config``, ``gates`` (the module), ``networks`` (ResNet and MobileNetV2 that carry it), ``claims``
(what the paper promises, measured), ``conversion`` (published names, recordings), ``training`` (handwritten digits),
``pictures``.
"""
