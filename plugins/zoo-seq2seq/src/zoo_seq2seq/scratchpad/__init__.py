"""The scratchpad: a decoder that writes into the encoder's memory as it goes, and so knows what it has said.

Source: "Keeping Notes: Conditional Natural Language Generation with a Scratchpad Mechanism" (2019), arXiv 1906.05275;
no code by the authors is known.

The memory H (S, m) starts as the encoder's outputs. Each step reads it, goes on, and writes to all of its places:

    a = softmax_j v . tanh(W_s s + W_h h_j),    c = sum_j a_j h_j
    s' = LSTM([emb(y); c], s),                  logits = W_o tanh(W_c [s'; c])
    u = tanh(W_u [s'; c] + b_u)                 one update (m) for all places
    g_j = sigmoid(f([s'; c; h_j]))              how much of place j stays; f has one hidden layer, or none
    h_j <- g_j h_j + (1 - g_j) u

Nothing of W_h h_j can be kept from step to step, and a beam carries a memory of its own. With g = 1 this is the plain
attentional decoder (gate=closed). With ``copy`` words of the source can be said directly:
p = p_gen softmax(logits) + (1 - p_gen) (attention on equal source words), p_gen = sigmoid(w . [c; s'; emb]).

``write`` is the mechanism alone, ``network`` the encoder and decoder around it, ``repetition`` the task that shows what
it is for; read them in this order. ``config``, ``conversion``, ``claims``, ``training``, ``pictures`` and ``facts`` are
what their names say.
"""
