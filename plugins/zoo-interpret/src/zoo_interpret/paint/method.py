"""The boost inside a running model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.heads import head_outputs
from zoo.bridges.transformers.sites import Site
from zoo.errors import InputError
from zoo.nn.heads import repeat_heads
from zoo_interpret.multimodal import Call, at_calls, image_sites, language_sites, last_real, without_images
from zoo_interpret.paint.config import PaintConfig
from zoo_interpret.paint.selection import TokenSets, boosted, select
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs


class _Run:
    """What lives from one prompt to the next."""

    def __init__(
        self, config: PaintConfig, model: nn.Module, sites: list[Site], boosted_layers: range, encoder_layers: int
    ) -> None:
        self.config, self.model, self.encoder_layers = config, model, encoder_layers
        self.layers = {sites[layer].name: layer for layer in boosted_layers}
        self.call: Call | None = None
        self.paused = False
        self.vision: list[Tensor] = []
        self.sets: TokenSets | None = None
        self.has_image = self.placed = False
        # (batch, prompt) of the prompt's keys.
        self.local = self.summary = torch.zeros(0, 0, dtype=torch.bool)
        self.sensitivity: dict[int, Tensor] = {}
        self.scores: dict[str, Tensor] = {}

    @contextmanager
    def pause(self) -> Iterator[None]:
        before, self.paused = self.paused, True
        try:
            yield
        finally:
            self.paused = before

    def begin(self, call: Call) -> None:
        if self.paused:
            return
        self.call = call
        if call.cached == 0:
            self.sensitivity, self.scores = {}, {}
            self.has_image, self.placed = bool(call.image.any()), False
            if self.config.head_gain == "vhd" and self.has_image:
                self._measure_heads(call)

    def _measure_heads(self, call: Call) -> None:
        """Visual sensitivity of heads: how far their outputs at the last token are without the image, 1 at the most."""
        text = without_images(self.model, {"input_ids": call.ids, "attention_mask": call.real.long()})
        with self.pause():
            whole = head_outputs(self.model, call.arguments, group="D")
            alone = head_outputs(self.model, text, group="D")
        rows = torch.arange(len(call.ids), device=call.ids.device)
        for layer in self.layers.values():
            distance = (whole[layer][rows, last_real(call.real)] - alone[layer][:, -1]).norm(dim=-1)
            self.sensitivity[layer] = distance / distance.amax(-1, keepdim=True).clamp(min=1e-12)

    def see_image(self, site: Site, weights: Tensor) -> None:
        """The encoder runs in the prefill, or before it: ``generate`` may encode images once, ahead of all passes."""
        if self.paused:
            return
        if len(self.vision) == self.encoder_layers:
            self.vision, self.sets = [], None
        self.vision.append(weights.detach())

    def find_sets(self) -> TokenSets | None:
        """The sets of the images that were encoded last."""
        if self.sets is None and self.vision:
            ratios = {"local_ratio": self.config.local_ratio, "spatial_ratio": self.config.spatial_ratio}
            self.sets = select(self.vision[0], self.vision[-1], **ratios)
        return self.sets

    def _place(self, call: Call) -> None:
        """Where the sets stand among the prompt's tokens."""
        sets = self.find_sets()
        count, rows = int(call.image.sum()), call.image.sum(-1)
        if sets is None:
            raise InputError(
                f"{type(self.model).__name__}: the images were encoded before attach(); encode them within it"
            )
        images, patches = sets.local.shape
        # Beams of one prompt share its image.
        beams = count // (images * patches) if bool((rows == patches).all()) else 1
        if count != beams * images * patches:
            raise InputError(
                f"{type(self.model).__name__}: {count} image tokens for {images} images of {patches} patches; expected "
                "an image token for every patch, as in LLaVA-1.5"
            )
        for name in ("local", "summary"):
            places = torch.zeros_like(call.image)
            places[call.image] = getattr(sets, name).repeat_interleave(max(beams, 1), 0).flatten().to(places.device)
            setattr(self, name, places)

    def see_scores(self, site: Site, query: Tensor, key: Tensor, value: Tensor) -> None:
        if self.paused or self.call is None or not self.has_image:
            return
        if not self.placed:
            self._place(self.call)
            self.placed = True
        scale = getattr(site.module, "scaling", None) or site.head_dim**-0.5
        rows = torch.arange(len(query), device=query.device)
        last = query[rows, :, self._last(query.shape[2])]
        self.scores[site.name] = torch.einsum("bhd,bhkd->bhk", last, repeat_heads(key, query.shape[1])) * scale

    def _last(self, queries: int) -> Tensor:
        assert self.call is not None
        return last_real(self.call.real) if self.call.cached == 0 else torch.full((len(self.call.ids),), queries - 1)

    def change(self, site: Site, weights: Tensor) -> Tensor | None:
        if self.paused or not self.has_image or self.config.alpha == self.config.beta == 0:
            return None
        rows = torch.arange(len(weights), device=weights.device)
        last = self._last(weights.shape[2]).to(weights.device)
        scores = self.scores.pop(site.name).float()
        beyond = weights.shape[-1] - self.local.shape[-1]
        local, summary = (nn.functional.pad(mask, (0, beyond))[:, None].float() for mask in (self.local, self.summary))
        layer = self.layers[site.name]
        alpha = self.config.alpha * self.sensitivity[layer][..., None] if self.sensitivity else self.config.alpha
        bias = boosted(scores, alpha * local + self.config.beta * summary) - scores
        # Weights after a bias on their scores; what is masked stays at zero.
        row = weights[rows, :, last]
        raised = row.float() * (bias - bias.amax(-1, keepdim=True)).exp()
        changed = weights.clone()
        changed[rows, :, last] = (raised / raised.sum(-1, keepdim=True)).to(weights.dtype)
        return changed


class Attached:
    """What ``attach`` yields: a boost in force."""

    def __init__(self, run: _Run) -> None:
        self._run = run

    def result(self) -> TokenSets:
        """The sets of the last prompt's images.

        Raises:
            InputError: the model has not run on a prompt with an image.
        """
        sets = self._run.find_sets()
        if sets is None:
            raise InputError("no sets yet: run the model on a prompt with an image within attach()")
        return sets

    def pause(self) -> AbstractContextManager[None]:
        """Within the context the model runs without the boost, and what was found stays."""
        return self._run.pause()


class Paint:
    """Boost image tokens while a model writes."""

    def __init__(self, config: PaintConfig) -> None:
        self.config = config

    @contextmanager
    def attach(self, model: nn.Module) -> Iterator[Attached]:
        """Boost within the context, in every forward pass and in ``generate``; afterwards all is as before.

        Args:
            model: LLaVA-1.5 or one built like it: an image encoder with a class token, an image token per patch.

        Raises:
            InputError: another architecture, or layers that it has not; in a call, image tokens that are no patches.
        """
        sites, vision = language_sites(model), image_sites(model)
        if len(vision) < 2:
            raise InputError(
                f"{type(model).__name__} has {len(vision)} layers in its image encoder; expected two or more"
            )
        end = len(sites) if self.config.end_layer is None else self.config.end_layer
        if not self.config.start_layer <= end <= len(sites):
            raise InputError(
                f"layers {self.config.start_layer} to {end}: {type(model).__name__} has {len(sites)} here, from 0"
            )
        layers = range(self.config.start_layer, end)
        watched = vision[:1] if len(vision) == 2 else [vision[0], vision[-2]]
        run = _Run(self.config, model, sites, layers, len(watched))
        with (
            at_calls(model, run.begin),
            attending(model, sites=watched, weights=run.see_image),
            attending(
                model,
                sites=[sites[layer] for layer in layers],
                projections=run.see_scores,
                weights=run.change,
            ),
        ):
            yield Attached(run)


def example(config: PaintConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny LLaVA and random prompts with an image each."""
    layers = max(config.start_layer + 1, config.end_layer or 0)
    model = tiny_llava(seed, num_hidden_layers=layers)
    return {"model": model, "inputs": tiny_llava_inputs(model, batch_size, seed)}
