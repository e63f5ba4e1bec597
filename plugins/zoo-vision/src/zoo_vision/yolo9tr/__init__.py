"""YOLO9tr: YOLOv9's small detector with partial self-attention, for damage of pavements.

Source: "YOLO9tr: A Lightweight Model for Pavement Damage Detection Utilizing a Generalized Efficient Layer Aggregation
Network and Attention Mechanism", arXiv 2406.11254.

Partial self-attention lets half of the channels attend and passes the other half by. On a map x (batch, c, H, W), with
h = c / 2 and every Conv a convolution without bias and a batch norm (SiLU after it, unless said otherwise):

    [a, b] = split(Conv1x1(x))                             a, b (batch, h, H, W)
    b = b + Attn(b)
    b = b + Conv1x1_linear(Conv1x1(b))                     h -> 2h -> h
    out = Conv1x1([a, b])

    Attn(b):  q, k (heads, d_k, N), v (heads, d, N)        d = h / heads, d_k = d / 2, N = H W
              o = v softmax(q' k / sqrt(d_k))' + DWConv3x3_linear(v as a map)
              Conv1x1_linear(o)

Around it lies YOLOv9-s: ELAN and GELAN blocks, which join what each of their convolutions makes, with RepConvN (a 3 x 3
and a 1 x 1 branch that become one convolution once training is over), and two heads without anchors on maps of stride
8, 16 and 32. Each head gives, for every cell, a distribution over 16 distances to each side of a box, and class scores:

    (l, t, r, b) = sum_i i softmax(bins)_i,     box = (cell + 1/2 -+ distances) stride

The three attention blocks stand before the head that YOLOv9 calls auxiliary. The other, the main one, is what the
authors' validation reads, so the detections do not depend on the attention at all: see the claims.

Read in this order: ``config``, ``blocks``, ``attention``, ``head``, ``network`` (the detector and its raw images),
``losses`` (assignment and losses of the two heads), ``fusion`` (branches into one convolution), ``claims``,
``conversion`` (published names, recordings), ``training`` (cut-outs on photographs), ``pictures``.
"""
