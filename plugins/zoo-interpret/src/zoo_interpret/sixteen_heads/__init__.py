"""Are sixteen heads really better than one? Gate, rank and remove attention heads of trained models.

Source: "Are Sixteen Heads Really Better than One?" (NeurIPS 2019), arXiv 1905.10650.

A gate xi_h multiplies head h: MHA(x, q) = sum_h xi_h Att_h(x, q) W_o,h. Since heads are concatenated before the output
projection, scaling a head's slice of that projection's input is exact for every such architecture; the projection's
bias is never gated. The importance of a head is the first-order estimate of what gating it off does to the loss,

    I_h = E | dL / dxi_h | = E | Att_h(x)' dL / dAtt_h(x) |.

As the authors compute it, L is the mean cross entropy of a batch, the absolute value is taken per token position, and
sums are divided by the number of real tokens, in the last layer by the number of examples (only [CLS] feeds the
classifier there). For pruning, each layer's scores are divided by their norm, and heads go in ascending order.

Read in this order: ``config``, ``method`` (gates, importance, ablation, pruning, removal), ``results`` (what these
return), ``statistics`` (the analysis of maps), ``claims``, ``pictures`` and ``conversion`` (replay of recordings).
"""
