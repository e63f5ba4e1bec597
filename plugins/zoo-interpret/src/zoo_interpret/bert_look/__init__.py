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

``statistics`` is the probe; ``parsing``, ``coreference`` and ``probes`` look for syntax.
"""

from zoo_interpret.bert_look.coreference import (
    Mention,
    antecedent_accuracy,
    antecedents,
    nearest_mention,
    rule_based,
    same_head_word,
)
from zoo_interpret.bert_look.parsing import (
    AGGREGATIONS,
    DIRECTIONS,
    Sentence,
    attachment_score,
    offset_baseline,
    predict_heads,
    predict_offset,
    read_conll,
    relation_scores,
    synthetic_treebank,
    word_attention,
)
from zoo_interpret.bert_look.probes import (
    AttentionProbe,
    AttentionProbeConfig,
    DistanceProbe,
    DistanceProbeConfig,
    WordsProbe,
    WordsProbeConfig,
    attention_probe_example,
    candidate_maps,
    convert,
    distance_features,
    distance_probe_example,
    train_probe,
    word_pairs,
    words_probe_example,
)
from zoo_interpret.bert_look.recordings import (
    replay,
)
from zoo_interpret.bert_look.statistics import (
    SELECTORS,
    BertLook,
    BertLookConfig,
    BertLookResult,
    average_attention,
    document_maps,
    embed_heads,
    entropies,
    example,
    js_distances,
    saliency,
    selectors,
)

__all__ = [
    "AGGREGATIONS",
    "AttentionProbe",
    "AttentionProbeConfig",
    "BertLook",
    "BertLookConfig",
    "BertLookResult",
    "DIRECTIONS",
    "DistanceProbe",
    "DistanceProbeConfig",
    "Mention",
    "SELECTORS",
    "Sentence",
    "WordsProbe",
    "WordsProbeConfig",
    "antecedent_accuracy",
    "antecedents",
    "attachment_score",
    "attention_probe_example",
    "average_attention",
    "candidate_maps",
    "convert",
    "distance_features",
    "distance_probe_example",
    "document_maps",
    "embed_heads",
    "entropies",
    "example",
    "js_distances",
    "nearest_mention",
    "offset_baseline",
    "predict_heads",
    "predict_offset",
    "read_conll",
    "relation_scores",
    "replay",
    "rule_based",
    "saliency",
    "same_head_word",
    "selectors",
    "synthetic_treebank",
    "train_probe",
    "word_attention",
    "word_pairs",
    "words_probe_example",
]
