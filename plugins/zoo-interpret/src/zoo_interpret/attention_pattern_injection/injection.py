"""The same patterns in the heads of a model of transformers, without another network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending, only_where
from zoo.bridges.transformers.sites import Site, find_sites, require_equal_heads
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo_interpret.attention_pattern_injection.attention import modes
from zoo_interpret.attention_pattern_injection.config import InjectionConfig
from zoo_interpret.attention_pattern_injection.patterns import all_patterns, by_head


class PatternInjection:
    """Restrict heads of an encoder to patterns, while it is trained or used."""

    def __init__(self, config: InjectionConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[None]:
        """Inject within the context; afterwards the model is as before.

        Masked heads keep the attention that they have within the pattern, synthesized ones spread it evenly. Rows that
        would see nothing keep what they see.

        Args:
            model: an encoder of transformers, called with ``input_ids``.

        Raises:
            InputError: fewer heads than patterns need; in a call, no ids.
        """
        config, sites = self.config, find_sites(model, group="E")
        heads = require_equal_heads(sites)
        if 4 * config.heads_per_pattern > heads:
            raise InputError(
                f"heads_per_pattern={config.heads_per_pattern} needs {4 * config.heads_per_pattern} heads; "
                f"{type(model).__name__} has {heads}"
            )
        synthesized = modes(heads, config.heads_per_pattern, config.matching, config.intra, config.positional)
        current: dict[str, Tensor] = {}

        def see(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            ids = kwargs.get("input_ids", args[0] if args else None)
            if ids is None:
                raise InputError(f"{type(model).__name__} is called without input_ids, which patterns are made of")
            found = all_patterns(ids, task=config.task, cls_id=config.cls_id, sep_id=config.sep_id, reach=config.reach)
            current["patterns"] = by_head(found, heads, config.heads_per_pattern)

        def inject(site: Site, weights: Tensor) -> Tensor:
            # Keys that the model itself hides, padding, stay hidden.
            visible = current["patterns"] & (weights > 0)
            even = visible / visible.sum(-1, keepdim=True).clamp(min=1)
            mixed = torch.where(synthesized[None, :, None, None], even.to(weights.dtype), only_where(weights, visible))
            return torch.where(visible.any(-1, keepdim=True), mixed, weights)

        handle = model.register_forward_pre_hook(see, with_kwargs=True)
        try:
            with attending(model, sites=sites, weights=inject):
                yield
        finally:
            handle.remove()


def example(config: InjectionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and two sentences of random words."""
    generator = torch.Generator().manual_seed(seed)
    size = max(66, config.cls_id, config.sep_id) + 1
    heads = max(4, 4 * config.heads_per_pattern)
    model = tiny_model("bert", seed=seed, vocab_size=size, num_attention_heads=heads, hidden_size=8 * heads)
    ids = torch.randint(3, 67, (batch_size, 12), generator=generator)
    ids[:, [0, 6]], ids[:, [5, 11]] = config.cls_id, config.sep_id
    return {"model": model, "inputs": {"input_ids": ids}}
