"""The multiple-instance loss of the pre-training: features of regions against one meta embedding per class.

With F (n, C) the features of n regions averaged over 7 x 7, E (classes, C), both of unit length, and s the scale:

    logits = s F E'                                      (n, classes)
    loss   = weight / 2 (mean over regions of -log softmax(logits)[label] +
                         mean over classes with regions of -log sum over its regions of softmax(logits')[region])
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError


def region_logits(features: Tensor, embedding: Tensor, logit_scale: Tensor) -> Tensor:
    """Scaled cosines of regions and classes.

    Args:
        features: (n, C, h, w), averaged over h and w, or (n, C).
        embedding: (classes, C).
        logit_scale: (), the logarithm of the scale.

    Returns:
        (n, classes).
    """
    pooled = features.mean((2, 3)) if features.ndim == 4 else features
    return logit_scale.exp() * functional.normalize(pooled, dim=-1) @ functional.normalize(embedding, dim=-1).mT


def multiple_instance_loss(logits: Tensor, labels: Tensor, weight: float = 0.5) -> Tensor:
    """A scalar.

    Args:
        logits: (n, classes).
        labels: (n,) integers.
        weight: of the loss beside the cross entropy of the region logits.
    """
    if labels.shape != logits.shape[:1] or not len(labels):
        raise InputError(
            f"labels {list(labels.shape)} for logits {list(logits.shape)}; expected one each, at least one"
        )
    positive = functional.one_hot(labels, logits.shape[1]).bool()
    rows = -logits.log_softmax(1)[positive]
    present = positive.any(0)
    mass = logits.mT.log_softmax(1)[present].masked_fill(~positive.mT[present], -torch.inf).logsumexp(1)
    return weight * (rows.mean() - mass.mean()) / 2
