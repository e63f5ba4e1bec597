"""MoBA: attention to a few blocks of the past, chosen by each query itself.

Source: Lu et al., "MoBA: Mixture of Block Attention for Long-Context LLMs" (2025), arXiv 2502.13189.

A sequence is cut into blocks of B tokens. Block i is represented by the mean of its keys (after the rotary
positions), and a query scores the blocks before its own by the plain product with that mean:

    s_ti = q_t . mean_{j in block i} k_j          for i < c(t) = floor(t / B)

It attends to its own block, up to itself, and to the topk - 1 best-scored earlier blocks, in one softmax over all
the keys of these blocks with logits q . k / sqrt(d). The gate has no parameters and no gradient, so MoBA and full
attention share their weights and can be exchanged layer by layer, during training or after it. With topk at least
the number of blocks it is full causal attention.

The own block is never scored: its mean would leak later keys. Query heads that share a key head choose alone.

Read ``definition`` first: the mechanism written down with a mask. Then ``routing``, which chooses the blocks;
``evaluation``, which computes the same in time and memory proportional to what is read, and ``operators``, which tells
torch about it; ``layer``, the mechanism on tensors, in transformers and as a drop-in layer; ``language_model``, a
Llama decoder of such layers; ``characters`` and ``training``, which teach it Python's standard library. ``config``,
``conversion``, ``claims``, ``pictures`` and ``facts`` are what their names say.

A compiled program calls the evaluation as one operator; an exported one holds the definition instead, with the memory
of dense attention. Both take padding; a mask with a row per query has to be read first, which they cannot.
"""
