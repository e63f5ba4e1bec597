"""HMCE and its relatives: hierarchical contrast on one embedding, finer levels first, with fewer and fewer samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.feature_hmlc.config import HMCEConfig, HMLCConfig
from zoo_vision.feature_hmlc.contrast import require_labels, same_prefix, supervised_contrast
from zoo_vision.feature_hmlc.network import HierarchicalNetwork
from zoo_vision.feature_hmlc.network import example as network_example


@dataclass(frozen=True)
class BaselineLoss:
    """The loss, and the term of every level before its weight, fine to coarse, (L - 1,)."""

    total: Tensor
    terms: Tensor


@dataclass
class Recorded:
    """The views that a model has embedded inside ``attach``."""

    method: HMCE
    views: list[Tensor] = field(default_factory=list)

    def loss(self, labels: Tensor) -> BaselineLoss:
        """The loss of the views since the last one, for labels (n, H) from coarse to fine, without instance ids."""
        if not self.views:
            raise InputError("the model was not called inside attach: call it once for each view, then ask for a loss")
        ids = torch.arange(len(labels), device=labels.device)[:, None]
        features = functional.normalize(torch.stack(self.views, 1), dim=-1)
        self.views.clear()
        return self.method.loss(features, torch.cat((labels, ids), 1))


class HMCE:
    """Loss of a hierarchy on one embedding.

    With ``attach`` any model is trained by it: every call inside is one more view of the batch.

        with HMCE(config).attach(encoder) as recorded:
            encoder(first_views), encoder(second_views)
            recorded.loss(labels).total.backward()
    """

    def __init__(self, config: HMCEConfig) -> None:
        self.config = config

    def loss(self, features: Tensor, labels: Tensor) -> BaselineLoss:
        """The loss.

        Args:
            features: (n, V, D) unit vectors.
            labels: (n, L) integers, coarse to fine, the last column a number of the sample.
        """
        require_labels(features, labels)
        columns = labels.shape[1]
        if columns < 2 or not len(labels):
            raise InputError(
                f"labels {list(labels.shape)}; expected one level at least, a last column with the number of every "
                "sample, and one sample at least"
            )
        kind = self.config.kind
        highest = features.new_full((), -torch.inf)
        total, terms = features.new_zeros(()), []
        for level in range(1, columns):
            visible = columns - level
            positives = same_prefix(labels, visible)
            term = supervised_contrast(features, positives, self.config.temperature, self.config.base_temperature)
            if kind != "hmc":
                term = torch.maximum(highest, term)
                highest = term
            terms.append(term)
            total = total + (2 ** (1 / level) if kind != "hce" else 1.0) * term
            kept = _first_of_each(labels[:, :visible])
            features, labels = features[kept], labels[kept]
        return BaselineLoss(total / columns, torch.stack(terms))

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[Recorded]:
        """Note what a model embeds, a tensor (n, D) or a mapping with an ``embedding``, until the block ends."""
        recorded = Recorded(self)

        def note(module: nn.Module, args: Any, output: Any) -> None:
            recorded.views.append(output if isinstance(output, Tensor) else output["embedding"])

        handle = model.register_forward_hook(note)
        try:
            yield recorded
        finally:
            handle.remove()


def _first_of_each(rows: Tensor) -> Tensor:
    """Places of the first of each distinct row of (n, k), in ascending lexicographic order of the rows."""
    distinct, number = torch.unique(rows, dim=0, return_inverse=True)
    place = torch.arange(len(rows), device=rows.device)
    return torch.full((len(distinct),), len(rows), device=rows.device).scatter_reduce(0, number, place, "amin")


def example(config: HMCEConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A small network that embeds vectors, and some."""
    torch.manual_seed(seed)
    small = HMLCConfig(num_classes=[2, 4], encoder="mlp", in_channels=8, width=12, dim=6, d_k=4)
    return {"model": HierarchicalNetwork(small).eval(), "inputs": network_example(small, batch_size, seed)}
