"""Luong attention: a decoder's state looks at all source words, or at a window, before it chooses a word.

Source: "Effective Approaches to Attention-based Neural Machine Translation" (2015), arXiv 1508.04025, and the authors'
MATLAB code.

With the top decoder state h_t (d) and top encoder states h_s (S, d), a score compares both

    dot       h_t . h_s                     general    (W_a h_t) . h_s                     W_a (d, d)
    concat    v_a . tanh(W_a [h_t; h_s])    location   (W_a h_t)_s                         W_a (S_max, d)

and weights are a(s) = softmax over what is seen: all words of the sentence (global), or those within D of a centre

    local-m   p_t = t                       local-p    p_t = S sigmoid(v_p . tanh(W_p h_t)),
                                                       a(s) <- a(s) exp(-(s - p_t)^2 / (2 sigma^2)), sigma = D / 2

where the window of local-p starts from floor(p_t), and its weights are not normalised again: through the Gaussian the
position gets a gradient. Then c_t = sum_s a(s) h_s, the attentional state is h~_t = tanh(W_c [c_t; h_t]) with W_c
(d, 2 d), and logits are W_s h~_t. A local window costs 2 D + 1 places a step, however long the source is.

Input feeding: the decoder's first layer reads [embedding; h~_{t-1}], so that it knows what it has looked at. The source
is read from its end; positions nevertheless count in the sentence's own order. Encoder and decoder are stacked LSTMs,
the decoder starting from the encoder's last states.

``attention`` is the layer, ``network`` the translator on the plugin's shared spine (``zoo_seq2seq.decoding``,
``search``, ``translating``, ``bible``); read them in this order. ``config``, ``conversion``, ``claims``, ``training``,
``pictures`` and ``facts`` are what their names say.
"""
