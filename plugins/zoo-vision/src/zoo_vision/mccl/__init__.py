"""MCCL: find what the images of a group have in common.

Source: "Memory-aided Contrastive Consensus Learning for Co-salient Object Detection", arXiv 2302.14485, and the
authors' repository ZhengPeng7/MCCL.

A backbone (PVT-v2) gives maps x1..x4 of every image at strides 4 to 32. **Group consensus aggregation** compares all
positions of all n images of a group on the deepest map X (n, C, h, w):

    Q = conv(X), K = conv(X)                                     n h w rows of C
    s(position) = mean over images of max over their positions of Q K^T
    W = softmax(s / sqrt(C)) over the h w positions of each image
    Z = conv(X W),   p = mean of Z over images and positions,    X <- X p

so p (C,) is what the group agrees on. A decoder of four blocks with lateral convolutions takes the modulated map back
to one logit per pixel.

**Memory contrast** keeps a unit vector m_c for every class: m_c <- normalise(momentum m_c + (1 - momentum) p), and
pulls a group's consensus to its own, -log softmax_c(p.m / tau). **Adversarial integrity**: a discriminator tells images
multiplied by predicted maps from images multiplied by true ones.

Read in this order: ``config``, ``consensus``, ``pvt`` and ``backbones``, ``network``, ``memory``, ``adversary``,
``losses``, ``prediction`` (pictures in and out), ``training`` (groups of cut-outs), ``claims``, ``conversion``,
``pictures``.
"""
