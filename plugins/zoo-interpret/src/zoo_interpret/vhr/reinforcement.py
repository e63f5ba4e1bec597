"""Vision-aware head reinforcement: the method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import at_heads
from zoo.bridges.transformers.sites import Site, require_equal_heads
from zoo.errors import InputError
from zoo.evidence.attention_plots import head_tables
from zoo_interpret.multimodal import Call, at_calls, language_sites, last_real, without_images
from zoo_interpret.named_arrays import NamedArrays, array
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs
from zoo_interpret.vhr.config import VhrConfig
from zoo_interpret.vhr.divergence import head_distance, vision_aware, without_outliers


@dataclass(frozen=True)
class Reinforcement(NamedArrays):
    """What was selected for the last prompt; zero in layers that are not reinforced.

    Args:
        vhd: (document, layer, head), of a stream that is reinforced below.
        vhd_after_outliers: (document, layer, head).
        selected: (document, layer, head) boolean.
    """

    vhd: Tensor = array("document", "layer", "head")
    vhd_after_outliers: Tensor = array("document", "layer", "head")
    selected: Tensor = array("document", "layer", "head")

    def plot(self, path: str | Path | None = None) -> Any:
        """VHD, and how often every head is selected; a matplotlib figure."""
        tables = {"VHD, without outliers": self.vhd_after_outliers.mean(0)}
        return head_tables({**tables, "selected, share of documents": self.selected.float().mean(0)}, path=path)


class _Run:
    """What lives from one prompt to the next."""

    def __init__(self, config: VhrConfig, model: nn.Module, sites: list[Site], fixed: Tensor | None) -> None:
        self.config, self.model, self.sites, self.fixed = config, model, sites, fixed
        self.layers = {site.name: layer for layer, site in enumerate(sites)}
        self.call: Call | None = None
        # Outputs are kept, and nothing else happens, while passes of our own run.
        self.kept: dict[int, Tensor] | None = None
        self.text: dict[int, Tensor] = {}
        self.factors: dict[int, Tensor] = {}
        self.found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def begin(self, call: Call) -> None:
        if self.kept is not None:
            return
        self.call = call
        if call.cached:
            return
        self.text, self.factors, self.found = {}, {}, {}
        if self.fixed is not None:
            self.factors = {layer: self._factors(self.fixed[layer][None]) for layer in self.config.layers}
        elif bool(call.image.any()):
            self._prepare(call)

    def _prepare(self, call: Call) -> None:
        text = without_images(self.model, {"input_ids": call.ids, "attention_mask": call.real.long()})
        if not self.config.reinforce_text_stream:
            self.text = self._pass(text, torch.full((len(call.ids),), -1))
            return
        for layer in sorted(self.config.layers):
            alone = self._pass(text, torch.full((len(call.ids),), -1))[layer]
            whole = self._pass(call.arguments, last_real(call.real))[layer]
            self._select(layer, whole, alone)

    def _pass(self, arguments: Mapping[str, Any], position: Tensor) -> dict[int, Tensor]:
        """Outputs (batch, heads, head_dim) at one position of the reinforced layers, with the factors known so far."""
        # Models with positions of several axes note in the prefill how far images shift what follows.
        shifts = {module: module.rope_deltas for module in self.model.modules() if hasattr(module, "rope_deltas")}
        self.kept, self.position = {}, position
        try:
            with torch.no_grad():
                self.model(**{**arguments, "use_cache": False})
            return self.kept
        finally:
            self.kept = None
            for module, shift in shifts.items():
                module.rope_deltas = shift

    def change(self, site: Site, outputs: Tensor) -> Tensor | None:
        assert self.call is not None
        layer = self.layers[site.name]
        if self.kept is not None:
            rows = torch.arange(len(outputs), device=outputs.device)
            self.kept[layer] = outputs[rows, self.position.to(outputs.device) % outputs.shape[1]]
        elif layer in self.text and layer not in self.factors:
            rows = torch.arange(len(outputs), device=outputs.device)
            self._select(layer, outputs[rows, last_real(self.call.real)].detach(), self.text[layer])
        if layer not in self.factors:
            return None
        factors = self.factors[layer].to(outputs)[:, None, :, None]
        if self.config.positions == "all" or (self.kept is None and self.call.cached):
            return outputs * factors
        last = self._is_last(outputs)
        return torch.where(last[:, :, None, None], outputs * factors, outputs)

    def _is_last(self, outputs: Tensor) -> Tensor:
        assert self.call is not None
        places = torch.arange(outputs.shape[1], device=outputs.device)
        position = (
            last_real(self.call.real) if self.kept is None else self.position.to(outputs.device) % outputs.shape[1]
        )
        return places[None] == position[:, None]

    def _select(self, layer: int, with_image: Tensor, text_only: Tensor) -> None:
        vhd = head_distance(with_image, text_only, self.config.distance)
        cleaned = without_outliers(vhd, text_only, self.config.std) if self.config.outliers else vhd
        selected = vision_aware(cleaned)
        self.found[layer] = (vhd, cleaned, selected)
        self.factors[layer] = self._factors(selected)

    def _factors(self, selected: Tensor) -> Tensor:
        return torch.where(selected.bool(), self.config.alpha, 1.0)

    def result(self) -> Reinforcement:
        if not self.found:
            raise InputError("nothing was selected: run the model on a prompt with an image within attach()")
        first = next(iter(self.found.values()))[0]
        tables = [
            torch.stack(
                [
                    (self.found[layer][index] if layer in self.found else torch.zeros_like(first)).float().cpu()
                    for layer in range(len(self.sites))
                ],
                1,
            )
            for index in range(3)
        ]
        return Reinforcement(tables[0], tables[1], tables[2].bool())


class Attached:
    """What ``attach`` yields."""

    def __init__(self, run: _Run) -> None:
        self._run = run

    def result(self) -> Reinforcement:
        """What was selected for the last prompt.

        Raises:
            InputError: the model has not run on a prompt with an image, or its heads were given.
        """
        return self._run.result()


class Vhr:
    """Reinforce vision-aware heads while a model runs."""

    def __init__(self, config: VhrConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module, heads: Tensor | None = None) -> Iterator[Attached]:
        """Reinforce within the context, in every forward pass and in ``generate``; afterwards all is as before.

        Every example of a batch has its own heads, chosen in its prefill and kept while it is decoded. Prompts without
        an image are left alone.

        Args:
            model: a multimodal model of transformers whose ids say where the image is, with any attention.
            heads: (layers, heads) boolean, fixed heads instead of chosen ones.

        Raises:
            InputError: another architecture, or layers or heads that it has not.
        """
        sites = language_sites(model)
        wrong = [layer for layer in self.config.layers if layer >= len(sites)]
        if wrong:
            raise InputError(f"layers={wrong}: {type(model).__name__} has {len(sites)} layers here, numbered from 0")
        count = require_equal_heads(sites)
        if heads is not None and heads.shape != (len(sites), count):
            raise InputError(f"heads of shape {tuple(heads.shape)}; expected ({len(sites)}, {count}): layers, heads")
        run = _Run(self.config, model, sites, heads)
        chosen = [sites[layer] for layer in sorted(self.config.layers)]
        with at_calls(model, run.begin), at_heads(model, run.change, sites=chosen):
            yield Attached(run)


def example(config: VhrConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny LLaVA with as many layers as the config needs, and random prompts with an image each."""
    model = tiny_llava(seed, num_hidden_layers=max(config.layers, default=0) + 1)
    return {"model": model, "inputs": tiny_llava_inputs(model, batch_size, seed)}
