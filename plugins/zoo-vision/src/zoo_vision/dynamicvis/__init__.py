"""DynamicVis: a backbone for large images of the Earth that scans the tokens that matter and rescales the others.

Source: "DynamicVis: An Efficient and General Visual Foundation Model for Remote Sensing Image Understanding",
arXiv 2503.16426.

A dynamic region mixer takes tokens x (batch, N, C) and a reduction ratio r:

    w = softmax_N(W x)                                   one score per token
    I = the k = N / r tokens of the highest score        in training of softmax(W x + Gumbel noise)
    s = F([g; x_I])                                      in order of falling score, without g again
    y_i = x_i + w_i s_i   for i in I,   else x_i (1 + w_i)

g are global tokens, averages of runs of the sequence, as many as the map is high. F is a Mamba mixer that runs over the
sequence and over its reversal with the same weights, averaged, with a shortcut: z + mean(M(norm z), reversed M(norm z
reversed)). Its core is the selective scan of a state (2 C, 16) per token,

    h_t = exp(dt_t A) h_(t-1) + dt_t B_t u_t,    y_t = C_t h_t + D u_t,     dt, B, C linear in u

which here takes about 3 sqrt(L) steps in place of L: ``zoo.nn.selective_scan`` says how. Four stages at a 4th, 8th,
16th and 32nd of the resolution have ratios 8, 4, 2 and 1, so that the scans of a 512 x 512 image read 2048, 1024, 512
and 256 tokens.

Read in this order: ``config``, ``mamba`` (Mamba's mixer and the paths over it), ``mixer`` (selection), ``network``
(backbone and classifier), ``loss`` (multiple-instance loss of the pre-training), ``claims``, ``conversion`` (published
names, recordings), ``training`` (handwritten digits), ``pictures``.
"""
