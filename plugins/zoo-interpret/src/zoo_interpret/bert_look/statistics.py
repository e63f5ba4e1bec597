"""Surface patterns, entropy and similarity of heads: the probe itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.inputs import Inputs, batches
from zoo.bridges.transformers.maps import Document, as_distributions, documents
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.sites import Group, Site
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.bert_look.config import BertLookConfig
from zoo_interpret.by_layer import by_layer
from zoo_interpret.embeddings import token_embeddings
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.padding import real_ids

# Queries of all heads whose distances are computed at a time.
ROWS = 32

SELECTORS = ("self", "right", "left", "sep", "cls", "punct", "sep_sep", "rest_sep")


def selectors(tokens: Tensor, config: BertLookConfig) -> dict[str, tuple[Tensor, float]]:
    """Selector matrices (N, N) and denominators."""
    count = len(tokens)
    sep, cls = tokens == config.sep_id, tokens == config.cls_id
    punct = torch.isin(tokens, torch.tensor(config.punct_ids))
    every = torch.ones(count, dtype=torch.bool)
    separators = 2 if config.separators == "two" else max(int(sep.sum()), 1)
    columns = {"sep": sep, "cls": cls, "punct": punct}
    found = {
        "self": (torch.eye(count), float(count)),
        "right": (torch.diag(torch.ones(count - 1), 1), float(count)),
        "left": (torch.diag(torch.ones(count - 1), -1), float(count)),
        **{name: (torch.outer(every.float(), column.float()), float(count)) for name, column in columns.items()},
        "sep_sep": (torch.outer(sep.float(), sep.float()), float(separators)),
        "rest_sep": (torch.outer((~sep).float(), sep.float()), float(max(count - separators, 1))),
    }
    return found


def average_attention(maps: Tensor, tokens: Tensor, config: BertLookConfig) -> dict[str, Tensor]:
    """Table (layers, heads) per selector, for one document."""
    return {
        name: (maps * selector).sum((-1, -2)) / denominator
        for name, (selector, denominator) in selectors(tokens, config).items()
    }


def entropies(maps: Tensor) -> Tensor:
    """Entropy of every row (layers, heads, N) of smoothed maps, nats."""
    smooth = 0.9999 * as_distributions(maps) + 0.0001 / maps.shape[-1]
    return -(smooth * smooth.log()).sum(-1)


def js_distances(maps: Tensor) -> Tensor:
    """Jensen-Shannon distances (heads, heads) of one document's maps, layers flattened, summed over rows."""
    heads = maps.flatten(0, 1)
    distances = heads.new_zeros(len(heads), len(heads))
    # Some rows of all heads at a time: what is made of them is small beside the maps.
    for rows in heads.split(ROWS, 1):
        smooth = 0.999 * rows + 0.001 / maps.shape[-1]
        for index, own in enumerate(smooth):
            middle = (own + smooth) / 2
            terms = own * (own / middle).log() + smooth * (smooth / middle).log()
            distances[index] += terms.sum((-1, -2)) / 2
    return distances


def embed_heads(distances: Tensor, seed: int = 0) -> Tensor:
    """2-D points (heads, 2) whose distances are like the given ones.

    Metric scaling by SMACOF, the best of five starts: classical scaling, and four random ones of ``seed``.
    """
    symmetric = ((distances + distances.T) / 2).double()
    starts = [_classical_scaling(symmetric)]
    generator = torch.Generator().manual_seed(seed)
    starts += [torch.randn(len(distances), 2, generator=generator, dtype=torch.float64) for _ in range(4)]
    return min((_smacof(symmetric, start) for start in starts), key=lambda points: _stress(symmetric, points))


def _classical_scaling(distances: Tensor) -> Tensor:
    squared = distances.square()
    centred = squared - squared.mean(0) - squared.mean(1, keepdim=True) + squared.mean()
    values, vectors = torch.linalg.eigh(-centred / 2)
    return vectors[:, -2:] * values[-2:].clamp(min=0).sqrt()


def _smacof(distances: Tensor, points: Tensor, steps: int = 200) -> Tensor:
    for _ in range(steps):
        current = torch.cdist(points, points)
        ratio = torch.where(current > 1e-9, distances / current.clamp(min=1e-9), torch.zeros_like(current))
        transform = -ratio
        transform.diagonal().copy_(ratio.sum(1))
        points = transform @ points / len(points)
    return points


def _stress(distances: Tensor, points: Tensor) -> float:
    return float((torch.cdist(points, points) - distances).square().sum())


def saliency(
    model: nn.Module, inputs: Mapping[str, Tensor], loss: Callable[[Any], Tensor], *, steps: int = 1
) -> Tensor:
    """Gradient saliency of attention, |a dL/da| (layers, heads, N, N), summed over the batch.

    Args:
        model: of transformers.
        inputs: keyword arguments of its forward.
        loss: output to a scalar.
        steps: above 1, gradients are averaged over that many scaled input embeddings (integrated gradients).
    """
    embeddings = token_embeddings(model)(inputs["input_ids"]).detach()
    rest = {name: value for name, value in inputs.items() if name != "input_ids"}
    total: list[Tensor] = []
    for step in range(1, steps + 1):
        scaled = (embeddings * (step / steps)).requires_grad_()
        maps: list[Tensor] = []

        def keep(site: Site, weights: Tensor, maps: list[Tensor] = maps) -> None:
            maps.append(weights)

        with attending(model, weights=keep):
            output = model(inputs_embeds=scaled, **rest)
        gradients = torch.autograd.grad(loss(output), maps)
        parts = [weights * gradient for weights, gradient in zip(maps, gradients, strict=True)]
        total = parts if not total else [a + b for a, b in zip(total, parts, strict=True)]
    return torch.stack([part.detach().div(steps).abs().sum(0) for part in total])


@dataclass(frozen=True)
class BertLookResult(NamedArrays):
    """Statistics of a model's heads, averaged over documents.

    Args:
        averages: selector -> table (layer, head), of ``SELECTORS``; each is an array of the result under its own name.
        entropy, entropy_cls: (layer, head), nats.
        uniform_entropy: mean of log N.
        js: (heads, heads) Jensen-Shannon distances between the heads of all layers, in layer-major order, or None.
        documents: how many.
    """

    averages: Mapping[str, Tensor]
    entropy: Tensor = array("layer", "head")
    entropy_cls: Tensor = array("layer", "head")
    uniform_entropy: float = 0.0
    js: Tensor | None = array("head of all layers", "other head of all layers", default=None)
    documents: int = 0

    @classmethod
    def axes(cls) -> dict[str, tuple[str, ...]]:
        """The tables of all selectors, and the fields."""
        return {**dict.fromkeys(SELECTORS, ("layer", "head")), **super().axes()}

    def arrays(self) -> dict[str, Tensor]:
        """The tables of all selectors, and the fields."""
        own = {"entropy": self.entropy, "entropy_cls": self.entropy_cls}
        return {**self.averages, **own, **({} if self.js is None else {"js": self.js})}

    def facts(self) -> dict[str, Any]:
        """Uniform entropy, documents, and the heads' labels."""
        found = {name: value for name, value in super().facts().items() if name != "averages"}
        return {**found, "labels": self.labels()}

    def labels(self) -> list[list[str]]:
        """The paper's label of every head, by layer: next, previous, broad, cls, sep, punct, or nothing."""
        rules = (
            ("next", self.averages["right"] > 0.5),
            ("previous", self.averages["left"] > 0.5),
            ("broad", self.entropy > 3.8),
            ("cls", self.averages["cls"] > 0.6),
            ("sep", self.averages["sep"] > 0.6),
            ("punct", self.averages["punct"] > 0.6),
        )
        layers, heads = self.entropy.shape
        return [
            [next((name for name, table in rules if table[layer, head]), "") for head in range(heads)]
            for layer in range(layers)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Nested lists, ready for JSON, with the axes' names; selectors' tables under "averages"."""
        found = super().to_dict()
        averages = {name: found.pop(name) for name in self.averages}
        return {"averages": averages, "js": None, **found}

    def plot(self, path: str | Path | None = None) -> Any:
        """Attention to special tokens by layer, and heads in two dimensions or, without distances, their entropy."""
        figure = new_figure(figsize=(9, 4))
        left, right = figure.subplots(1, 2)
        layers, heads = self.entropy.shape
        for name in ("sep", "cls", "punct", "right", "left", "self"):
            left.plot(range(layers), self.averages[name].mean(1), marker="o", label=name)
        left.xaxis.get_major_locator().set_params(integer=True)
        left.set(title="where heads look, by layer", xlabel="layer", ylabel="average attention weight")
        left.legend()
        if self.js is not None and len(self.js) > 2:
            points = embed_heads(self.js)
            scatter = right.scatter(points[:, 0], points[:, 1], c=[i // heads for i in range(layers * heads)])
            figure.colorbar(scatter, ax=right, label="layer").locator.set_params(integer=True)
            right.set(title="heads, near where alike (Jensen-Shannon)", xlabel="first axis", ylabel="second axis")
        else:
            picture = right.imshow(self.entropy.numpy(), aspect="auto", cmap="viridis")
            figure.colorbar(picture, ax=right, label="nats")
            right.set(title="entropy of heads", xlabel="head", ylabel="layer")
            for axis in (right.xaxis, right.yaxis):
                axis.get_major_locator().set_params(integer=True)
        return saved(figure, path)


class BertLook:
    """``probe(model, inputs)``: statistics of every head of a model."""

    def __init__(self, config: BertLookConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs | Iterable[Mapping[str, Any]],
        tokenizer: Any = None,
        *,
        group: Group | None = None,
        batch_size: int = 1,
        log: Log | None = None,
    ) -> BertLookResult:
        """Run the model and analyse its maps, text after text.

        Args:
            model: of transformers or of the zoo, whatever computes its attention.
            inputs: texts; or keyword arguments of its forward, or many of them; padding on any side.
            tokenizer: for texts.
            group: "E" or "D", where the model has both.
            batch_size: texts of one forward pass. Their maps are in memory layer after layer, with ``js`` together.
            log: takes a line per batch.

        Raises:
            InputError: no texts, or no token ids.
        """
        options: dict[str, Any] = {"group": group, "batch_size": batch_size, "log": log}
        if self.config.js:
            # Distances are between heads of all layers, whose maps have to be there together.
            return self.analyse(documents(model, inputs, tokenizer, **options))
        return self._reduced(self._layer_by_layer(model, inputs, tokenizer, **options))

    def analyse(self, documents: Iterable[Document]) -> BertLookResult:
        """Statistics of documents, each of which is let go when the next is asked for.

        Raises:
            InputError: no documents.
        """
        return self._reduced((self._of_maps(document.maps, document.ids), len(document.ids)) for document in documents)

    def _of_maps(self, maps: Tensor, ids: Tensor) -> dict[str, Tensor]:
        """Tables of maps (..., N, N) of one document; distances only where the maps are of layers and heads."""
        rows = entropies(maps)
        found = average_attention(maps, ids, self.config) | {"entropy": rows.mean(-1), "entropy_cls": rows[..., 0]}
        return found | ({"js": js_distances(maps)} if self.config.js else {})

    def _layer_by_layer(
        self,
        model: nn.Module,
        inputs: Inputs | Iterable[Mapping[str, Any]],
        tokenizer: Any,
        *,
        group: Group | None,
        batch_size: int,
        log: Log | None,
    ) -> Iterator[tuple[dict[str, Tensor], int]]:
        """Tables of every text and its length; a layer's maps are let go when the layer is done."""
        for arguments in batches(model, inputs, tokenizer, batch_size=batch_size, ids=True, log=log):
            ids = real_ids(arguments)

            def measure(maps: Tensor, row: int, ids: list[Tensor] = ids) -> dict[str, Tensor]:
                return self._of_maps(maps, ids[row])

            for text in by_layer(model, arguments, measure, group=group):
                yield text.tables, int(text.real.sum())

    def _reduced(self, texts: Iterable[tuple[dict[str, Tensor], int]]) -> BertLookResult:
        """Means over texts, given their tables and lengths."""
        sums: dict[str, Tensor] = {}
        count, log_lengths = 0, 0.0
        for found, length in texts:
            sums = {name: sums.get(name, 0.0) + table for name, table in found.items()}
            count, log_lengths = count + 1, log_lengths + math.log(length)
        if not count:
            raise InputError("no documents to analyse")
        distances = sums.get("js")
        if distances is not None and self.config.reduce == "mean":
            distances = distances / count
        return BertLookResult(
            {name: sums[name] / count for name in SELECTORS},
            sums["entropy"] / count,
            sums["entropy_cls"] / count,
            log_lengths / count,
            distances,
            count,
        )


def example(config: BertLookConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and random ids of two segments each."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = max(66, config.cls_id, config.sep_id, *config.punct_ids) + 1
    model = tiny_model("bert", head="Model", seed=seed, vocab_size=vocabulary, max_position_embeddings=40)
    ids = torch.randint(3, 67, (batch_size, 14), generator=generator)
    ids[:, 0], ids[:, 6], ids[:, -1] = config.cls_id, config.sep_id, config.sep_id
    return {"model": model, "inputs": {"input_ids": ids, "attention_mask": torch.ones_like(ids)}}
