"""MSI-Net: where people look in an image, from features of several scales and their context.

Source: "Contextual Encoder-Decoder Network for Visual Saliency Prediction", arXiv 1902.06634.

The encoder is VGG16's convolutions, kept at an eighth of the image's resolution: the last two poolings have stride 1
and the last three convolutions dilation 2, so that weights of VGG16 fit unchanged. The features after the third, the
fourth and the fifth stage are joined to 1280 channels. A contextual module then reads them at five scales,

    relu(conv1x1), relu(conv3x3, dilation 4), relu(conv3x3, dilation 8), relu(conv3x3, dilation 12),
    relu(conv1x1(mean over all positions)),

joins the five (1280 channels) and mixes them by relu(conv1x1) to 256. The decoder enlarges three times by 2, each time
followed by relu(conv3x3), and ends in a convolution to one channel. Each map is brought to [0, 1]:

    map <- (map - min map) / (1e-7 + max(map - min map))

The enlargement is TensorFlow 1's, without half-pixel centres, along each axis

    y[2j] = x[j],   y[2j + 1] = (x[j] + x[min(j + 1, n - 1)]) / 2

Training minimises the Kullback-Leibler divergence between maps that are scaled to sum to 1.

Read in this order: ``config``, ``network``, ``saliency`` (loss and metrics), ``claims``, ``conversion`` (TensorFlow's
names, recordings), ``training`` (scenes of real photographs).
"""
