"""CAT: tune a language model's attention towards tokens that are known to be causal.

Source: "CAT: Causal Attention Tuning For Injecting Fine-grained Causal Knowledge into Large Language Models" (EMNLP
2025), arXiv 2509.01535.

A (B, T, T) is the mean of all layers' and heads' attention maps. C (B, T, T) is 1 where key k is causal for what
follows query q. In a row q with both kinds of keys among those that it sees,

    m1 = mean A over causal keys,   m0 = mean A over the others,   ratio = m1 / m0

and where the ratio is below alpha the row costs

    div   - log(1 + m1) / log(1 + m0)          div2   - log(1 + m1 / (1 + m0))
    nll   - m1 / (m1 + m0)                     hinge  alpha - ratio

and else nothing. "rows" averages rows; "smoothed" averages ratios of a sample's rows first. Training minimises the
language model's loss plus gamma times this, gamma falling by a factor every epoch.

The Spurious Token Game tests it: in training, three spurious features follow the three causal ones; out of distribution
they do not.

Read in this order: ``config``; ``loss``; ``masks`` (C from text and causes); ``tuning`` (the loss inside a training
step, and a trainer); ``stg`` and ``stg_h`` (the two games), ``benchmark``; ``words`` (a tokenizer of the first game);
``planted`` (a model ruled by a spurious token); ``conversion`` (recordings) and ``claims``; ``pictures``.
"""
