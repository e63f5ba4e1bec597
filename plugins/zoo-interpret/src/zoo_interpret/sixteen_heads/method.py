"""Gates on heads: ranking, ablation, pruning and real removal."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.heads import at_heads
from zoo.bridges.transformers.progress import Log, patient
from zoo.bridges.transformers.sites import HEAD_COUNTS, Site, find_sites, projections, require_equal_heads
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo_interpret.sixteen_heads.config import SixteenHeadsConfig
from zoo_interpret.sixteen_heads.results import Ablation, Importance, PruningCurve, PruningStep, head_labels, rank

Batch = Mapping[str, Tensor]

Loss = Callable[[Any, Batch], Tensor]


class SixteenHeads:
    """Attach gates to a model; rank, ablate and prune its heads."""

    def __init__(self, config: SixteenHeadsConfig) -> None:
        self.config = config

    def sites(self, model: nn.Module) -> list[Site]:
        """The attention layers of the configured groups."""
        found = [site for site in find_sites(model) if site.group in self.config.groups]
        if not found:
            raise InputError(f"{type(model).__name__} has no attention of the groups {self.config.groups}")
        return found

    @contextmanager
    def attach(self, model: nn.Module, mask: Tensor | None = None) -> Iterator[Tensor]:
        """Gate heads within the context; afterwards the model is as before.

        Args:
            model: a transformers model.
            mask: gates (layers, heads), 0 or 1 or any real number; all ones by default. Changing the yielded
                tensor in place changes the gates.

        Raises:
            InputError: another shape.
        """
        sites = self.sites(model)
        heads = require_equal_heads(sites)
        gates = torch.ones(len(sites), heads) if mask is None else mask
        if gates.shape != (len(sites), heads):
            raise InputError(f"mask of shape {tuple(gates.shape)}; the model has {len(sites)} layers of {heads} heads")
        with at_heads(model, gate(gates, sites), sites=sites):
            yield gates

    @torch.enable_grad()
    def importance(
        self,
        model: nn.Module,
        batches: Iterable[Batch],
        *,
        loss: Loss | None = None,
        mask: Tensor | None = None,
        classifier: bool | None = None,
        log: Log | None = None,
    ) -> Importance:
        """Gradient importance of every head.

        Args:
            model: in eval mode.
            batches: keyword arguments of its forward, with ``labels`` and ``attention_mask``; equal sizes, since
                the raw value scales as 1 / batch.
            loss: (model output, batch) to a scalar, where the model is not given the labels; by default the loss
                that the model returns for them, a mean cross entropy.
            mask: gates that are in force meanwhile.
            classifier: whether only one position feeds the loss in the last layer, which changes that layer's
                denominator; by default whether logits are (batch, classes).
            log: takes a line per batch; see ``progress``.

        Raises:
            InputError: no batches, no labels, or a model that gives no loss or runs one layer several times.
        """
        sites = self.sites(model)
        heads = require_equal_heads(sites)
        raw, denominators = torch.zeros(len(sites), heads), torch.zeros(len(sites), 1)
        decoders = {"D", "A"} if getattr(getattr(model, "config", None), "is_encoder_decoder", False) else set()
        examples, pooled, log = 0, classifier, patient(log)
        for batch in batches:
            with self._gradients(model, sites, mask) as contexts:
                output, value = _run(model, batch, loss)
                if len(contexts) != len(sites):
                    raise InputError(
                        f"{len(sites)} attention layers ran {len(contexts)} times: a layer that is used more than once "
                        "has no importance of its own"
                    )
                gradients = torch.autograd.grad(value, contexts)
            if pooled is None:
                pooled = getattr(output, "logits", torch.empty(0)).ndim == 2
            size = len(contexts[0])
            for layer, (site, context, gradient) in enumerate(zip(sites, contexts, gradients, strict=True)):
                dots = (context.detach() * gradient).sum(-1)
                dots = dots if self.config.per == "token" else dots.sum(1, keepdim=True)
                raw[layer] += dots.abs().sum((0, 1)).cpu()
                real = _real_tokens(batch, target=site.group in decoders)
                tokens = size * context.shape[1] if real is None else int(real.sum())
                denominators[layer] += tokens if self.config.per == "token" else size
            examples += size
            log(f"importance from {examples} {'example' if examples == 1 else 'examples'}")
        if not examples:
            raise InputError("no batches to measure importance on")
        if pooled:
            denominators[-1] = examples
        return rank(raw, raw / denominators, sites)

    @contextmanager
    def _gradients(self, model: nn.Module, sites: Sequence[Site], mask: Tensor | None) -> Iterator[list[Tensor]]:
        """Within the context, the heads' outputs of each site, with gradients."""
        contexts: list[Tensor] = []

        def keep(site: Site, outputs: Tensor) -> Tensor:
            contexts.append(outputs if outputs.requires_grad else outputs.requires_grad_())
            return contexts[-1]

        # Gates come after it, so that what is kept is the head's own output.
        with at_heads(model, keep, sites=sites), self.attach(model, mask):
            yield contexts

    def ablation(
        self,
        model: nn.Module,
        evaluate: Callable[[nn.Module], float],
        *,
        rescale: bool = False,
        log: Log | None = None,
    ) -> Ablation:
        """What every head is worth to a metric where larger is better; arguments as of ``keep_only_one``."""
        sites = self.sites(model)
        base = float(evaluate(model))
        without = self.ablate_one(model, evaluate, log=log)
        alone = self.keep_only_one(model, evaluate, rescale=rescale, log=log)
        return Ablation(base, torch.tensor(without) - base, torch.tensor(alone) - base, head_labels(sites))

    def ablate_one(
        self, model: nn.Module, evaluate: Callable[[nn.Module], Any], *, log: Log | None = None
    ) -> list[list[Any]]:
        """``evaluate(model)`` with every head gated off alone, by layer and head; ``log`` takes a line per head."""
        return self._each(model, evaluate, keep_only=False, log=log)

    def keep_only_one(
        self,
        model: nn.Module,
        evaluate: Callable[[nn.Module], Any],
        *,
        rescale: bool = False,
        log: Log | None = None,
    ) -> list[list[Any]]:
        """``evaluate(model)`` with all other heads of a layer gated off, by layer and kept head.

        Args:
            model: in eval mode.
            evaluate: the metric.
            rescale: multiply the kept head by the number of heads.
            log: takes a line per head; see ``progress``.
        """
        return self._each(model, evaluate, keep_only=True, factor=None if rescale else 1.0, log=log)

    def _each(
        self,
        model: nn.Module,
        evaluate: Callable[[nn.Module], Any],
        *,
        keep_only: bool,
        factor: float | None = 1.0,
        log: Log | None = None,
    ) -> list[list[Any]]:
        log = patient(log)
        with self.attach(model) as gates:
            layers, heads = gates.shape
            results = []
            for layer in range(layers):
                row = []
                for head in range(heads):
                    gates.fill_(1.0)
                    if keep_only:
                        gates[layer] = 0.0
                    gates[layer, head] = (heads if factor is None else factor) if keep_only else 0.0
                    row.append(evaluate(model))
                    log(f"{layer * heads + head + 1} of {layers * heads} heads {'alone' if keep_only else 'gated off'}")
                results.append(row)
        return results

    def masks(self, importance: Importance) -> list[Tensor]:
        """Masks (layers, heads) after each cumulative step, from one ranking."""
        layers, heads = importance.scores.shape
        order = self._prunable(importance)
        masks = []
        for count in self.counts(layers * heads, layers):
            mask = torch.ones(layers, heads)
            for layer, head in order[:count]:
                mask[layer, head] = 0.0
            masks.append(mask)
        return masks

    def _prunable(self, importance: Importance) -> list[tuple[int, int]]:
        """Heads in the order they go, without the ``at_least_k`` best of every layer."""
        kept = set()
        for layer, scores in enumerate(importance.normalised):
            best = scores.argsort(descending=True, stable=True)[: self.config.at_least_k]
            kept |= {(layer, int(head)) for head in best}
        return [place for place in importance.order if place not in kept]

    def counts(self, total: int, layers: int) -> list[int]:
        """Heads gone after each step: int(total * percent / 100); the first beyond total - k * layers is the last."""
        most = max(total - self.config.at_least_k * layers, 0)
        found: list[int] = []
        for percent in self.config.percents:
            wanted = int(total * percent / 100)
            found.append(min(wanted, most))
            if wanted > most:
                break
        return found

    def prune_curve(
        self,
        model: nn.Module,
        batches: Sequence[Batch],
        evaluate: Callable[[nn.Module], float],
        *,
        loss: Loss | None = None,
        log: Log | None = None,
    ) -> PruningCurve:
        """Greedy pruning by gates: the metric after every step.

        Args:
            model, batches, loss: see ``importance``.
            evaluate: the metric of the gated model.
            log: takes a line per step; see ``progress``.

        Raises:
            InputError: see ``importance``; or no percentages.
        """
        log = patient(log)
        importance = self.importance(model, batches, loss=loss)
        masks = self.masks(importance)
        steps: list[PruningStep] = []
        for index, mask in enumerate(masks):
            if self.config.exact and index:
                mask = self._next_mask(model, batches, loss, steps[-1].mask, int((mask == 0).sum()))
            with self.attach(model, mask):
                steps.append(PruningStep(int((mask == 0).sum()), mask, float(evaluate(model))))
            log(f"{len(steps)} of {len(masks)} steps of pruning")
        if not steps:
            raise InputError("no step of pruning: percents is empty")
        return PruningCurve.of(steps)

    def _next_mask(
        self, model: nn.Module, batches: Sequence[Batch], loss: Loss | None, mask: Tensor, count: int
    ) -> Tensor:
        """Extend a mask to ``count`` pruned heads by importance measured under it."""
        importance = self.importance(model, batches, loss=loss, mask=mask)
        extended = mask.clone()
        for layer, head in self._prunable(importance):
            if int((extended == 0).sum()) >= count:
                break
            extended[layer, head] = 0.0
        return extended

    def remove(self, model: nn.Module, mask: Tensor) -> int:
        """Really cut heads out of a model, in place; it computes what the gated one did.

        Rows of query, key and value and columns of the output projection that belong to pruned heads go; a layer
        without any head left adds its output bias alone.

        Args:
            model: a transformers model with separate projections and as many key as query heads, whose forward takes
                the number of heads from the attention module: FSMT's does not; OPT and DeBERTa need one per layer.
            mask: (layers, heads), 1 = kept.

        Returns:
            Parameters removed.

        Raises:
            InputError: fused projections, grouped key/value heads or position biases that all layers share (T5,
                MPNet), where a head cannot be cut out alone. Nothing has been cut then.
        """
        sites = self.sites(model)
        if mask.shape != (len(sites), require_equal_heads(sites)):
            raise InputError(f"mask of shape {tuple(mask.shape)} for {len(sites)} layers")
        if any(name.endswith("relative_attention_bias") for name, _ in model.named_modules()):
            raise InputError(
                f"{type(model).__name__} shares position biases of every head between layers; gate heads with attach"
            )
        parts = [projections(site) for site in sites]
        for site, part in zip(sites, parts, strict=True):
            if part["key"].out_features != site.num_heads * site.head_dim:
                raise InputError(
                    f"{site.name} shares key/value heads between query heads; gate them with attach instead of removing"
                )
        before = sum(parameter.numel() for parameter in model.parameters())
        for site, part, kept in zip(sites, parts, mask.bool(), strict=True):
            _cut(site, part, kept)
        return before - sum(parameter.numel() for parameter in model.parameters())


def gate(gates: Tensor, sites: Sequence[Site]) -> Callable[[Site, Tensor], Tensor]:
    """What multiplies heads' outputs by ``gates`` (layers, ..., heads), which broadcast to tokens; see ``at_heads``."""
    layers = {site.name: layer for layer, site in enumerate(sites)}

    def act(site: Site, outputs: Tensor) -> Tensor:
        return outputs * gates[layers[site.name]].to(outputs)[..., None]

    return act


def _cut(site: Site, parts: Mapping[str, nn.Linear], kept: Tensor) -> None:
    rows = kept.repeat_interleave(site.head_dim)
    for layer in parts.values():
        layer.weight = nn.Parameter(layer.weight.detach()[rows].clone())
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.detach()[rows].clone())
        layer.out_features = int(rows.sum())
    output: Any = site.output
    output.weight = nn.Parameter(output.weight.detach()[:, rows].clone())
    output.in_features = int(rows.sum())
    count = int(kept.sum())
    for name in [name for name in HEAD_COUNTS if hasattr(site.module, name)] or ["num_heads"]:
        setattr(site.module, name, count)
    for name in ("all_head_size", "inner_dim", "dim"):
        if hasattr(site.module, name):
            setattr(site.module, name, count * site.head_dim)


def _run(model: nn.Module, batch: Batch, loss: Loss | None) -> tuple[Any, Tensor]:
    """The model's output for a batch, and the loss."""
    if loss is not None:
        output = model(**{name: value for name, value in batch.items() if name != "labels"})
        return output, loss(output, batch)
    if "labels" not in batch:
        raise InputError('batches need "labels", or give loss=')
    if "labels" not in inspect.signature(model.forward).parameters:
        raise InputError(f"{type(model).__name__} takes no labels; give loss=, of its output and the batch")
    output = model(**batch)
    if getattr(output, "loss", None) is None:
        raise InputError(f"{type(model).__name__} returns no loss for its labels; give loss=")
    return output, output.loss


def _real_tokens(batch: Batch, target: bool) -> Tensor | None:
    """Where the queries of a layer are no padding, of the source or the target sequence; None where nothing says."""
    if not target:
        return batch.get("attention_mask")
    if "decoder_attention_mask" in batch or "labels" not in batch:
        return batch.get("decoder_attention_mask")
    return batch["labels"] != -100


def tiny_classifier(seed: int = 0, **config: Any) -> nn.Module:
    """A random BERT classifier of 3 layers and 3 classes, in eval mode."""
    shape = {"vocab_size": 67, "max_position_embeddings": 40, "num_hidden_layers": 3, "num_labels": 3, **config}
    return tiny_model("bert", head="ForSequenceClassification", seed=seed, **shape)


def example(config: SixteenHeadsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny BERT and random ids, some of them padding."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(batch_size, 12, dtype=torch.long)
    mask[0, 9:] = 0
    ids = torch.randint(67, (batch_size, 12), generator=generator)
    return {"model": tiny_classifier(seed), "inputs": {"input_ids": ids, "attention_mask": mask}}
