"""What heads know, by classifiers on their outputs; and function vectors, what heads write of a task, put elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import Place, at_positions, head_outputs, head_writes
from zoo.bridges.transformers.inputs import Inputs, as_inputs
from zoo.bridges.transformers.progress import Log, patient
from zoo.bridges.transformers.sites import find_sites, require_equal_heads
from zoo.bridges.transformers.streams import at_streams
from zoo.errors import InputError
from zoo.targets import require
from zoo_interpret.padding import position_among_real, seeing_padding


def probe_heads(
    model: nn.Module,
    inputs: Inputs,
    labels: Tensor,
    tokenizer: Any = None,
    *,
    folds: int = 5,
    log: Log | None = None,
) -> Tensor:
    """Cross-validated accuracy (layers, heads) of a logistic regression on every head's output at the last real token.

    Args:
        model: see ``sites.find_sites``.
        inputs, tokenizer: see ``inputs.as_inputs``; padded on any side.
        labels: (texts,) int64.
        folds: of the cross-validation.
        log: takes a line per layer; see ``progress``.

    Raises:
        InputError: another number of labels, or a class with fewer texts than folds.
    """
    selection = require("sklearn.model_selection", needed_by="probing heads")
    linear = require("sklearn.linear_model", needed_by="probing heads")
    scaling = require("sklearn.preprocessing", needed_by="probing heads")
    pipeline = require("sklearn.pipeline", needed_by="probing heads")
    require_equal_heads(find_sites(model))
    arguments = as_inputs(model, inputs, tokenizer)
    outputs = head_outputs(model, arguments)
    last = at_positions(outputs[0], position_among_real(arguments, -1))
    counts = np.unique(labels.numpy(), return_counts=True)[1]
    if len(labels) != len(outputs[0]) or len(counts) < 2 or counts.min() < folds:
        raise InputError(
            f"{len(labels)} labels of counts {counts.tolist()} for {len(outputs[0])} texts and {folds} folds"
        )
    # Heads write on very different scales.
    classifier = pipeline.make_pipeline(scaling.StandardScaler(), linear.LogisticRegression(max_iter=1000))
    rows, log = [], patient(log)
    for layer in outputs:
        features = layer[last].float().cpu().numpy()
        scores = [
            selection.cross_val_score(classifier, features[:, head], labels.numpy(), cv=folds).mean()
            for head in range(features.shape[1])
        ]
        rows.append(torch.tensor(scores))
        log(f"heads of {len(rows)} of {len(outputs)} layers probed")
    return torch.stack(rows)


@torch.no_grad()
def function_vector(model: nn.Module, inputs: Inputs, heads: Collection[Place], tokenizer: Any = None) -> Tensor:
    """What some heads write at the last real token, their mean over prompts, summed: (dim,)."""
    arguments = as_inputs(model, inputs, tokenizer)
    sites, outputs = find_sites(model), head_outputs(model, arguments)
    last = at_positions(outputs[0], position_among_real(arguments, -1))
    if not heads:
        raise InputError("a function vector is of one head at least")
    return torch.stack([head_writes(sites[layer], outputs[layer][last])[:, head].mean(0) for layer, head in heads]).sum(
        0
    )


@contextmanager
def adding_vector(model: nn.Module, vector: Tensor, *, layer: int) -> Iterator[None]:
    """Add a vector (dim,) to what a layer reads at the last real token of every pass within the context."""

    def add(place: int, stream: Tensor) -> Tensor:
        changed = stream.clone()
        changed[at_positions(stream, padding.nth(-1))] += vector
        return changed

    with seeing_padding(model) as padding, at_streams(model, add, before=[layer]):
        yield
