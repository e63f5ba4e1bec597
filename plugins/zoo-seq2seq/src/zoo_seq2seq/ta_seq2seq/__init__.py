"""Topic-aware replies: a decoder attends to the message and to topic words, and topic words are likelier to be said.

Source: "Topic Aware Neural Response Generation" (2017), arXiv 1606.08340. The authors' code is of an earlier version
without the biased probability.

A bidirectional GRU reads the message, h_j (2 d), h_T its last state. Topic words of the message have vectors k_j (z).
With the decoder's last state s (d), both attentions are additive, the second also sees the whole message:

    a = softmax_j v . tanh(W s + U h_j),                  c = sum_j a_j h_j
    a' = softmax_j v' . tanh(W' s + U' k_j + X' h_T),     o = sum_j a'_j k_j
    s <- GRU([e(y); c; o], s)

The law of the next word adds what the topic says to what language says, under one sum Z, K the message's topic words:

    p(w) = (exp psi_V(w) + [w in K] exp psi_K(w)) / Z
    psi_V(w) = f(row_w . (V_s s + V_y e(y)) + b_w),       psi_K(w) = f(row_w . (K_s s + K_y e(y) + K_c c) + b'_w)

f is tanh in the equations, which bounds the logits to [-1, 1] and makes the law of many words nearly flat; the identity
(``logit_activation=none``) is what can be trained. Without topic attention and without the bias this is the plain
attentional reply (S2SA).

Read in this order: ``law`` (the next word), ``network``, ``topics`` (topic words of messages, from a mixture of one
topic each), ``chat`` (the synthetic task), ``conversations`` (real ones), ``replies`` (searched for and drawn).
``config``, ``conversion``, ``claims``, ``training``, ``pictures`` and ``facts`` are what their names say.
"""
