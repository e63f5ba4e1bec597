"""Heads' outputs replaced by zero, a mean or another run's, or changed by a direction; direct and indirect effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import Place, at_heads, at_positions, head_outputs, head_writes, patching
from zoo.bridges.transformers.inputs import Inputs, as_inputs, logits_of
from zoo.bridges.transformers.sites import Site, find_blocks, find_sites
from zoo.bridges.transformers.streams import at_streams
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo_interpret.attention_heads_survey.config import HeadReplacementConfig
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.padding import position_among_real, seeing_padding


class HeadReplacement:
    """Replace the outputs of chosen heads."""

    def __init__(self, config: HeadReplacementConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module, reference: Inputs | None = None, tokenizer: Any = None) -> Iterator[None]:
        """Replace within the context; afterwards the model is as before.

        Args:
            model: of transformers or of the zoo.
            reference: of "mean" texts of the model's inputs' length, over which every position has its mean; of "patch"
                the corrupted inputs, one for each of the model's.
            tokenizer: for texts.

        Raises:
            InputError: no reference where one is needed, or a head that the model has not.
        """
        with patching(model, self.values(model, reference, tokenizer)):
            yield

    def values(self, model: nn.Module, reference: Inputs | None, tokenizer: Any = None) -> dict[Place, Tensor | float]:
        """(layer, head) -> what its output becomes."""
        places = self.config.places()
        if self.config.how == "zero":
            return dict.fromkeys(places, 0.0)
        if reference is None:
            raise InputError(f"how={self.config.how!r} needs reference=, the inputs whose outputs are put in place")
        outputs = head_outputs(model, reference, tokenizer)
        wrong = [place for place in places if place[0] >= len(outputs) or place[1] >= outputs[place[0]].shape[2]]
        if wrong:
            raise InputError(f"no heads {wrong}: there are {len(outputs)} layers, numbered from 0")
        found = {(layer, head): outputs[layer][:, :, head] for layer, head in places}
        if self.config.how == "mean":
            return {place: value.mean(0, keepdim=True) for place, value in found.items()}
        return dict(found)


@contextmanager
def adding_direction(
    model: nn.Module, places: Mapping[Place, Tensor], *, position: int | Tensor = -1, sign: float = 1.0
) -> Iterator[None]:
    """Add (with ``sign=-1`` subtract) a direction (head_dim,) to heads' outputs at a position within the context.

    An integer position counts among tokens that are no padding, in every pass.
    """
    sites = find_sites(model)
    by_site: dict[str, list[tuple[int, Tensor]]] = {}
    for (layer, head), direction in places.items():
        if not (0 <= layer < len(sites) and 0 <= head < sites[layer].num_heads):
            raise InputError(f"no head {head} in layer {layer}: there are {len(sites)} layers, numbered from 0")
        by_site.setdefault(sites[layer].name, []).append((head, direction))

    def act(site: Site, outputs: Tensor) -> Tensor:
        rows, where = at_positions(outputs, padding.nth(position))
        changed = outputs.clone()
        for head, direction in by_site[site.name]:
            changed[rows, where, head] += sign * direction
        return changed

    chosen = [site for site in sites if site.name in by_site]
    with seeing_padding(model) as padding, at_heads(model, act, sites=chosen):
        yield


@dataclass(frozen=True)
class Effects(NamedArrays):
    """Changes of logits at the last real token when heads are replaced; (batch, vocabulary) each.

    Args:
        direct: by the residual stream alone, past all later layers.
        indirect: by later layers, the total less the direct one.
        total: of the replacement.
    """

    direct: Tensor = array("example", "token")
    indirect: Tensor = array("example", "token")
    total: Tensor = array("example", "token")

    def plot(self, path: str | Path | None = None) -> Any:
        """Sizes of the three; a matplotlib figure."""
        figure = new_figure(figsize=(4, 3))
        axis = figure.subplots()
        sizes = {name: float(values.norm(dim=-1).mean()) for name, values in self.arrays().items()}
        axis.bar(list(sizes), list(sizes.values()))
        axis.set(ylabel="mean norm of the change of logits", title="effects of replaced heads")
        return saved(figure, path)


@torch.no_grad()
def effects(
    model: nn.Module,
    inputs: Inputs,
    replacement: HeadReplacement,
    reference: Inputs | None = None,
    tokenizer: Any = None,
) -> Effects:
    """Direct, indirect and total effects of a replacement at the last token that is no padding.

    Args:
        model: a decoder or encoder with one residual stream.
        inputs, tokenizer: see ``inputs.as_inputs``.
        replacement, reference: see ``HeadReplacement``.
    """
    arguments, sites = as_inputs(model, inputs, tokenizer), find_sites(model)
    before = head_outputs(model, arguments)
    values = replacement.values(model, reference, tokenizer)
    whole = logits_of(model(**arguments))
    last = at_positions(whole, position_among_real(arguments, -1))
    base = whole[last]
    with patching(model, values):
        total = logits_of(model(**arguments))[last] - base
    change = torch.zeros(())
    for (layer, head), value in values.items():
        moved = torch.zeros_like(before[layer][last])
        new = value.expand(len(moved), -1, -1)[last] if isinstance(value, Tensor) else value
        moved[:, head] = new - before[layer][last][:, head]
        change = change + head_writes(sites[layer], moved).sum(1)

    def add(place: int, stream: Tensor) -> Tensor:
        changed = stream.clone()
        changed[last] += change
        return changed

    with at_streams(model, add, before=[len(find_blocks(model))]):
        direct = logits_of(model(**arguments))[last] - base
    return Effects(direct, total - direct, total)


def example(config: HeadReplacementConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny Llama with enough heads, and random ids."""
    layers = max([1, *(layer for layer, _ in config.places())]) + 1
    heads = max([3, *(head for _, head in config.places())]) + 1
    shape: dict[str, Any] = {"num_attention_heads": heads, "num_key_value_heads": heads, "hidden_size": 8 * heads}
    model = tiny_model("llama", seed=seed, num_hidden_layers=layers, **shape)
    generator = torch.Generator().manual_seed(seed)
    return {"model": model, "inputs": {"input_ids": torch.randint(3, 90, (batch_size, 9), generator=generator)}}
