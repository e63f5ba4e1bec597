"""ConfHyena: Conformers whose self-attention is a Hyena operator, so that long speech costs n log n.

Source: "How do Hyenas deal with Human Speech? Speech Recognition and Translation with ConfHyena" (2024), arXiv
2402.13208; hlt-mt/FBK-fairseq at 4cd7c6dc (Apache-2.0).

The operator, order N, heads of width m = d / h, input u (B, L, d):

    (x_0, ..., x_{N-1}, v) = split(short(in(u)))        short: depthwise convolution of width 3; per head, m each
    v = D_o v + k_o * (v x_i)                           for x_{N-1}, ..., x_1; * over the whole length, by FFT
    y = out(v x_0)
    k(t) = MLP([t, cos fw, -sin fw]) exp(-t |delta|)    t in 0..1 of the longest length; shared by all heads

Causal: the first L samples of the convolution. By default not: tap L // 2 is its centre, and every utterance is
convolved at its own length, so that padding changes nothing. Layers are x + FF/2, + Hyena, + Conv, + FF/2, LayerNorm.
A CTC layer after layer 8 reads labels; frames of equal labels in a row become one, the mean. The hybrid has
relative attention after that.

``hyena`` is the operator, ``spectra`` its convolutions, ``relative`` Transformer-XL's attention, ``conformer`` the
layers, ``encoder`` subsampling, CTC and compression, ``network`` the whole with the plugin's decoder; read them in this
order. ``training`` learns Italian words, ``pictures`` draws; ``config``, ``conversion``, ``claims`` and ``facts`` are
what their names say.
"""
