"""ConvFormer: lifts the centre of a window of poses by attention whose queries, keys and values are convolutions.

Source: "ConvFormer: Parameter Reduction in Transformer Models for 3D Human Pose Estimation by Leveraging Dynamic
Multi-Headed Convolutional Attention", arXiv 2304.02147; its repository holds no code. Keypoints (batch, T, 17, 2),
normalised by the picture's width, become the joints (batch, 1, 17, 3) of the middle frame, in metres, relative to the
pelvis.

Query, key and value are each a mixture, with learnt weights of sum 1, of convolutions of several odd kernels:

    R = sum_i eta_R(i) Conv1d_{R, i}(X),   R in {Q, K, V}

Spatial blocks read X (batch T, 17, d): the channels of the convolution are the d features, the kernel slides over
joints. Temporal blocks read X (batch, T, 17 d): the channels are the T frames and the kernel slides along the joints'
features, so that every row is a combination of whole time lines of neighbouring features (the temporal joints profile).
Attention is over rows, in heads of the last axis; its output goes through a convolution of kernel 1 over the same
channels. A block is X + attention(LN X), then X + FFN(LN X), FFN over the last axis.

The network: Linear(2, d) and learnt positions of joints, spatial blocks, LayerNorm; learnt positions of frames,
temporal blocks, LayerNorm; Linear(17 d, 51) and a convolution of kernel 1 from T frames to one. Above about 136 frames
the temporal convolutions have more parameters than linear maps would: with three kernels of 7, 64 T^2 against
4 (17 d)^2 per block.

Modules: ``config``, ``attention``, ``network``, ``claims``, ``training`` (captured motions).
"""
