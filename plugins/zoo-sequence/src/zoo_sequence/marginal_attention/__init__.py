"""Attention as the posterior over structures: one layer whose prior, potential and value are plug-ins.

Source: "Attention: Marginal Probability is All You Need?" (2023), arXiv 2304.04556, and, for multihop and expanding
attention, the authors' follow-up "Attention as Implicit Structural Inference" (NeurIPS 2023).

Nodes x_1..x_n, a random structure phi with prior p(phi), and a conditional model p(x | phi) = prod psi_ij over edges.
Attention is the posterior expectation of a value: out = E_{p(phi | x)} v(x, phi). When every query i picks one parent
phi_i independently, the posterior factorises,

    a_ij = p_i(j) psi_ij / sum_j' p_i(j') psi_ij',        out_i = sum_j a_ij V x_j

so softmax attention is psi = exp(q.k / sqrt d) with a uniform prior, and causal masks, windows, graphs and positional
biases are other priors. Marginalising the structure and moving latent nodes uphill gives Hopfield retrieval (one
latent, patterns as parents), slot attention (observations choose among latents) and precision-weighted predictive
coding (errors as potentials). Two extensions: a value that follows two edges (multihop), exactly

    out2_i = sum_{j != i} a_ij (A V x)_j + a_ii V x_i,

and a geometric prior over the distance to the parent whose rate is inferred with it (expanding), so that the window
that has to be read depends on the input.

Except for the windows of expanding attention nothing here is cheaper than softmax attention, and nothing needs to be
dearer: expectations run in torch's fused kernel where it can express the prior, in blocks of queries where it cannot
(two hops need a_ii, hard choices a row), and as sums over parents for the linear potential. The map itself is made
only when it is asked for.

Read ``edges`` first: posteriors over the parents of a query, and expectations under them. Then ``layer``, which puts
projections around them, and ``language_model``; ``iterative`` is inference with latent nodes. ``config``,
``conversion``, ``claims``, ``pictures`` and ``facts`` are what their names say.
"""
