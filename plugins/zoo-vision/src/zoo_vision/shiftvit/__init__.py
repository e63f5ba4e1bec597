"""ShiftViT: a vision transformer whose attention is replaced by moving channels by one pixel.

Source: "When Shift Operation Meets Vision Transformer: An Extremely Simple Alternative to Attention Mechanism"
(AAAI 2022), arXiv 2201.10801.

The shift of x (B, C, H, W) with g = C // n_div moves the first g channels one pixel to the left, the next g to the
right, the next up, the next down; pixels that move in are zero, and channels from 4g on stay. It has no parameters
and no arithmetic. A block is

    x = shift(x),   x = x + drop_path(MLP(norm(x)))

so the shortcut starts after the shift. Four stages of widths E, 2E, 4E, 8E follow a 4 x 4 patch embedding; between
stages norm and a 2 x 2 convolution merge patches. The receptive field grows through the shifts alone, by one pixel
a block.

Read in this order: ``config`` (the sizes), ``shift`` (the operator), ``network`` (the classifier around it), ``claims``
(what the paper promises, measured), ``conversion`` (published names, recordings), ``training`` (handwritten digits),
``pictures``.
"""
