"""DSTA: a person's keypoints in the middle frame of a clip, space and time taken apart, without heatmaps.

Source: "Video-Based Human Pose Regression via Decoupled Space-Time Aggregation", arXiv 2403.19926. Crops of T frames,
(batch, 3 T, H, W) in the order of time, become the 17 joints of PoseTrack in the middle one, in parts of the crop.

A trunk and global average pooling give g (2048) per frame, and a normed linear map tokens of E features for each of 17
slots, y = (g W') / |g| + b. Of the middle frame, slots 0 to 14 are five body parts of three (head, arms, legs):

    spatial:    transformer blocks over the three tokens of each part, with learnt positions shared by the parts
    temporal:   transformer blocks over the T tokens of each slot, with learnt positions; the middle one is kept

so a joint's path through time sees no other joint, and its path through space no other frame. Slots 15 and 16 skip the
spatial blocks. Two scalars and an offset bring both together, f = w0 temporal + w1 spatial + b; each joint of the data
set takes its slot (both ears take that of the head's top), and

    coord = Linear(LN f),   sigma = sigmoid(Linear(LN f)),   score = mean of 1 - sigma

The loss is the residual log-likelihood of a flow that training alone needs.

Modules: ``config``, ``network`` (trunk, branches, heads), ``pictures`` (crops of clips, drawings), ``conversion``
(published names, recordings), ``claims``, ``training`` (rendered people).
"""
