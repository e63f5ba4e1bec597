"""Limits of normalisation: how many tokens can a head select before selected and rest become alike?

Source: "Limitations of Normalization in Attention Mechanism" (2025), arXiv 2508.17821. Written from its statements and
theory; the constants of its theorems were not at hand, so the bounds here are the ones proved below, under names of
their own.

A normaliser turns logits l_i into weights alpha_i = F(l_i) / sum_j F(l_j), softmax at temperature T with
F = exp(l / T). For one query let I_N be the N largest weights, y_i = alpha_i x_i, G = sum_i y_i and s the sum of the
selected y_i. The probe measures

    distance       || sum_{i not in I_N} y_i - s ||,  or the sum of || y_i - s || over the rest
    separability   with r = min over the rest of || y_i - s ||, the share of selected tokens with || y_i - s || <= r
    sensitivity    norms of the Jacobian J = (diag(alpha) - alpha alpha') / T

Triangle bound: distance <= D = max_i ||x_i|| and >= | ||s|| - ||G - s|| |. Random-set identity: for a uniformly random
set of N tokens E distance^2 = ||G||^2 - 4 (N/L) ||G||^2 + 4 E||s||^2 with
E||s||^2 = c ||G||^2 + (N/L - c) sum_i ||y_i||^2 and c = N (N - 1) / (L (L - 1)).

Softmax gradients: every entry of J is at most 1 / (4T), since alpha (1 - alpha) <= 1/4; the spectral norm reaches
1 / (2T) with two equal tokens.

What to use instead: ``normalise`` has the alternatives, length-aware (scalable softmax) and sparse (sparsemax,
1.5-entmax) ones among them, and ``softmax-limits-attention`` is standard attention with any of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.nn.attention import ProjectedAttention, dense_attention
from zoo.nn.masks import expand_mask
from zoo.nn.sparse_softmax import entmax15, sparsemax
from zoo.targets import require
from zoo_sequence.model_maps import attention_maps, queries_keys_values, tiny_gpt2

NORMALISERS = ("softmax", "sparsemax", "scalable-softmax", "self-adjusted-softmax", "entmax15", "sigmoid")


@dataclass
class SoftmaxLimitsConfig:
    """Config of the probe."""

    top_n: list[int] = zoo.field([1, 5, 20], "sizes N of the selection", unit="tokens", minimum=1)
    tokens: str = zoo.field(
        "hidden", "x_i: hidden states of the layer, or value-projected inputs", choices=("hidden", "value")
    )
    temperature: float = zoo.field(1.0, "T of the Jacobian", minimum=1e-6)
    last_fraction: float = zoo.field(
        0.25, "share of query positions, from the end, that is averaged", minimum=0.01, maximum=1.0
    )


@dataclass
class NormalisedAttentionConfig:
    """Config of attention with a chosen normaliser."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    causal: bool = zoo.field(False, "whether a token sees only those before it and itself")
    normaliser: str = zoo.field("softmax", "from logits to weights", choices=NORMALISERS)
    temperature: float = zoo.field(1.0, "T, divides the logits", minimum=1e-6)
    length_scale: float = zoo.field(1.0, "s of the scalable softmax, whose logits are times s log n", minimum=0.0)

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")


def normalise(logits: Tensor, kind: str = "softmax", *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
    """Weights (..., L) of logits (..., L), summing to one.

    Args:
        logits: float; -inf hides a token.
        kind: "softmax"; "sparsemax" and "entmax15" (sparse); "scalable-softmax" (logits times ``scale`` log n, n the
            tokens that are not hidden); "self-adjusted-softmax" (F times the place of the logit between the row's
            minimum and maximum); "sigmoid" (independent gates). All are divided by their sum.
        temperature: divides the logits.
        scale: s of the scalable softmax.
    """
    scores = logits / temperature
    if kind == "softmax":
        return scores.softmax(-1)
    if kind == "sparsemax":
        return sparsemax(scores)
    if kind == "entmax15":
        return entmax15(scores)
    if kind == "sigmoid":
        return _shares(scores.sigmoid())
    visible = scores > -math.inf
    known = scores.masked_fill(~visible, 0.0)
    if kind == "scalable-softmax":
        factor = scale * visible.sum(-1, keepdim=True).clamp(min=2).to(scores.dtype).log()
        return (known * factor).masked_fill(~visible, -math.inf).softmax(-1)
    if kind == "self-adjusted-softmax":
        low, high = known.amin(-1, keepdim=True), known.amax(-1, keepdim=True)
        low, high = low.clamp(max=0), high.clamp(min=0)
        weights = scores.softmax(-1)
        placed = (known - low) / (high - low).clamp(min=1e-12) * weights
        # Where every logit sits at the minimum there is no place to tell them apart by.
        return torch.where(placed.sum(-1, keepdim=True) > 0, _shares(placed), weights)
    raise InputError(f"{kind!r} is not one of {', '.join(NORMALISERS)}")


def _shares(weights: Tensor) -> Tensor:
    return weights / weights.sum(-1, keepdim=True).clamp(min=1e-30)


def normalised_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float,
    config: NormalisedAttentionConfig,
    chunk: int = 512,
) -> Tensor:
    """Attention with the configured normaliser; rows that see nothing give zeros.

    Softmax runs in torch's fused kernel; the others take ``chunk`` queries at a time, so that no (length, length)
    matrix of weights lives.

    Args:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, kv heads, keys, head_dim).
        attn_mask: see ``zoo.nn.masks``.
        causal, scale: as in ``zoo.nn.attention.dense_attention``.
    """
    if config.normaliser == "softmax":
        return dense_attention(query, key, value, attn_mask, causal=causal, scale=scale / config.temperature)
    (batch, heads, queries, _), keys = query.shape, key.shape[2]
    mask = expand_mask(
        attn_mask, batch=batch, heads=heads, queries=queries, keys=keys, causal=causal, device=query.device
    )
    if mask is None:
        mask = torch.ones(1, 1, 1, keys, dtype=torch.bool, device=query.device)
    # Let blind rows see everything, then zero them: their weights and gradients stay finite.
    blind = ~mask.any(-1, keepdim=True)
    visible = (mask | blind).expand(-1, -1, queries, -1)
    work = torch.float64 if query.dtype == torch.float64 else torch.float32
    key, value = (tensor.repeat_interleave(heads // tensor.shape[1], 1).to(work) for tensor in (key, value))
    outputs = []
    for rows, seen in zip(query.to(work).split(chunk, 2), visible.split(chunk, 2), strict=True):
        scores = (rows @ key.transpose(-1, -2) * scale).masked_fill(~seen, -math.inf)
        alpha = normalise(scores, config.normaliser, temperature=config.temperature, scale=config.length_scale)
        outputs.append(alpha @ value)
    return torch.cat(outputs, 2).masked_fill(blind, 0.0).to(query.dtype)


class NormalisedAttention(ProjectedAttention):
    """Standard attention, (batch, length, dim) to the same shape, with any normaliser."""

    def __init__(self, config: NormalisedAttentionConfig) -> None:
        super().__init__(config.dim, config.num_heads)
        self.config = config

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """See ``normalised_attention``."""
        return normalised_attention(
            query, key, value, attn_mask, causal=self.config.causal, scale=query.shape[-1] ** -0.5, config=self.config
        )


def attention_example(config: NormalisedAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 9."""
    return {"x": torch.randn(batch_size, 9, config.dim, generator=torch.Generator().manual_seed(seed))}


@dataclass(frozen=True)
class Selection:
    """Which N weights of every row are selected. Nothing of the size (rows, L, d) is ever made.

    Args:
        alpha: (..., rows, L).
        x: tokens (..., L, d), the same for all rows.
        selected: boolean (..., rows, L).
    """

    alpha: Tensor
    x: Tensor
    selected: Tensor

    @property
    def context(self) -> Tensor:
        """s (..., rows, d)."""
        return (self.alpha * self.selected) @ self.x

    @property
    def gaps(self) -> Tensor:
        """|| y_i - s || (..., rows, L), from || y_i ||^2 - 2 y_i.s + || s ||^2."""
        context, size = self.context, self.x.square().sum(-1)[..., None, :]
        cross = context @ self.x.transpose(-1, -2)
        squares = self.alpha * (self.alpha * size - 2 * cross) + context.square().sum(-1, keepdim=True)
        return squares.clamp(min=0).sqrt()

    def distance(self, mode: str = "norm") -> Tensor:
        """(..., rows): norm of the summed rest minus s, or ("sum") the sum of the rest's distances from s."""
        if mode == "norm":
            return (self.alpha @ self.x - 2 * self.context).norm(dim=-1)
        return (self.gaps * ~self.selected).sum(-1)

    def radius(self) -> Tensor:
        """(..., rows): distance from s to the nearest token of the rest; infinite where nothing is left."""
        return self.gaps.masked_fill(self.selected, math.inf).amin(-1)

    def separable_fraction(self) -> Tensor:
        """(..., rows) float32: share of selected tokens no farther from s than any of the rest."""
        gaps = self.gaps
        nearest = gaps.masked_fill(self.selected, math.inf).amin(-1, keepdim=True)
        inside = (gaps <= nearest) & self.selected
        return inside.sum(-1).float() / self.selected.sum(-1)


def select(alpha: Tensor, x: Tensor, count: int) -> Selection:
    """The ``count`` largest weights of every row.

    Args:
        alpha: (..., rows, L).
        x: tokens (..., L, d).
        count: N, at most L.
    """
    if not 1 <= count <= alpha.shape[-1]:
        raise InputError(f"N={count} is not between 1 and the {alpha.shape[-1]} tokens of a row")
    chosen = torch.zeros_like(alpha, dtype=torch.bool).scatter(-1, alpha.topk(count, -1).indices, True)
    return Selection(alpha, x, chosen)


def random_set_second_moment(alpha: Tensor, x: Tensor, count: int) -> Tensor:
    """E distance^2 over uniformly random sets of ``count`` tokens, per row: the random-set identity."""
    length = alpha.shape[-1]
    total = (alpha @ x).square().sum(-1)
    each = (alpha.square() @ x.square().sum(-1, keepdim=True))[..., 0]
    share = count / length
    both = count * (count - 1) / (length * (length - 1)) if length > 1 else 0.0
    context = both * total + (share - both) * each
    return total - 4 * share * total + 4 * context


def distance_bounds(alpha: Tensor, x: Tensor, count: int) -> dict[str, Tensor]:
    """Triangle bounds of the distance in both modes, per row.

    Returns:
        "lower" and "upper" for mode "norm", "upper_sum" for mode "sum".
    """
    selection = select(alpha, x, count)
    inside = (alpha * selection.selected).sum(-1)
    largest = x.norm(dim=-1).amax(-1, keepdim=True).expand_as(inside)
    context = selection.context.norm(dim=-1)
    rest = (alpha @ x - selection.context).norm(dim=-1)
    return {
        "lower": (context - rest).abs(),
        "upper": largest,
        "upper_sum": (1 - inside) * largest + (alpha.shape[-1] - count) * context,
    }


def weight_bounds(length: int, delta: float, temperature: float = 1.0) -> tuple[float, float]:
    """Smallest and largest possible softmax weight of logits within [-delta, delta]: exp(-+2 delta / T) / L."""
    factor = math.exp(2 * delta / temperature)
    return 1 / (factor * length), factor / length


def jacobian(alpha: Tensor, temperature: float = 1.0) -> Tensor:
    """Softmax Jacobian (..., L, L) at weights alpha (..., L)."""
    return (torch.diag_embed(alpha) - alpha[..., None] * alpha[..., None, :]) / temperature


def jacobian_norms(alpha: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Spectral and Frobenius norm (...) of J at weights alpha (..., L), without the (L, L) matrix.

    The largest eigenvalue of diag(alpha) - alpha alpha' lies between the two largest weights and solves
    1 = sum_i alpha_i^2 / (alpha_i - lambda), found by bisection.
    """
    squares = alpha.square().sum(-1)
    frobenius = (squares - 2 * alpha.pow(3).sum(-1) + squares.square()).clamp(min=0).sqrt()
    if alpha.shape[-1] == 1:
        return torch.zeros_like(squares), frobenius / temperature
    high, low = alpha.topk(2, -1).values.unbind(-1)
    apart = high > low
    for _ in range(60):
        middle = (low + high) / 2
        below = (alpha.square() / (alpha - middle[..., None])).sum(-1) < 1
        low, high = torch.where(apart & below, middle, low), torch.where(apart & ~below, middle, high)
    return high / temperature, frobenius / temperature


def gradient_sensitivity(
    logits: Tensor, temperatures: Sequence[float], *, step: float = 1e-4, seed: int = 0
) -> dict[float, dict[str, float]]:
    """How weights react to logits, per temperature: norms of J and of a finite difference, averaged over rows."""
    generator = torch.Generator().manual_seed(seed)
    nudge = torch.randn(logits.shape, generator=generator, dtype=torch.float64).to(logits) * step
    found = {}
    for temperature in temperatures:
        alpha = normalise(logits, temperature=temperature)
        spectral, frobenius = jacobian_norms(alpha, temperature)
        moved = (normalise(logits + nudge, temperature=temperature) - alpha).norm(dim=-1) / nudge.norm(dim=-1)
        found[temperature] = {
            "spectral": float(spectral.mean()),
            "frobenius": float(frobenius.mean()),
            # Off the diagonal alpha_i alpha_j <= alpha_i (1 - alpha_i).
            "largest entry": float((alpha * (1 - alpha)).amax() / temperature),
            "finite difference": float(moved.mean()),
        }
    return found


def sphere_reference(length: int, dim: int, count: int, *, trials: int = 200, seed: int = 0) -> dict[str, float]:
    """Distance and separability for random unit tokens and standard normal logits: the reference curve."""
    generator = torch.Generator().manual_seed(seed)
    x = nn.functional.normalize(torch.randn(trials, length, dim, generator=generator), dim=-1)
    selection = select(torch.randn(trials, 1, length, generator=generator).softmax(-1), x, count)
    return {
        "distance": float(selection.distance().mean()),
        "separable": float(selection.separable_fraction().mean()),
    }


def critical_n(alpha: Tensor, x: Tensor, *, tolerance: float = 1e-2, patience: int = 3) -> Tensor:
    """Smallest N from which the distance changes by less than ``tolerance`` for ``patience`` steps, per row.

    Args:
        alpha: (..., rows, L).
        x: tokens (..., L, d).

    Returns:
        (..., rows) int64; L where the distance never settles.
    """
    length, dim = x.shape[-2:]
    if length <= patience:
        return torch.full(alpha.shape[:-1], length)
    # A row needs its largest tokens in order, (reach, d); most settle long before the length is reached.
    reach = min(length, 64)
    while True:
        rows = max(1, 2**24 // (reach * dim * math.prod(alpha.shape[:-2])))
        found = torch.cat([_settled(part, x, reach, tolerance, patience) for part in alpha.split(rows, -2)], -1)
        if reach == length or bool((found < length).all()):
            return found
        reach = min(length, 2 * reach)


def _settled(alpha: Tensor, x: Tensor, reach: int, tolerance: float, patience: int) -> Tensor:
    """The critical N if it is within the ``reach`` largest weights, L otherwise."""
    weights, order = alpha.topk(reach, -1)
    shape = (*alpha.shape, x.shape[-1])
    ordered = x[..., None, :, :].expand(shape).gather(-2, order[..., None].expand(*order.shape, x.shape[-1]))
    curve = ((alpha @ x)[..., None, :] - 2 * (ordered * weights[..., None]).cumsum(-2)).norm(dim=-1)
    steady = curve.diff(dim=-1).abs() < tolerance * curve[..., :-1]
    runs = steady.unfold(-1, patience, 1).all(-1)
    return torch.where(runs.any(-1), runs.long().argmax(-1) + 1, alpha.shape[-1])


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
        figure = require("matplotlib.figure", needed_by="plotting").Figure(figsize=(8, 3), layout="constrained")
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
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


class SoftmaxLimits:
    """The probe: ``probe(model, inputs)`` for transformers models, ``analyse`` for any maps and tokens."""

    def __init__(self, config: SoftmaxLimitsConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LimitsResult:
        """Measure every head of a transformers model.

        Args:
            model: with attention maps (attn_implementation="eager").
            inputs: keyword arguments of its forward.
        """
        maps, tokens = attention_maps(model, inputs)
        if self.config.tokens == "value":
            tokens = [
                value.repeat_interleave(query.shape[1] // value.shape[1], 1)
                for query, _, value in queries_keys_values(model, inputs)
            ]
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
            entropy=torch.special.entr(alpha).sum(-1).mean((0, 2)),
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
        "model": tiny_gpt2(seed),
        "inputs": {"input_ids": torch.randint(97, (batch_size, 24), generator=generator)},
    }


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``probe``: every quantity per row."""
    if component != "probe":
        raise InputError(f"no component {component!r}; there is: probe")
    alpha = normalise(inputs["logits"], temperature=config["temperature"])
    x = inputs["x"][:, None]
    spectral, frobenius = jacobian_norms(alpha, config["temperature"])
    outputs = {"alpha": alpha, "jacobian_spectral": spectral, "jacobian_frobenius": frobenius}
    for count in config["top_n"]:
        selection = select(alpha, x, count)
        outputs |= {
            f"distance_norm_N{count}": selection.distance("norm"),
            f"distance_sum_N{count}": selection.distance("sum"),
            f"random_set_second_moment_N{count}": random_set_second_moment(alpha, x, count),
            f"radius_N{count}": selection.radius(),
            f"separable_fraction_N{count}": selection.separable_fraction(),
        }
    return outputs


def check_vanishing_attention() -> Measurement:
    """Weights of random queries and keys against the bounds."""
    generator = torch.Generator().manual_seed(0)
    rows, broken = 0, 0
    for length in (16, 64, 256, 1024, 4096):
        query, key = torch.randn(32, 16, generator=generator), torch.randn(32, length, 16, generator=generator)
        query, key = (nn.functional.normalize(tensor.double(), dim=-1) for tensor in (query, key))
        alpha = normalise((key @ query[..., None])[..., 0])
        low, high = weight_bounds(length, 1.0)
        rows += len(alpha)
        broken += int(((alpha < low) | (alpha > high)).any(-1).sum())
    return Measurement(f"{broken} of {rows} rows leave the bounds, L = 16 to 4096", broken == 0)


def check_gradient_bounds() -> Measurement:
    """Entries and spectral norm of J for random rows, and the two-token case."""
    generator = torch.Generator().manual_seed(0)
    worst_entry = worst_norm = 0.0
    for temperature in (0.1, 0.5, 1.0, 4.0):
        alpha = normalise(torch.randn(200, 12, generator=generator, dtype=torch.float64), temperature=temperature)
        matrix = jacobian(alpha, temperature)
        worst_entry = max(worst_entry, float(matrix.abs().max()) * 4 * temperature)
        worst_norm = max(worst_norm, float(torch.linalg.matrix_norm(matrix, 2).max()) * 2 * temperature)
    pair = jacobian(torch.tensor([0.5, 0.5], dtype=torch.float64), 0.3)
    reached = float(torch.linalg.matrix_norm(pair, 2)) * 2 * 0.3
    return Measurement(
        f"entries at most {worst_entry:.3f} / (4T), spectral norm at most {worst_norm:.3f} / (2T), "
        f"two equal tokens {reached:.6f} / (2T)",
        worst_entry <= 1 + 1e-12 and worst_norm <= 1 + 1e-12 and abs(reached - 1) < 1e-9,
        "the paper's 1/(4T) bounds the entries; the spectral norm reaches 1/(2T)",
    )


_LENGTHS = (32, 128, 512, 1024)


def check_distance_collapse() -> Measurement:
    """Distance for random unit tokens as the length grows with N = L / 10."""
    found = [sphere_reference(length, 64, length // 10)["distance"] for length in _LENGTHS]
    expected = (0.26, 0.14, 0.070, 0.051)
    close = all(abs(ours - theirs) < 0.15 * theirs for ours, theirs in zip(found, expected, strict=True))
    return Measurement(", ".join(f"{value:.3f}" for value in found), close and found == sorted(found, reverse=True))


def check_separability() -> Measurement:
    """Separable fraction for random unit tokens as the length grows with N = L / 10."""
    found = [sphere_reference(length, 64, length // 10)["separable"] for length in _LENGTHS]
    expected = (0.97, 0.58, 0.28, 0.20)
    # The figure is a mean over 50 trials of 3 selected tokens at L = 32: two of its standard errors are 0.07.
    close = all(abs(ours - theirs) < 0.07 for ours, theirs in zip(found, expected, strict=True))
    return Measurement(
        ", ".join(f"{value:.2f}" for value in found),
        close,
        "random unit vectors; the 0.70-0.85 of the paper needs the pre-trained GPT-2",
    )


def check_low_temperature_gradient() -> Measurement:
    """Log-log slope of the gradient norm in T on logits with near ties."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(64, 32, generator=generator, dtype=torch.float64)
    top = logits.amax(-1, keepdim=True)
    logits = torch.cat((logits, top + 4 + 0.01 * torch.rand(64, 2, generator=generator, dtype=torch.float64)), -1)
    temperatures = [10 ** (-exponent / 8) for exponent in range(9)]
    norms = [values["spectral"] for values in gradient_sensitivity(logits, temperatures).values()]
    x = torch.tensor(temperatures).log()
    y = torch.tensor(norms).log()
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    return Measurement(f"slope {slope:.2f} for T from 1 to 0.1", abs(slope + 1) < 0.25)


def check_alternatives() -> Measurement:
    """Largest weight of a row with one logit of 3 among logits in [-1, 1], as the row grows."""
    lengths = (64, 1024, 16384)
    peaks: dict[str, list[float]] = {kind: [] for kind in NORMALISERS}
    generator = torch.Generator().manual_seed(0)
    for kind in NORMALISERS:
        for length in lengths:
            logits = 2 * torch.rand(length, generator=generator, dtype=torch.float64) - 1
            peaks[kind].append(float(normalise(logits.index_fill(0, torch.tensor(0), 3.0), kind).max()))
    bounded = all(peak <= weight_bounds(length, 3.0)[1] for peak, length in zip(peaks["softmax"], lengths, strict=True))
    sharp = min(peak for kind in ("scalable-softmax", "sparsemax", "entmax15") for peak in peaks[kind])
    listing = "; ".join(f"{kind} " + ", ".join(f"{peak:.2g}" for peak in found) for kind, found in peaks.items())
    return Measurement(f"{listing} for L = 64, 1024, 16384", bounded and peaks["softmax"][-1] < 0.01 and sharp > 0.9)
