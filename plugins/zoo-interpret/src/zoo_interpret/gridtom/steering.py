"""Steering along directions while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import at_positions
from zoo.bridges.transformers.sites import Site, find_sites, require_equal_heads
from zoo.errors import InputError
from zoo_interpret.gridtom.config import TomSteeringConfig
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.padding import Padding, seeing_padding
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs


@dataclass(frozen=True)
class Steering(NamedArrays):
    """Where and along what to steer.

    Args:
        heads: (place, 2) int64, layer and head; one that is listed twice is pushed twice.
        directions: (place, feature), of unit length.
        std: (place,), what alpha counts in.
    """

    heads: Tensor = array("place", "layer, head")
    directions: Tensor = array("place", "feature")
    std: Tensor = array("place")

    def random(self, seed: int = 0) -> Steering:
        """The control: the same blocks and strength along random directions."""
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(self.directions.shape, generator=generator)
        return Steering(self.heads, nn.functional.normalize(drawn, dim=-1), self.std)


class GridTomSteering:
    """Add directions to the attention's output at the last token of every pass."""

    def __init__(self, config: TomSteeringConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module, steering: Steering | None = None) -> Iterator[Steering]:
        """Steer within the context, prefill and every decoded token; afterwards all is as before.

        Padding may lie on any side: what is pushed is the last token that is none.

        Args:
            model: of transformers, with a decoder.
            steering: ``TomProbes.steering()``; random directions in random blocks by default, the control.

        Raises:
            InputError: blocks that the model has not, or directions of another width.
        """
        sites = find_sites(model, group="D")
        heads = require_equal_heads(sites)
        chosen = steering or self._random(sites, heads)
        pushes: dict[int, Tensor] = {}
        for (layer, head), direction, std in zip(
            chosen.heads.tolist(), chosen.directions, chosen.std.tolist(), strict=True
        ):
            if not (0 <= layer < len(sites) and 0 <= head < heads):
                raise InputError(f"no block {head} in layer {layer}: there are {len(sites)} layers of {heads} blocks")
            width = _width(sites[layer]) // heads
            if len(direction) != width:
                raise InputError(
                    f"directions of {len(direction)} features; blocks of {type(model).__name__} have {width}"
                )
            push = pushes.setdefault(layer, torch.zeros(heads, width))
            push[head] += self.config.alpha * std * direction.cpu()
        with seeing_padding(model) as padding, ExitStack() as stack:
            for layer, push in pushes.items():
                handle = sites[layer].output.register_forward_hook(_hook(push.flatten(), padding))
                stack.callback(handle.remove)
            yield chosen

    def _random(self, sites: list[Site], heads: int) -> Steering:
        generator = torch.Generator().manual_seed(self.config.seed)
        places = torch.randperm(len(sites) * heads, generator=generator)[: self.config.topk]
        pairs = torch.stack((places // heads, places % heads), 1)
        nothing = torch.zeros(len(pairs), _width(sites[0]) // heads)
        return Steering(pairs, nothing, torch.ones(len(pairs))).random(self.config.seed)


def _width(site: Site) -> int:
    """Features that the output projection writes."""
    weight: Tensor = site.output.weight
    return int(weight.shape[0] if isinstance(site.output, nn.Linear) else weight.shape[1])


def _hook(push: Tensor, padding: Padding) -> Callable[..., Tensor]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        changed = output.clone()
        changed[at_positions(output, padding.nth(-1))] += push.to(output)
        return changed

    return hook


def example(config: TomSteeringConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny LLaVA and random prompts with an image each."""
    model = tiny_llava(seed)
    return {"model": model, "inputs": tiny_llava_inputs(model, batch_size, seed)}
