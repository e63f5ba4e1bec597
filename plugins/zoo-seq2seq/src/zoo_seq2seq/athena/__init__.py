"""ATHENA: thoughts, which are arithmetic expressions with embeddings, are expanded, kept or dropped, until one answers.

Source: "ATHENA: Mathematical Reasoning with Thought Expansion" (2023), arXiv 2311.01036, and the authors' code.

A problem's numbers n_0, n_1, ... start as thoughts whose embeddings (h) are the language model's states at their mask
tokens; constants have learnt ones. Rounds alternate:

    odd    every thought not transformed yet:  NEG, INV, ROOT, HALF       e' = FFN_op(e)
    even   every pair with something new:      ADD, MUL                   e' = FFN_op(e_i + e_j + W sum of both rows of
                                                                               softmax(q k / sqrt m) v over {i, j})

    reason   x = FFN(X), x attends to the context R, p = sigmoid(W FFN(x));  kept where p >= 0.5
    chain    R starts as the first token's state; the outputs x of what is kept are appended to it
    answer   the same module with its own weights, on all that is kept, R being the question's state: the largest logit
             is the answer; where its sigmoid reaches 0.95, expansion stops

Thoughts do not attend to one another, only to R; sums and products are equal as multisets and made once.

Read in this order: ``thoughts`` (symbols: equality, writing, values, equations), ``expansion`` (which come next),
``layers``, ``network`` (expansion with embeddings, the training loss, solving), ``problems`` (from a text).
``config``, ``conversion``, ``claims``, ``pictures`` and ``facts`` are what their names say.
"""
