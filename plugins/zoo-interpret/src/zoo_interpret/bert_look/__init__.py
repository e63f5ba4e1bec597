"""What does BERT look at? Surface patterns, syntax and similarity of attention heads.

Source: "What Does BERT Look At? An Analysis of BERT's Attention" (BlackboxNLP 2019), arXiv 1906.04341.

For a document of N tokens with maps a[l,h,i,j] (row = query):

    avg_S      = sum_ij a S / D     S: self, next ("right"), previous ("left"), columns [SEP], [CLS], punctuation;
                                    D = N, for rows and columns [SEP] 2, for rows without and columns [SEP] N - 2
    entropy    = mean_i - sum_j b log b,    b = 0.9999 a + 0.0001 / N        (nats)
    JS(1, 2)   = 1/2 sum_ij s1 log(s1/m) + s2 log(s2/m),    s = 0.999 a + 0.001 / N,  m = (s1 + s2) / 2

Averages weigh documents equally; JS distances sum over documents. From pieces to words: columns of a word's pieces are
summed, its rows averaged ("mean"), or the first is taken, or their maximum, renormalised.

A head as a parser: zero the diagonal, cut [CLS] and [SEP], predict for every word the word it attends to most. Probing
classifiers combine all heads: with fixed weights, or weights that depend on the two words.

Read in this order: ``config``, ``statistics`` (the probe itself), ``parsing`` (heads as parsers), ``treebank``
(sentences to try them on), ``coreference`` (heads as choosers of antecedents), ``probes`` (classifiers on all maps),
``claims``, ``pictures``, ``conversion`` (recordings).
"""
