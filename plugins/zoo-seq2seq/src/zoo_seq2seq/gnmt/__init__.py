"""GNMT: deep LSTMs with residual connections, attention asked by the bottom layer, and a search that counts words.

Source: "Google's Neural Machine Translation System: Bridging the Gap between Human and Machine Translation" (2016),
arXiv 1609.08144; re-implementations tensorflow/nmt and MLPerf's (the "v2").

The encoder's first layer is bidirectional, the second takes both directions (2 d), and from the third on each adds its
input: x_{l+1} = LSTM(x_l) + x_l. Attention is additive and normalised, read by a query y of the bottom layer

    score_s = g (v / |v|) . tanh(W_q y + W_k x_s + b),    p = softmax over words,    a = sum_s p_s x_s

    v1   y is the bottom layer's output at the last target, a goes to every decoder layer
    v2   y is its output at this target, a goes to the layers above it

so that layer l at step t never waits for the top layer at step t - 1, and v2 decodes given targets all at once. Decoder
layers read [x; a] (2 d); from the third on they add x, not a. States start at zero.

The search scores hypotheses by s(Y, X) = log P / lp(Y) + cp(X; Y), lp = ((5 + |Y|) / 6)^alpha, cp = beta sum_s log
min(sum_t p_ts, 1), and drops tokens and hypotheses that are 3 below the best. Words are cut into pieces that are learnt
from text. A reward (GLEU) can follow likelihood in training, and matrices can be of 8 bits in inference.

Read in this order: ``layers`` (an LSTM over a batch, bounded where asked), ``network``, ``methods`` (search and word
pieces attached to any translator; the search itself is ``zoo_seq2seq.search``, the pieces ``zoo_seq2seq.wordpieces``),
``rewards``, ``quantised``. ``config``, ``conversion``, ``claims``, ``training``, ``pictures`` and ``facts`` are what
their names say.
"""
