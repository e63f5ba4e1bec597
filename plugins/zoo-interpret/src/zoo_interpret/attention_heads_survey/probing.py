"""What heads know, by classifiers on their outputs; and function vectors, what heads write of a task, put elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import Place, head_outputs, head_writes
from zoo.bridges.transformers.inputs import Inputs
from zoo.bridges.transformers.sites import find_sites, require_equal_heads
from zoo.bridges.transformers.streams import at_streams
from zoo.errors import InputError
from zoo.targets import require


def probe_heads(model: nn.Module, inputs: Inputs, labels: Tensor, tokenizer: Any = None, *, folds: int = 5) -> Tensor:
    """Cross-validated accuracy (layers, heads) of a logistic regression on every head's output at the last token.

    Args:
        model: see ``sites.find_sites``.
        inputs, tokenizer: texts of one length, or padded on the left.
        labels: (texts,) int64.
        folds: of the cross-validation.

    Raises:
        InputError: another number of labels, or a class with fewer texts than folds.
    """
    selection = require("sklearn.model_selection", needed_by="probing heads")
    linear = require("sklearn.linear_model", needed_by="probing heads")
    scaling = require("sklearn.preprocessing", needed_by="probing heads")
    pipeline = require("sklearn.pipeline", needed_by="probing heads")
    require_equal_heads(find_sites(model))
    outputs = head_outputs(model, inputs, tokenizer)
    counts = np.unique(labels.numpy(), return_counts=True)[1]
    if len(labels) != len(outputs[0]) or len(counts) < 2 or counts.min() < folds:
        raise InputError(
            f"{len(labels)} labels of counts {counts.tolist()} for {len(outputs[0])} texts and {folds} folds"
        )
    # Heads write on very different scales.
    classifier = pipeline.make_pipeline(scaling.StandardScaler(), linear.LogisticRegression(max_iter=1000))
    rows = []
    for layer in outputs:
        features = layer[:, -1].float().cpu().numpy()
        scores = [
            selection.cross_val_score(classifier, features[:, head], labels.numpy(), cv=folds).mean()
            for head in range(features.shape[1])
        ]
        rows.append(torch.tensor(scores))
    return torch.stack(rows)


@torch.no_grad()
def function_vector(model: nn.Module, inputs: Inputs, heads: Collection[Place], tokenizer: Any = None) -> Tensor:
    """What some heads write at the last token, their mean over prompts, summed: (dim,)."""
    sites, outputs = find_sites(model), head_outputs(model, inputs, tokenizer)
    if not heads:
        raise InputError("a function vector is of one head at least")
    return torch.stack(
        [head_writes(sites[layer], outputs[layer][:, -1])[:, head].mean(0) for layer, head in heads]
    ).sum(0)


@contextmanager
def adding_vector(model: nn.Module, vector: Tensor, *, layer: int) -> Iterator[None]:
    """Add a vector (dim,) to what a layer reads at the last token within the context."""

    def add(place: int, stream: Tensor) -> Tensor:
        changed = stream.clone()
        changed[:, -1] += vector
        return changed

    with at_streams(model, add, before=[layer]):
        yield
