"""Probes of a belief in every block of every layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs
from zoo.bridges.transformers.progress import Log, patient
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.gridtom.config import TomProbeConfig
from zoo_interpret.gridtom.features import block_features
from zoo_interpret.gridtom.logistic import auc, fit, log_loss
from zoo_interpret.gridtom.steering import Steering
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs


@dataclass(frozen=True)
class TomProbes(NamedArrays):
    """A probe per block.

    Args:
        train_accuracy, val_accuracy, val_auc, val_log_loss: (layer, head).
        coef: (layer, head, feature); intercept: (layer, head).
        center_of_mass: (layer, head, feature), mean of the true minus mean of the false training samples.
        projection_std: (layer, head), population standard deviation of x . theta over all samples.
        top_heads: (place, 2): layer and head of the best blocks, the best first.
        samples: how many.
    """

    train_accuracy: Tensor = array("layer", "head")
    val_accuracy: Tensor = array("layer", "head")
    val_auc: Tensor = array("layer", "head")
    val_log_loss: Tensor = array("layer", "head")
    coef: Tensor = array("layer", "head", "feature")
    intercept: Tensor = array("layer", "head")
    center_of_mass: Tensor = array("layer", "head", "feature")
    projection_std: Tensor = array("layer", "head")
    top_heads: Tensor = array("place", "layer, head")
    samples: int = 0

    def directions(self) -> Tensor:
        """theta (layer, head, feature), of unit length."""
        return nn.functional.normalize(self.coef, dim=-1)

    def steering(self, heads: Tensor | None = None) -> Steering:
        """What to steer along: the probes' directions in the best blocks, or in others (K, 2)."""
        chosen = self.top_heads if heads is None else heads
        layers, places = chosen.T
        return Steering(chosen, self.directions()[layers, places], self.projection_std[layers, places])

    def plot(self, path: str | Path | None = None) -> Any:
        """Accuracy and area under the curve on held-out samples; a matplotlib figure."""
        return head_tables({"held-out accuracy": self.val_accuracy, "held-out AUC": self.val_auc}, path=path)


class GridTomProbe:
    """``probe(model, inputs, labels)``: fit a probe in every block."""

    def __init__(self, config: TomProbeConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs | Iterable[Mapping[str, Any]],
        labels: Tensor | Sequence[bool],
        tokenizer: Any = None,
        *,
        train_index: Tensor | None = None,
        val_index: Tensor | None = None,
        batch_size: int = 8,
        log: Log | None = None,
    ) -> TomProbes:
        """Read features of all samples, batch after batch, and fit.

        Args:
            model: of transformers, with a decoder; multimodal or not.
            inputs: batches of keyword arguments of its forward, in the order of the labels; or texts.
            labels: (samples,), true or false.
            tokenizer, batch_size: for texts.
            train_index, val_index: which samples; drawn by default.
            log: takes a line per batch, and per layer whose probes are fitted; see ``progress``.
        """
        features = block_features(
            model, inputs, tokenizer, features=self.config.features, batch_size=batch_size, log=log
        )
        return self.fit(features, torch.as_tensor(labels), train_index=train_index, val_index=val_index, log=log)

    def fit(
        self,
        features: Tensor,
        labels: Tensor,
        *,
        train_index: Tensor | None = None,
        val_index: Tensor | None = None,
        log: Log | None = None,
    ) -> TomProbes:
        """Fit features (samples, layers, heads, width) that are there already.

        Raises:
            InputError: another number of labels, or a split with one kind of label to train on.
        """
        train, held = self._split(features, labels, train_index, val_index)
        truth = labels.long().numpy()
        x = features.float().numpy()
        if len(np.unique(truth[train])) < 2:
            raise InputError("all training samples have one label; a probe needs both")
        _, layers, heads, width = x.shape
        tables = {name: np.zeros((layers, heads)) for name in ("train", "val", "auc", "loss", "intercept", "std")}
        coef, centre = np.zeros((layers, heads, width)), np.zeros((layers, heads, width))
        log = patient(log)
        for place in np.ndindex(layers, heads):
            if place[1] == 0:
                log(f"probes of layer {place[0]} of {layers}")
            own = x[(slice(None), *place)]
            (theta,), (bias,) = fit(own[train], truth[train], C=self.config.C, max_iter=self.config.max_iter)
            coef[place], tables["intercept"][place] = theta, bias
            scores = own[held] @ theta + bias
            tables["train"][place] = ((own[train] @ theta + bias > 0) == truth[train]).mean()
            tables["val"][place] = ((scores > 0) == truth[held]).mean()
            tables["auc"][place] = auc(scores, truth[held])
            tables["loss"][place] = log_loss(scores, truth[held])
            right, wrong = own[train][truth[train] == 1], own[train][truth[train] == 0]
            centre[place] = right.mean(0) - wrong.mean(0)
            tables["std"][place] = (own @ (theta / max(float(np.linalg.norm(theta)), 1e-30))).std()
        found = {name: torch.from_numpy(table).float() for name, table in tables.items()}
        return TomProbes(
            found["train"],
            found["val"],
            found["auc"],
            found["loss"],
            torch.from_numpy(coef).float(),
            found["intercept"],
            torch.from_numpy(centre).float(),
            found["std"],
            best_blocks(torch.from_numpy(tables["val"]), self.config.topk),
            len(x),
        )

    def fit_multinomial(
        self, features: Tensor, oracle: Tensor, protagonist: Tensor, train_index: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Directions of the four classes of (oracle, protagonist): "o0p0", "o0p1", "o1p0", "o1p1".

        Args:
            features: (samples, layers, heads, width).
            oracle, protagonist: (samples,) labels.
            train_index: which samples; drawn by default.

        Returns:
            Unit vectors (layers, heads, width) by class.
        """
        classes = oracle.long() * 2 + protagonist.long()
        train, _ = self._split(features, classes, train_index, None)
        x, truth = features.float().numpy(), classes.numpy()
        if len(np.unique(truth[train])) < 4:
            raise InputError("the training samples lack one of the four classes of (oracle, protagonist)")
        coef = np.zeros((4, *x.shape[1:]))
        for place in np.ndindex(*x.shape[1:3]):
            own = x[(train, *place)]
            coef[(slice(None), *place)], _ = fit(own, truth[train], C=self.config.C, max_iter=self.config.max_iter)
        names = ("o0p0", "o0p1", "o1p0", "o1p1")
        unit = nn.functional.normalize(torch.from_numpy(coef).float(), dim=-1)
        return dict(zip(names, unit, strict=True))

    def _split(
        self, features: Tensor, labels: Tensor, train_index: Tensor | None, val_index: Tensor | None
    ) -> tuple[np.ndarray, np.ndarray]:
        count = len(features)
        if len(labels) != count:
            raise InputError(f"{len(labels)} labels for {count} samples")
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.config.seed))
        held = max(1, round(count * self.config.validation))
        train = order[held:] if train_index is None else train_index
        if val_index is None:
            rest = ~torch.isin(torch.arange(count), train)
            val_index = order[:held] if train_index is None else rest.nonzero().flatten()
        if not len(train) or not len(val_index):
            raise InputError(f"{len(train)} training and {len(val_index)} held-out samples; expected some of both")
        return train.numpy(), val_index.numpy()


def best_blocks(scores: Tensor, count: int) -> Tensor:
    """(K, 2) layer and head of the largest scores (layers, heads), the largest first; of equal ones, the later."""
    order = scores.flatten().argsort(stable=True).flip(0)[:count]
    return torch.stack((order // scores.shape[1], order % scores.shape[1]), 1)


def example(config: TomProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny LLaVA, random prompts with an image each, and a label in turn."""
    model = tiny_llava(seed)
    count = max(12, batch_size)
    labels = torch.arange(count) % 2 == 0
    return {"model": model, "inputs": tiny_llava_inputs(model, count, seed), "labels": labels}
