"""Decide for every head and query whether its window is enough, and run the model with these decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.attending import Mixing, attending
from zoo.bridges.transformers.inputs import Inputs, as_inputs, real_tokens
from zoo.bridges.transformers.sites import Site, find_sites, require_equal_heads
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo_interpret.adaptive_long_context_heads.config import AdaptiveLongContextHeadsConfig
from zoo_interpret.adaptive_long_context_heads.masses import Masses, Moments, masses, windows
from zoo_interpret.adaptive_long_context_heads.results import Decisions
from zoo_interpret.adaptive_long_context_heads.skipping import skipping_attention
from zoo_interpret.padding import begins_with_padding
from zoo_interpret.passes import at_passes


class AdaptiveLongContextHeads:
    """``method.decide(model, inputs)`` and ``with method.attach(model, decisions)``."""

    def __init__(self, config: AdaptiveLongContextHeadsConfig) -> None:
        self.config = config

    def decide(
        self,
        model: nn.Module,
        inputs: Inputs,
        tokenizer: Any = None,
        *,
        moments: Sequence[Moments] | None = None,
        static_share: Tensor | None = None,
    ) -> Decisions:
        """Decisions of all layers from one dense run.

        Args:
            model: a causal decoder of transformers or of the zoo.
            inputs, tokenizer: prompts; padded ones on the right.
            moments: per layer, of calibration keys; the prompt's own recent keys by default.
            static_share: (layers, heads) of a calibration set, for the static criterion; this run's by default.

        Raises:
            InputError: layers that are not causal self-attention, or moments of other layers.
        """
        sites = _causal(model)
        if moments is not None and len(moments) != len(sites):
            raise InputError(f"moments of {len(moments)} layers; the model has {len(sites)}")
        arguments = as_inputs(model, inputs, tokenizer)
        real = real_tokens(arguments)
        _require_right(model, real)
        found: dict[str, Masses] = {}

        def keep(site: Site, query: Tensor, key: Tensor, value: Tensor) -> None:
            layer = [each.name for each in sites].index(site.name)
            own = None if moments is None else moments[layer]
            found[site.name] = masses(query, key, self.config, scale=_scale(site), moments=own, real=real)

        with torch.no_grad(), attending(model, sites=sites, projections=keep):
            model(**arguments)
        stacked = {
            each.name: torch.stack([getattr(found[site.name], each.name) for site in sites], 1).float().cpu()
            for each in fields(Masses)
        }
        share = stacked["share"]
        weights = torch.ones_like(share[:, 0, 0]) if real is None else real.float().cpu()[:, -share.shape[-1] :]
        static = torch.einsum("blhq,bq->lh", share, weights) / weights.sum()
        bulk = stacked["log_bulk"][:, 0, 0] > -1e29
        local = self._local(stacked, static if static_share is None else static_share, bulk)
        return Decisions(
            self.config.criterion,
            sites[0].num_heads // sites[0].num_kv_heads,
            local.float(),
            stacked["log_window"],
            stacked["log_bulk"],
            stacked["log_bulk_estimate"],
            stacked["score_mean"],
            stacked["score_variance"],
            share,
            stacked["share_estimate"],
            static,
            bulk.float(),
        )

    def _local(self, stacked: dict[str, Tensor], static: Tensor, bulk: Tensor) -> Tensor:
        config, share = self.config, stacked["share"]
        if config.criterion == "qada":
            local = stacked["share_estimate"] >= config.tau
        elif config.criterion == "oracle":
            local = share >= config.tau_oracle
        elif config.criterion == "static":
            local = (static >= config.tau_static)[None, :, :, None].expand_as(share)
        else:
            local = torch.ones_like(share, dtype=torch.bool)
        # Without a bulk the window is everything: local by definition, whatever the threshold.
        local = local | ~bulk[:, None, None]
        early = torch.arange(share.shape[-1]) < config.first_query
        return local & ~early

    @contextmanager
    def attach(
        self,
        model: nn.Module,
        decisions: Decisions | Tensor | None = None,
        *,
        moments: Sequence[Moments] | None = None,
    ) -> Iterator[None]:
        """Run the model with windows within the context; afterwards it is as before.

        Args:
            model: see ``decide``; run on prompts that are padded on the right, if at all.
            decisions: of the same inputs, or (batch, layers, heads, queries), 1 where local. Without any each layer
                decides as it runs, from what the layers before it gave: QAdA and the oracle alone can.
            moments: per layer, of calibration keys, for layers that decide as they run; of recent keys by default.

        Raises:
            InputError: no decisions for static labels, decisions of another shape, moments of other layers, or
                ``skip`` for an oracle that has to see everything; in a run, padding on the left, or with ``skip`` any.
        """
        sites = _causal(model)
        config = self.config
        if decisions is None and config.criterion == "static":
            raise InputError("static labels come from a calibration run: give decisions=method.decide(model, inputs)")
        if moments is not None and len(moments) != len(sites):
            raise InputError(f"moments of {len(moments)} layers; the model has {len(sites)}")
        local = decisions.local if isinstance(decisions, Decisions) else decisions
        if config.skip:
            if local is None and config.criterion != "qada":
                raise InputError(
                    f"criterion={config.criterion!r} with skip=True needs decisions=: it sees all keys to decide"
                )
            with _refusing_left(model), attending(model, sites=sites, mixing=self._skipping(sites, local, moments)):
                yield
            return
        layers = {site.name: layer for layer, site in enumerate(sites)}
        seen: dict[str, Tensor] = {}

        def decide(site: Site, query: Tensor, key: Tensor, value: Tensor) -> None:
            if local is None:
                own = None if moments is None else moments[layers[site.name]]
                found = masses(query, key, config, scale=_scale(site), moments=own)
                parts = {"share": found.share, "share_estimate": found.share_estimate}
                stacked = {name: part[:, None] for name, part in parts.items()}
                bulk = found.log_bulk[:, 0] > -1e29
                seen[site.name] = self._local(stacked, torch.zeros(0), bulk)[:, 0]

        def cut(site: Site, weights: Tensor) -> Tensor:
            chosen = seen[site.name] if local is None else local[:, layers[site.name]].to(weights.device).bool()
            queries, keys = weights.shape[2:]
            if tuple(chosen.shape) != tuple(weights.shape[:3]):
                raise InputError(
                    f"decisions of shape {tuple(chosen.shape)} for weights of {tuple(weights.shape[:3])} "
                    "(batch, heads, queries)"
                )
            inside = windows(queries, keys, config, device=weights.device)
            kept = weights.masked_fill(~inside, 0.0)
            total = kept.sum(-1, keepdim=True)
            return torch.where(chosen[..., None], kept / total.clamp(min=1e-30), weights)

        with _refusing_left(model), attending(model, sites=sites, projections=decide, weights=cut):
            yield

    def _skipping(self, sites: list[Site], local: Tensor | None, moments: Sequence[Moments] | None) -> Mixing:
        """Attention that leaves out what windows do, layer by layer."""
        layers = {site.name: layer for layer, site in enumerate(sites)}

        def mix(site: Site, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
            if mask is not None and not bool(_sees_everything(mask[..., -1, :])):
                raise InputError("skip=True takes prompts without padding: give them one by one, or of one length")
            layer = layers[site.name]
            chosen = None if local is None else local[:, layer].to(query.device).bool()
            if chosen is not None and tuple(chosen.shape) != tuple(query.shape[:3]):
                raise InputError(
                    f"decisions of shape {tuple(chosen.shape)} for queries of {tuple(query.shape[:3])} "
                    "(batch, heads, queries)"
                )
            own = None if moments is None else moments[layer]
            return skipping_attention(query, key, value, self.config, scale=_scale(site), moments=own, local=chosen)[0]

        return mix


def _require_right(model: nn.Module, real: Tensor | None) -> None:
    if begins_with_padding(real):
        raise InputError(
            f"{type(model).__name__} is given prompts that begin with padding, which would be a window's first keys; "
            'pad on the right (tokenizer.padding_side = "right"), or give prompts of one length'
        )


def _refusing_left(model: nn.Module) -> AbstractContextManager[None]:
    """Refuse passes whose padding stands first, also where it is cached."""
    return at_passes(model, lambda given: _require_right(model, real_tokens(given)))


def _causal(model: nn.Module) -> list[Site]:
    sites = find_sites(model)
    require_equal_heads(sites)
    wrong = sorted({site.group for site in sites} - {"D"})
    if wrong:
        raise InputError(f"{type(model).__name__} has attention of the groups {wrong}; windows are of causal decoders")
    return sites


def _sees_everything(mask: Tensor) -> Tensor:
    """Whether a mask, boolean or added to scores, hides nothing."""
    return mask.all() if mask.dtype == torch.bool else (mask > -1).all()


def _scale(site: Site) -> float:
    scale = getattr(site.module, "scaling", None)
    return site.head_dim**-0.5 if scale is None else float(scale)


def example(config: AdaptiveLongContextHeadsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny Llama with grouped heads, and random ids."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 90, (batch_size, 30), generator=generator)
    return {"model": tiny_model("llama", seed=seed), "inputs": {"input_ids": ids}}
