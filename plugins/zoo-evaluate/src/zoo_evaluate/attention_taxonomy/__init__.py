"""A survey's classification of attention, as data: four axes, and the alignment and distribution of each model.

Source: "An Attentive Survey of Attention Models" (ACM TIST 2021), arXiv 1904.02874.

Generic attention: for a query q, keys k_1..k_n and values v_1..v_n, energies e_i = a(k_i, q), weights alpha = p(e) and
context c = sum alpha_i v_i. a is the alignment function, p the distribution function. The survey's axes:

1. sequences: distinctive (query from one sequence, keys from another), co-attention (several inputs attended jointly),
   self (one sequence).
2. abstraction: single-level, or multi-level (weights of one level feed the next: word, sentence, document).
3. positions: soft (weighted average of all), hard (sampled or argmax), local (a window or chosen part).
4. representations: single, multi-representational (several representations of one input weighted), multi-dimensional
   (a weight per feature).

A record states one value on each axis (or an explicit list where a model has several) and is validated: a missing axis
or an unknown value is an error with the nearest term. The catalogue's tags are these terms, so that any entry of kind
attention can be classified, filtered, tabulated and compared.

Alignments a(k, q) of the generic attention, with W, W1, W2, b, w learned and phi(x) = elu(x) + 1:

    similarity          cos(k, q)                     biased-general      k'(W q + b)
    dot                 q'k                           activated-general   act(k'(W q + b))
    scaled-dot          q'k / sqrt(d)                 generalized-kernel  phi(q)'phi(k)
    general             k'W q                         concat              w'act(W [q; k] + b)
    location-based      w'act(W q + b)_i              additive            w'act(W1 q + W2 k + b)
    feature-based       w'act(W1 k + W2 k^2 + b)      deep                E layers of act(W x + b) on [q; k]

For activated-general the activation acts on the energy, so that with the identity it is biased-general.

Read from the ground up: ``terms`` (fields and their values), ``records`` (where a model stands, validated), ``tables``
(choosing, counting and comparing records), ``examples`` (the survey's own models), ``tree`` (the terms as a tree,
which is the entry), ``config``, and ``core`` (the generic attention as a layer). ``claims`` checks them, ``pictures``
draws them.
"""
