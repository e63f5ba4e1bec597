"""Sparse distributed memory as a lens on attention: softmax weights are intersections of Hamming balls.

Source: "Attention Approximates Sparse Distributed Memory" (NeurIPS 2021), arXiv 2111.05498; Kanerva (1988).

In Kanerva's memory r neurons have random addresses in {0,1}^n. A pattern is written to the neurons within Hamming
distance d of it; a query reads the summed patterns of the neurons within d of itself and takes the majority. The
expected weight of a pattern at distance v from the query is the intersection of two balls,

    I(v) = r / 2^n * sum_{i=0..v} C(v, i) sum_{j, i+j<=d, v-i+j<=d} C(n-v, j),

which falls nearly exponentially in v. With cos = 1 - 2v/n that makes reading the memory an attention,
softmax(beta cos), whose beta follows from n and d by a log-linear fit. The continuous version replaces balls by caps
of the hypersphere.

The probe turns this around: a head computes softmax(|q||k| cos / sqrt(d_k)), so |q||k| / sqrt(d_k) is its effective
beta, and the radius d whose fitted beta is nearest says which memory the head resembles.

* ``attention-sdm``: the probe of a model's heads.
* ``attention-sdm-memory``: the memory itself, as neurons, as intersections or as attention.
* ``attention-sdm-critical-distance``: from how many wrong bits a memory still recovers what it stores.

Read in this order: ``config``, the schemas; ``intersections``, I(v) and the fit of beta; ``memory``;
``critical_distance``; ``probe``; ``conversion``, which replays recordings; ``claims``, what is measured; ``pictures``
of the cards.
"""
