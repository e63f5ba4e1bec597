"""Attention that deceives: a penalty on the weights of chosen words, which a model goes on using all the same.

Source: "Learning to Deceive with Attention-Based Explanations" (2020), arXiv 1909.07913, and the authors' code.

Impermissible words m (T, 0 or 1) are words that a decision should not seem to rest on. With weights alpha,

    R = -lambda log(1 - alpha . m)                     one attention, per sentence; 0 where no word is impermissible
    R = -lambda mean, or min, of log(1 - alpha_h . m)  heads of [CLS] in the last layer; the min is the worst head's
    R = -lambda log(1 - sum alpha m / N)               targets of a translator: the aligned source words, N targets

is added to the loss of the task. A recurrent model moves what it needs into the states of permissible words; a model
that averages embeddings cannot, and has to make an embedding long enough to be seen through a small weight. Blocking,
alpha (1 - m) without normalising again, tells who still looks. For BERT a mask keeps permissible and impermissible
words apart in all layers (only [CLS] sees both), or the lower layers carry it over.

Read in this order: ``penalty``, ``classifiers``, ``translator``; ``method`` attaches the penalty to any of them and to
transformers' encoders, and audits; ``tasks`` makes data with known impermissible words, ``verses`` takes real ones.
``config``, ``conversion``, ``claims``, ``training``, ``pictures`` and ``facts`` are what their names say.
"""
