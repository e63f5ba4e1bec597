"""VISIT: the forward pass of a language model at its last token as a graph of hidden states, each read as tokens.

Source: "Interpreting Transformer's Attention Dynamic Memory and Visualizing the Semantic Information Flow of GPT"
(EMNLP Findings 2023), arXiv 2305.13417.

Every vector h (dim) of the pass is read by the logit lens p = softmax(lm_head(norm_f(h))) (vocabulary,): its first
token is the node's. For head h of a layer, with the last token's query q, keys k_j, values v_j and output z (head_dim
each),

    query in embedding space   W_K,h q       what a state must be like to be looked at                   (dim,)
    key in embedding space     W_Q,h k_j     what a query's state must be like to look at j              (dim,)
    value                      v_j W_O,h     what is moved from j;    head output   z W_O,h              (dim,)

so that q.k_j = x_q^T (W_Q,h k_j) up to the bias, sum_j a_j (v_j W_O,h) = z W_O,h, and head outputs sum to the
attention's output without its bias. Neurons of W_O and of the feed-forward network are those with the largest and the
smallest activation times the norm of the row that they write; with a negative activation they read as their least
likely token.

Read in this order: ``config``; ``lens`` (projection to the vocabulary); ``reading`` (what of a pass is kept);
``circuits`` (queries, keys, values and outputs in embedding space); ``graph`` (nodes and edges); ``result`` (what the
probe returns, and its picture); ``probe``; ``page`` (the interactive HTML file); ``claims``; ``conversion``.
"""
