"""FocusCLIP: images and texts aligned as in CLIP, while a heat map says where in the image the subject is.

Source: "FocusCLIP: Multimodal Subject-Level Guidance for Zero-Shot Transfer in Human-Centric Tasks", arXiv 2403.06904.

An image tower f_v (ViT-B/16) and a text tower f_t (BERT) each end in a linear layer to 512 features. In training a
third branch sees the image through the heat map m in [0, 1] of the subject,

    masked = image (alpha + m (1 - alpha))          alpha learned, 0.5 at first

by the same tower or one of its own, and the loss pulls all three together,

    loss = NTX(masked, image) + NTX(masked, text) + NTX(image, text)

NTX(a, b) is the normalised-temperature cross entropy: of the 2 B unit vectors of both sets each must find its
counterpart in the other set among all 2 B - 1 others, those of its own kind included (CLIP's loss leaves them out), at
temperature 0.5. Without a heat map the last term alone remains. At inference the third branch is gone: a class is the
text whose features lie closest to the image's.

Heat maps come from key points: of every body part the box around its visible points becomes a Gaussian, and all are
added and cut at 1.

Read in this order: ``config``, ``losses``, ``heatmaps``, ``towers`` (ViT, BERT, CLIP and small stand-ins), ``network``,
``prompts`` (descriptions of poses), ``claims``, ``conversion`` (published names, recordings), ``words`` (texts to
numbers), ``training`` (captioned cut-outs), ``pictures``.
"""
