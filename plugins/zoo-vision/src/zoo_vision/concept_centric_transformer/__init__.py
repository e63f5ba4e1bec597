"""Concept-centric transformers: a classifier whose decision is a sum of what concepts say.

Source: "Concept-Centric Transformers: Enhancing Model Interpretability through Object-Centric Concept Learning within
a Shared Global Workspace" (WACV 2024), arXiv 2305.15775.

A backbone gives a class token and patch tokens. A small workspace of concept slots is filled from them, and the tokens
read the slots by cross-attention, with heads of width d / h:

    A = softmax(Wq x (Wk c)' / sqrt(d / h)) over concepts,      logits = P concat_heads(A Wv c) + b

For fixed concepts the logits are linear in A: the attention over concepts is the explanation, and it can be supervised
with concept labels. Two such streams are added, global concepts read by the class token and spatial concepts read by
every patch token (averaged over tokens).

The workspace is one of three memories, in each of which slots compete for inputs (softmax over slots) and are updated
by a GRU:

    sa    slot attention: slots start as mu + exp(log sigma) * noise, drawn anew on every call, in eval mode too
    isa   implicit: learned starts, three steps without gradient, one more step with gradient
    qsa   bi-level queries: two steps, the last passes the gradient straight through to the learned starts

``none`` is the baseline, the Concept Transformer, whose concepts are learned vectors.

Read in this order: ``config``, ``memory`` (the three workspaces), ``head`` (read-out and losses), ``network``
(backbones), ``claims``, ``conversion`` (the authors' names, recordings), ``training`` (handwritten digits),
``pictures``.
"""
