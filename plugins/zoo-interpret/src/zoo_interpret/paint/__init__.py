"""PAINT: while a caption is written, raise attention to image tokens that the image encoder itself singles out.

Source: "Fixing Imbalanced Attention to Mitigate In-Context Hallucination of Large Vision-Language Model" (2025),
arXiv 2501.12206.

Two sets of the P patches come from the image encoder, whose layers are m = 0..M-1, whose class token stands first:

    local    the int(P ratio) largest of   sum_heads A^(0)[cls, patches]                    which show details
    summary  those of u = sum_heads A^(M-2)[cls, patches]  above  Q3 + 1.5 (Q3 - Q1)         which sum up the image
    spatial  optional, the int(P spatial_ratio) patches most attended to by patches in A^(0); they join the local ones
    local := local - summary

In the decoder's layers start..end-1 the last query's scores s, before the softmax, become

    s_j + alpha |s_j|   for local j,        s_j + beta |s_j|   for summary j

so that none falls: positive ones grow, negative ones come nearer to zero. In the prefill that is the last token of the
prompt, in decoding every token that is written. PAI's guidance against the image-free prompt can be added.

Modules: ``config``; ``selection`` (the sets); ``method`` (inside a running model); ``guidance``; ``chair`` (the
metric); ``planted`` (an encoder whose sets are known); ``conversion`` (recordings); ``claims``;
``pictures``. Read them in this
order.
"""
