"""FIRM: takes the reflection out of a photograph through glass, with as much guidance as somebody cares to give.

Source: "Towards Flexible Interactive Reflection Removal with Human Guidance" (version 2: "FIRM: Flexible Interactive
Reflection ReMoval", AAAI 2025), arXiv 2406.01555.

Guidance of any kind (points, boxes, strokes) becomes one mask: 0 where nothing is known, 1 where there is reflection,
125/255 where there is the scene behind the glass. The network, an encoder and a decoder of NAF blocks (no activation
but products of halves), reads the image and the mask as four channels. At the deepest map X (batch, C, h, w) a
guidance block looks from what was marked, m, at everything:

    Q = Wq (X m),  K = Wk X,  V = Wv X,          A = softmax(Q K' / sqrt(C)),   8 heads, the scale of all channels
    Y = LN(Wo (A V) + X),   Z = LN(Y + W2 relu(W1 Y))

There are two of them, one for the reflection's mask and one for the scene's; what follows (middle blocks, decoder) is
shared. So the two answers differ only through what the two blocks make of the guidance, and without guidance the
queries are a constant: every position receives the same summary of the image.

At test time the channel gates of NAF blocks pool over windows of 1.5 times the training size instead of the whole
image ("local conversion"), so that statistics stay what they were in training.

Read in this order: ``config``, ``guidance`` (the block, masks from points and boxes), ``naf`` (NAF blocks, local
pooling), ``network``, ``losses``, ``claims``, ``conversion`` (published names, recordings), ``training`` (reflections
laid over real photographs), ``pictures``.
"""
