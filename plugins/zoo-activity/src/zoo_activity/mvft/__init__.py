"""MVFT: three views of one window of inertial signals, fused by attention within and across views.

Source: "Multi-View Fusion Transformer for Sensor-Based Human Activity Recognition", arXiv 2202.12949; no code was
published and this is a reconstruction from the abstract and a public summary. A window (batch, T, S), T samples of S
sensor channels, standardised per channel, becomes logits (batch, num_classes).

Views, each a row of tokens of width D:

    temporal     Linear of patches of p samples, T / p tokens
    frequent     Linear of log(1 + |rfft|) of segments of w samples, half overlapping, 2 T / w - 1 tokens
    statistical  Linear of 12 statistics of each channel of the same segments

plus position and view embeddings, behind a class token. In a block, with tokens X_a (n_a, D) of view a, per head,

    I_a = softmax(Q_a K_a' / sqrt d) V_a,   C_ab = softmax(Q_a K_b' / sqrt d) V_b,   b any other view
    F_a = Linear(I_a + sum_b g_ab C_ab),    g_ab = sigmoid(w_ab [mean I_a, mean C_ab])
    Y_a = X_a + F_a of the normed,          Z_a = Y_a + MLP(LN(Y_a))

The class tokens of all views, side by side, are normed and classified.

Read in this order: ``config``, ``signals`` (spectra and statistics), ``views`` (tokens), ``fusion`` (attention and
block), ``network``, ``factors`` (a task that needs all views), ``exercises`` (a real
watch), ``training``, ``claims``, ``pictures``.
"""
