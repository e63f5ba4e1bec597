"""Vision-aware head divergence: which heads depend on the image, and their reinforcement while a model writes.

Source: "Cracking the Code of Hallucination in LVLMs with Vision-aware Head Divergence" (ACL 2025), arXiv 2412.13949.

A_{l,i} (head_dim) is the output of head i of layer l at the last position, before the output projection. The prompt
without its image tokens, closed up, gives A^text. Per layer:

    VHD_{l,i}  = || A_{l,i} - A^text_{l,i} ||_2
    T-VHD      = sum_l sum of the k largest VHD_{l,*}         of every written token: low where it is hallucinated
    outliers   VHD_{l,i} := 0   where VHD_{l,i} > mean + std  and  ||A^text_{l,i}||^2 > mean + std    over the layer
    selected   H_l = { i : VHD_{l,i} > median_i VHD_{l,i} }
    reinforced A_{l,i} := alpha A_{l,i}   for i in H_l, at all positions, in the layers L_r

Layers follow one another in one prefill: each compares what the layers below, reinforced already, make of the image
with the plain text-only pass. The selected heads then stay for all tokens that are decoded.

Modules: ``config``; ``divergence`` (the formulas, and the probe of VHD and T-VHD); ``reinforcement`` (the method);
``planted`` (models in which chosen heads alone see the image); ``conversion`` (recordings); ``claims``; ``pictures``.
Read them in this order.
"""
