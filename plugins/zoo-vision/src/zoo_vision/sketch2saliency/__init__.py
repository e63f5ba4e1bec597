"""Sketch2Saliency: what a drawer looks at while drawing is what stands out.

Source: Bhunia et al., "Sketch2Saliency: Learning to Detect Salient Objects from Human Drawings" (2023), arXiv
2303.11502.

A network learns to draw a photograph, stroke by stroke; nobody tells it what is salient. At every step it looks at a
place of the photograph, and the mean of where it looked is the saliency map.

    encoder    M (C, h, w) = VGG16's features at stride 32;  z = W max-pool(M)
    start      h_0, c_0 = tanh(W z)
    step i     e = w . tanh(conv3x3(M) + W h_(i-1))                  a score for every place
               a_i = softmax(e),  g = sum a_i M                      (C)
               h_i, c_i = LSTM([g ; s_(i-1)], h_(i-1), c_(i-1))
               y = W h_i                                             3 + 6 K numbers
    saliency   mean_i a_i / max, resized to the photograph

A point s is (dx, dy, down, up, end): an offset from the point before, in units of 54.4877 pixels of a 256-pixel
picture, and the state of the pen, of which one is 1. y says where the next point may lie: three pen logits, then a
mixture of K normal distributions of the offset (weights, two means, two deviations, a correlation). Training goes along
the true points and minimises their negative log-likelihood; a free run takes the mean of the heaviest component.

Read in this order: ``config``, ``decoder`` (the cell and both runs), ``network`` (the photographs), ``losses`` (the
likelihood and the loss of equivariance), ``drawings`` (point sequences of outlines, pictures of sequences),
``training``, ``conversion``, ``claims``, ``pictures``.
"""
