"""A classifier whose words are known to matter, and how: what an explanation should find.

Half of the words speak for class 1, half against it, by construction: the value of word j points along the class's
direction by s_j, and keys know nothing of s_j, so that attention cannot tell the two kinds apart.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo_interpret.attention_posthoc.classifier import MultiHeadClassifier
from zoo_interpret.attention_posthoc.config import ClassifierConfig


def planted_classifier(seed: int = 0, *, flip: int = 1) -> tuple[MultiHeadClassifier, Tensor]:
    """The classifier, and the sign (vocabulary,) with which every word speaks for class 1; 0 of [CLS] and UNK.

    Args:
        seed: of everything that is not planted.
        flip: -1 plants the opposite signs.
    """
    config = ClassifierConfig(40, 16, 8, 8, 3, 2, 24, positional=False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MultiHeadClassifier(config).eval()
    signs = torch.ones(config.vocab_size)
    signs[3::2] = -1
    signs[:2] = 0
    signs *= flip
    with torch.no_grad():
        # The last feature of a word is its sign; values carry it alone, keys and queries all but it.
        model.embedding.weight[:, -1] = signs
        for each in model.heads:
            head: Any = each
            head.query.weight[:, -1] = 0
            head.key.weight.mul_(8)[:, -1] = 0
            head.value.weight.zero_()
            head.value.weight[0, -1] = 1
            head.classifier.weight.zero_()
            head.classifier.weight[1, 0] = 1
    return model, signs
