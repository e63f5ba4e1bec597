"""The probe: the quantities for every head of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.inputs import Inputs, as_inputs
from zoo.bridges.transformers.maps import as_distributions, attention_maps, queries_keys_values
from zoo.bridges.transformers.sites import find_blocks
from zoo.bridges.transformers.streams import residual_streams
from zoo.bridges.transformers.tiny import tiny_model
from zoo.errors import InputError
from zoo.evidence.plots import new_figure, saved
from zoo.nn.heads import repeat_heads
from zoo_sequence.softmax_limits.config import SoftmaxLimitsConfig
from zoo_sequence.softmax_limits.quantities import (
    critical_n,
    distance_bounds,
    jacobian_norms,
    random_set_second_moment,
    select,
)


@dataclass(frozen=True)
class LimitsResult:
    """Averages per layer, head and N.

    Args:
        top_n: the N measured.
        distance, lower, upper: N -> table (layers, heads): the distance between its triangle bounds.
        random_set: N -> table of sqrt(E distance^2) over random selections, the random-set identity.
        separable: N -> table of the separable fraction.
        separable_sphere: N -> the same weights on tokens drawn uniformly from the sphere, the reference curve.
        critical: table (layers, heads) of the critical N.
        entropy: table (layers, heads), nats.
        jacobian_spectral: table (layers, heads).
    """

    top_n: tuple[int, ...]
    distance: Mapping[int, Tensor]
    lower: Mapping[int, Tensor]
    upper: Mapping[int, Tensor]
    random_set: Mapping[int, Tensor]
    separable: Mapping[int, Tensor]
    separable_sphere: Mapping[int, Tensor]
    critical: Tensor
    entropy: Tensor
    jacobian_spectral: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Nested lists, ready for JSON."""
        plain: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Mapping):
                plain[name] = {str(count): table.tolist() for count, table in value.items()}
            else:
                plain[name] = value.tolist() if isinstance(value, Tensor) else list(value)
        return plain

    def plot(self, path: str | None = None) -> Any:
        """Distance with its triangle bounds, and separability, against N; a matplotlib figure."""
        figure = new_figure(figsize=(8, 3))
        left, right = figure.subplots(1, 2)
        curves = (
            (left, "measured", self.distance),
            (left, "lower bound", self.lower),
            (left, "upper bound", self.upper),
            (left, "random selection", self.random_set),
            (right, "measured", self.separable),
            (right, "tokens on the sphere", self.separable_sphere),
        )
        for axis, label, table in curves:
            axis.plot(self.top_n, [float(table[count].mean()) for count in self.top_n], marker="o", label=label)
        left.set(xlabel="N", ylabel="distance")
        right.set(xlabel="N", ylabel="separable fraction", ylim=(0, 1.05))
        left.legend()
        right.legend()
        return saved(figure, path)


class SoftmaxLimits:
    """The probe: ``probe(model, inputs)`` for transformers models, ``analyse`` for any maps and tokens."""

    def __init__(self, config: SoftmaxLimitsConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, inputs: Inputs, tokenizer: Any = None) -> LimitsResult:
        """Measure every head of a model.

        Args:
            model: of transformers, or of the zoo; one stack of blocks.
            inputs: keyword arguments of its forward, a tensor, or texts of one length in tokens.
            tokenizer: for texts.
        """
        arguments = as_inputs(model, inputs, tokenizer)
        maps = attention_maps(model, arguments)
        tokens = residual_streams(model, arguments)
        blocks = find_blocks(model)
        if len(maps) > len(blocks):
            # Several groups of heads in a block read the same tokens.
            tokens = [stream for stream, block in zip(tokens, blocks, strict=False) for _ in block.sites]
        tokens = tokens[: len(maps)]
        if self.config.tokens == "value":
            tokens = [repeat_heads(value, query.shape[1]) for query, _, value in queries_keys_values(model, arguments)]
        layers = [self.analyse(alpha, x) for alpha, x in zip(maps, tokens, strict=True)]

        def stacked(name: str) -> Any:
            tables = [getattr(layer, name) for layer in layers]
            if isinstance(tables[0], Tensor):
                return torch.stack(tables)
            return {count: torch.stack([table[count] for table in tables]) for count in tables[0]}

        return LimitsResult(layers[0].top_n, **{name: stacked(name) for name in vars(layers[0]) if name != "top_n"})

    def analyse(self, alpha: Tensor, x: Tensor, top_n: Sequence[int] | None = None) -> LimitsResult:
        """Averages over batch and query positions of one map.

        Args:
            alpha: (batch, heads, queries, L).
            x: tokens (batch, L, d) or per-head tokens (batch, heads, L, d).
            top_n: the N; the config's by default, those above L left out.
        """
        length = alpha.shape[-1]
        rows = max(1, round(alpha.shape[2] * self.config.last_fraction))
        alpha = alpha[:, :, -rows:].double()
        x = (x if x.ndim == 4 else x[:, None]).double()
        counts = tuple(count for count in (top_n or self.config.top_n) if count <= length)
        if not counts:
            raise InputError(f"every N in {list(top_n or self.config.top_n)} exceeds the {length} tokens")
        generator = torch.Generator().manual_seed(0)
        sphere = nn.functional.normalize(torch.randn(x.shape[-2:], generator=generator, dtype=x.dtype), dim=-1)
        found: dict[str, dict[int, Tensor]] = {}
        for count in counts:
            selection, bounds = select(alpha, x, count), distance_bounds(alpha, x, count)
            rows_of = {
                "distance": selection.distance(),
                "lower": bounds["lower"],
                "upper": bounds["upper"],
                "random_set": random_set_second_moment(alpha, x, count).clamp(min=0).sqrt(),
                "separable": selection.separable_fraction(),
                "separable_sphere": select(alpha, sphere, count).separable_fraction(),
            }
            for name, table in rows_of.items():
                found.setdefault(name, {})[count] = table.mean((0, 2))
        return LimitsResult(
            counts,
            **found,
            critical=critical_n(alpha, x).double().mean((0, 2)),
            entropy=torch.special.entr(as_distributions(alpha)).sum(-1).mean((0, 2)),
            jacobian_spectral=jacobian_norms(alpha, self.config.temperature)[0].mean((0, 2)),
        )

    def sweep_length(self, model: nn.Module, input_ids: Tensor, lengths: Sequence[int]) -> dict[int, LimitsResult]:
        """The probe on the first ``lengths`` tokens of ids (batch, length)."""
        return {length: self(model, {"input_ids": input_ids[:, :length]}) for length in lengths}

    def sweep_top_n(self, alpha: Tensor, x: Tensor, fractions: Sequence[float]) -> LimitsResult:
        """``analyse`` with N as fractions of the length."""
        counts = sorted({max(1, round(fraction * alpha.shape[-1])) for fraction in fractions})
        return self.analyse(alpha, x, counts)


def example(config: SoftmaxLimitsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A tiny random GPT-2 and random ids."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "model": tiny_model("gpt2", seed=seed),
        "inputs": {"input_ids": torch.randint(97, (batch_size, 24), generator=generator)},
    }
