"""The probe: measures of every head and layer, averaged over texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, batches
from zoo.bridges.transformers.progress import Log
from zoo.bridges.transformers.sites import Group, find_sites
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.attention_reference_frames import geometry, measures
from zoo_interpret.attention_reference_frames.config import ReferenceFramesConfig
from zoo_interpret.attention_reference_frames.frames import FRAMES, frame_features, frame_type
from zoo_interpret.attention_reference_frames.topology import betti_curves
from zoo_interpret.by_layer import by_layer
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.states import hidden_states


@dataclass(frozen=True)
class ReferenceFrames(NamedArrays):
    """Means over texts; what has a token axis comes from the texts of the greatest length.

    Args:
        fiedler, fiedler_normalized, in_centralization, gini, degree_variance, star_likeness, kl_to_uniform: (layer,
            head).
        first_received: (layer, head), mean attention that the first token receives.
        betti0, betti1: (layer, head, threshold).
        sink_rate_first: (layer,), share of heads in which the first token receives more than ``sink_rate``.
        sink_mask: (layer, head, token), share of texts in which a token is a sink.
        received: (layer, head, token); received_layer: (layer, token), the mean of heads.
        cosine_to_first, norm_ratio_first: (place,), of the stream before every layer and after the last.
        features: (5,): received by the first token, the last, the top three; centralisation; Gini.
        frame: the commonest frame of the texts.
        frames: how many texts have each.
        causal: whether the attention is.
        texts: how many.
    """

    fiedler: Tensor = array("layer", "head")
    fiedler_normalized: Tensor = array("layer", "head")
    in_centralization: Tensor = array("layer", "head")
    gini: Tensor = array("layer", "head")
    degree_variance: Tensor = array("layer", "head")
    star_likeness: Tensor = array("layer", "head")
    kl_to_uniform: Tensor = array("layer", "head")
    first_received: Tensor = array("layer", "head")
    betti0: Tensor = array("layer", "head", "threshold")
    betti1: Tensor = array("layer", "head", "threshold")
    sink_rate_first: Tensor = array("layer")
    sink_mask: Tensor = array("layer", "head", "token")
    received: Tensor = array("layer", "head", "token")
    received_layer: Tensor = array("layer", "token")
    cosine_to_first: Tensor = array("place")
    norm_ratio_first: Tensor = array("place")
    features: Tensor = array("first, last, top three, centralisation, Gini")
    frame: str = "none"
    frames: tuple[tuple[str, int], ...] = ()
    causal: bool = True
    texts: int = 0

    def plot(self, path: str | Path | None = None) -> Any:
        """By layer: what the first token receives, the shape of the graph, its topology; a matplotlib figure."""
        figure = new_figure(figsize=(13, 3.6))
        left, middle, right = figure.subplots(1, 3)
        layers = range(len(self.sink_rate_first))
        left.plot(layers, self.first_received.mean(1), marker="o", label="received by the first token")
        left.plot(layers, self.sink_rate_first, marker="o", label="heads that sink in it")
        middle.plot(layers, self.in_centralization.mean(1), marker="o", label="centralisation")
        middle.plot(layers, self.gini.mean(1), marker="o", label="Gini")
        middle.plot(layers, self.star_likeness.mean(1), marker="o", label="star-likeness")
        right.plot(self.betti0.double().mean((0, 1)), marker="o", label="components")
        right.plot(self.betti1.double().mean((0, 1)), marker="o", label="cycles")
        right.set_yscale("symlog")
        for axis, name in ((left, "layer"), (middle, "layer"), (right, "threshold, in order")):
            axis.set_xlabel(name)
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.legend(fontsize=8)
        figure.suptitle(f"{self.frame} frame ({self.texts} texts)")
        return saved(figure, path)


class AttentionReferenceFrames:
    """``probe(model, inputs)``: which frame a model builds."""

    def __init__(self, config: ReferenceFramesConfig) -> None:
        self.config = config

    def __call__(
        self,
        model: nn.Module,
        inputs: Inputs | Iterable[Mapping[str, Any]],
        tokenizer: Any = None,
        *,
        group: Group | None = None,
        batch_size: int = 4,
        log: Log | None = None,
    ) -> ReferenceFrames:
        """Measure texts, batch after batch.

        Args:
            model: of transformers, with any attention implementation.
            inputs: texts; or keyword arguments of its forward, or many of them. Padding is cut off.
            tokenizer: for texts.
            group: "E" or "D", where the model has both.
            batch_size: texts of one forward pass.
            log: takes a line per batch.

        Raises:
            InputError: no texts, layers of different numbers of heads, or an architecture whose maps cannot be read.
        """
        causal = all(site.group == "D" for site in find_sites(model, group=group))
        mean = _Mean()

        def measure(maps: Tensor, row: int) -> dict[str, Tensor]:
            return self.measure_heads(maps.double(), causal=causal)

        for arguments in batches(model, inputs, tokenizer, batch_size=batch_size, log=log):
            texts = by_layer(model, arguments, measure, group=group)
            states = torch.stack(hidden_states(model, arguments, group=group), 1).double().cpu()
            for text, own in zip(texts, states, strict=True):
                mean.add(text.tables | _of_all_layers(text.tables), own[:, text.real])
        return mean.result(causal)

    def measure(self, maps: Tensor, *, causal: bool) -> dict[str, Tensor]:
        """All measures of the maps (layers, heads, T, T) of one text."""
        found = self.measure_heads(maps, causal=causal)
        return found | _of_all_layers(found)

    def measure_heads(self, maps: Tensor, *, causal: bool) -> dict[str, Tensor]:
        """Measures of maps (..., heads, T, T), of one layer or of several, each on its own."""
        betti0, betti1 = betti_curves(maps, self.config.betti_thresholds)
        received = measures.received(maps)
        return {
            "fiedler": measures.fiedler(maps),
            "fiedler_normalized": measures.fiedler(maps, normalised=True),
            "in_centralization": measures.centralisation(maps),
            "gini": measures.gini(maps),
            "degree_variance": measures.degree_variance(maps),
            "star_likeness": measures.star_likeness(maps),
            "kl_to_uniform": measures.kl_to_uniform(maps, causal=causal),
            "first_received": received[..., 0],
            "betti0": betti0.double(),
            "betti1": betti1.double(),
            "sink_rate_first": (received[..., 0] > self.config.sink_rate).double().mean(-1),
            "sink_mask": measures.sink_mask(maps, self.config.sink_percentile).double(),
            "received": received,
            "received_layer": received.mean(-2),
        }


def _of_all_layers(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What takes the layers of a text together."""
    return {"features": frame_features(found["received_layer"], found["in_centralization"], found["gini"])}


_BY_TOKEN = ("sink_mask", "received", "received_layer")


class _Mean:
    """Running means of texts; those by token of the longest ones alone."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count, self.longest, self.of_longest = 0, 0, 0
        self.received: list[Tensor] = []

    def add(self, found: dict[str, Tensor], states: Tensor) -> None:
        found = found | {
            "cosine_to_first": geometry.cosine_to_first(states),
            "norm_ratio_first": geometry.norm_ratio_first(states),
        }
        length = found["received"].shape[-1]
        self.received.append(found["received_layer"])
        for name, value in found.items():
            if name not in _BY_TOKEN:
                self.sums[name] = self.sums.get(name, 0.0) + value
            elif length > self.longest:
                self.sums[name] = value
            elif length == self.longest:
                self.sums[name] = self.sums[name] + value
        self.of_longest = 1 if length > self.longest else self.of_longest + (length == self.longest)
        self.longest = max(self.longest, length)
        self.count += 1

    def result(self, causal: bool) -> ReferenceFrames:
        if not self.count:
            raise InputError("no texts to measure")
        means = {
            name: total / (self.of_longest if name in _BY_TOKEN else self.count) for name, total in self.sums.items()
        }
        kinds = [frame_type(received, causal=causal) for received in self.received]
        counts = tuple((name, kinds.count(name)) for name in FRAMES)
        frame = max(counts, key=lambda pair: pair[1])[0]
        return ReferenceFrames(**means, frame=frame, frames=counts, causal=causal, texts=self.count)


def example(config: ReferenceFramesConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny GPT-2 and random ids, some of them padding."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 97, (batch_size, 12), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, 9:] = 0
    return {"model": tiny_model("gpt2", seed=seed), "inputs": {"input_ids": ids, "attention_mask": mask}}
