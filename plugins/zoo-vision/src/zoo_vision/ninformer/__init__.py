"""NiNformer: a transformer-like block whose token mixing generates a gate.

Source: "NiNformer: A Network in Network Transformer with Token Mixing Generated Gating Function", arXiv 2403.02411.

Where a transformer has attention, NiNformer multiplies a linear map of each token by a gate, and the gate is a small
network of its own, an MLP-Mixer block M over all tokens:

    G(x) = (W x + b) * M(x)
    M(x):  x <- x + T(FF_tokens(T(LN_1(x)))),   x <- x + FF_channels(LN_2(x))        T swaps tokens and channels

    x <- x + G(N(x)),   x <- x + FF(N(x))         x (batch, tokens, dim), one norm N for both halves

So the mixing depends on the data, as attention's does and a plain Mixer's does not, and no matrix of tokens by tokens
is formed: the mixing matrices are tokens by hidden width, and the number of tokens is fixed by the weights.

Read in this order: ``config``, ``block``, ``network`` (the image classifier), ``claims``, ``conversion`` (published
names, recordings), ``training`` (handwritten digits), ``pictures``.
"""
