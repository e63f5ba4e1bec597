"""Att-SwinU-Net: a U-shaped Swin transformer whose skips exchange one summary token between encoder and decoder.

Source: "Attention Swin U-Net: Cross-Contextual Attention Mechanism for Skin Lesion Segmentation", arXiv 2210.16898,
and the authors' repository NITR098/AttSwinUNet.

The base is Swin-Unet. Patches of 4 x 4 pixels go through four stages of Swin blocks at widths E, 2E, 4E, 8E, with patch
merging between them; what enters a stage is kept for the decoder. The decoder expands step by step, at each step joins
the kept map of its resolution, and ends in an expansion by 4 and a convolution to one logit per class and pixel.

**Cross-contextual attention**, where a skip S meets the decoder's tokens X, both (B, N, C): with Px = X[:, 1:] and
Ps = S[:, 1:],

    cx = mean X,  cs = mean S                        (B, 1, C), over all N tokens
    cx <- cx + CA1(cx; Ps),  cs <- cs + CA2(cs; Px)   `depth` times, with weights of their own
    X' = [cx, Px],  S' = [cs, Ps],  Y = Linear([X', S'])

    CA(q; ctx): q' = LN(q); keys and values from [q', ctx]; one query; softmax over 1 + N - 1 places

so only the first token of either stream changes, at a cost linear in N.

**Attention transfer.** Every encoder stage hands the attention weights A of its last block to the decoder stage of the
same resolution, which is to use softmax(...) + A, or softmax(...) * A, on its values. The published code forms the sum
when the block's output exists already, and drops it. `spatial_attention` says which: "off", "code" (the same numbers)
or "paper" (decoder blocks with the shift of the encoder's last block use it).

Read in this order: ``config``, ``cross_contextual``, ``network`` (on ``zoo_vision.swin``), ``segmentation`` (pictures
in and out), ``training``, ``claims``, ``conversion``, ``pictures``.
"""
