"""Sparse distributed memory as a lens on attention: softmax weights are intersections of Hamming balls.

Source: "Attention Approximates Sparse Distributed Memory" (NeurIPS 2021), arXiv 2111.05498; Kanerva (1988).

In Kanerva's memory r neurons have random addresses in {0,1}^n. A pattern is written to the neurons within Hamming
distance d of it; a query reads the summed patterns of the neurons within d of itself and takes the majority. The
expected weight of a pattern at distance v from the query is the intersection of two balls,

    I(v) = r / 2^n * sum_{i=0..v} C(v, i) sum_{j, i+j<=d, v-i+j<=d} C(n-v, j),

which falls nearly exponentially in v. With cos = 1 - 2v/n that makes reading the memory an attention,
softmax(beta cos), whose beta follows from n and d by a log-linear fit. The continuous version replaces balls by caps
of the hypersphere.

The probe turns this around: a head computes softmax(|q||k| cos / sqrt(d_k)), so |q||k| / sqrt(d_k) is its effective
beta, and the radius d whose fitted beta is nearest says which memory the head resembles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy import integrate, special, stats
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.targets import require
from zoo_sequence.model_maps import attention_maps, queries_keys_values, tiny_gpt2

FORMS = ("neurons", "intersection", "attention")
ESTIMATORS = ("reference", "least-squares")


@dataclass
class MemoryConfig:
    """Config of the memory."""

    n: int = zoo.field(64, "address bits", unit="bits", minimum=2)
    neurons: int = zoo.field(1_000_000, "neurons r", minimum=1)
    radius: int = zoo.field(20, "Hamming radius d of reads and writes", unit="bits", minimum=1)
    form: str = zoo.field(
        "intersection", "real neurons, their expected intersections, or softmax attention", choices=FORMS
    )
    continuous: bool = zoo.field(False, "unit vectors instead of bits")
    finite_neurons: bool = zoo.field(False, "replace I by floor(I) plus a Bernoulli draw of the remainder")
    max_steps: int = zoo.field(1, "updates of a query, until nothing changes", minimum=1)
    epsilon: float = zoo.field(1e-4, "change below which a continuous query has settled", minimum=0.0)
    estimator: str = zoo.field("reference", "divisor of the fitted beta", choices=ESTIMATORS)
    seed: int = zoo.field(0, "of addresses and Bernoulli draws", minimum=0)

    def __post_init__(self) -> None:
        if self.radius >= self.n:
            raise ConfigError(f"radius={self.radius} must be below n={self.n}", field="radius")
        if self.continuous and 2 * self.radius > self.n:
            raise ConfigError(f"radius={self.radius} makes caps of more than half of the sphere", field="radius")
        if self.form == "attention" and self.radius < 2:
            raise ConfigError("radius=1 leaves no two distances to fit beta to", field="radius")
        if self.continuous and self.form == "neurons":
            raise ConfigError("neurons have binary addresses; take form intersection or attention", field="form")


@dataclass
class ProbeConfig:
    """Config of the probe."""

    positions: str = zoo.field("all", "queries that are measured", choices=("all", "last"))
    estimator: str = zoo.field("least-squares", "divisor of the fitted betas", choices=ESTIMATORS)


@lru_cache(maxsize=256)
def ball_intersections(n: int, radius: int) -> tuple[int, ...]:
    """Exact number of addresses within ``radius`` of two points, for their distances 0..n: a ball minus its lunes."""
    counts = [sum(math.comb(n, i) for i in range(radius + 1))]
    for distance in range(1, n + 1):
        half = (distance - 1) // 2
        lune = 0
        if distance % 2 and half <= radius:
            lune = math.comb(distance - 1, half) * math.comb(n - distance, radius - half)
        counts.append(counts[-1] - lune)
    return tuple(counts)


def expected_intersection(n: int, radius: int, neurons: float, distances: Tensor) -> Tensor:
    """I(v) for integer distances (...), float64; r / 2^n is applied before anything is rounded."""
    density = Fraction(neurons) / 2**n
    table = torch.tensor([float(count * density) for count in ball_intersections(n, radius)], dtype=torch.float64)
    return table[distances.long()]


def cap_intersection(n: int, radius: int, neurons: float, cosines: Tensor) -> Tensor:
    """Expected neurons in two caps of the sphere in R^n whose axes enclose arccos(cosines); float64.

    The caps have the angle arccos(1 - 2 radius / n).

    Raises:
        InputError: caps of more than half of the sphere.
    """
    if 2 * radius > n:
        raise InputError(f"radius={radius} makes caps of more than half of the sphere; at most {n // 2} for n={n}")
    angle = math.acos(1 - 2 * radius / n)
    log_area = (n - 1) / 2 * math.log(math.pi) - special.gammaln((n - 1) / 2)
    log_sphere = math.log(2) + n / 2 * math.log(math.pi) - special.gammaln(n / 2)
    factor = 2 * neurons * math.exp(log_area - log_sphere)
    distinct, places = cosines.double().clamp(-1, 1).unique(return_inverse=True)
    values = [factor * _cap_integral(n, angle, math.acos(cosine)) for cosine in distinct.tolist()]
    return torch.tensor(values, dtype=torch.float64)[places]


def _cap_integral(n: int, angle: float, between: float) -> float:
    if between >= 2 * angle:
        return 0.0
    start = between / 2

    def integrand(phi: float) -> float:
        inside = 1 - (math.tan(start) / math.tan(phi)) ** 2 if start else 1.0
        return math.sin(phi) ** (n - 2) * special.betainc((n - 2) / 2, 0.5, min(1.0, max(0.0, inside)))

    return float(integrate.quad(integrand, start, angle, epsabs=0, epsrel=1e-10, limit=500)[0])


def fit_beta(
    n: int, radius: int, *, continuous: bool = False, estimator: str = "reference"
) -> tuple[float, float, float]:
    """Log-linear fit of the intersection against cos = 1 - 2v/n over v = 0..radius-1.

    Args:
        n, radius: the memory's.
        continuous: caps instead of balls, at the same cosines.
        estimator: "least-squares", or "reference", which is N / (N - 1) times that for N fitted points.

    Returns:
        beta, bias and R^2 of the fit.

    Raises:
        InputError: a radius below 2 leaves one distance, and no slope.
    """
    if radius < 2:
        raise InputError(f"radius={radius} leaves no two distances to fit a slope to; take 2 or more")
    distances = np.arange(radius)
    x = 1 - 2 * distances / n
    if continuous:
        counts = cap_intersection(n, radius, 1.0, torch.from_numpy(x)).numpy()
        x, counts = x[counts > 0], counts[counts > 0]
        y = np.log(counts)
    else:
        exact = [count for count in ball_intersections(n, radius)[:radius] if count > 0]
        x = x[: len(exact)]
        y = np.array([math.log(count) for count in exact])
    slope = float(np.cov(x, y, bias=True)[0, 1] / np.var(x))
    residual = y - y.mean() - slope * (x - x.mean())
    r_squared = float(1 - residual.var() / y.var())
    beta = slope * len(x) / (len(x) - 1) if estimator == "reference" else slope
    return beta, float(y.mean() - beta * x.mean()), r_squared


def hamming_from_cosine(cosines: Tensor, n: int) -> Tensor:
    """floor(n (1 - cos) / 2)."""
    return (n * (1 - cosines) / 2).floor().long()


def radius_of_fraction(n: int, fraction: float) -> int:
    """Radius of a ball that holds a fraction of {0,1}^n: the binomial quantile."""
    return int(stats.binom.ppf(fraction, n, 0.5))


def fraction_of_radius(n: int, radius: int) -> float:
    """Fraction of {0,1}^n within a radius: the binomial distribution function."""
    return float(stats.binom.cdf(radius, n, 0.5))


def optimal_fraction(patterns: float, neurons: float) -> float:
    """Fraction of space p* = (2 m r)^(-1/3) at which the signal-to-noise ratio is largest."""
    return float((2 * patterns * neurons) ** (-1 / 3))


def radius_of_beta(beta: float, n: int, *, estimator: str = "least-squares") -> int:
    """The radius, 2 to n/2 - 1, whose fitted binary beta is nearest.

    Raises:
        InputError: n is too small for any radius.
    """
    if n < 6:
        raise InputError(f"n={n} is too small for a memory: radii go from 2 to n/2 - 1")
    return min(_betas(n, estimator), key=lambda item: abs(item[1] - beta))[0]


@lru_cache(maxsize=16)
def _betas(n: int, estimator: str) -> tuple[tuple[int, float], ...]:
    return tuple((radius, fit_beta(n, radius, estimator=estimator)[0]) for radius in range(2, n // 2))


def softmax_weights(patterns: Tensor, queries: Tensor, beta: float) -> Tensor:
    """softmax over patterns of beta cos: (m, B) of unit patterns (n, m) and queries (n, B)."""
    return (beta * (patterns.T @ queries)).softmax(0)


class SparseDistributedMemory(nn.Module):
    """A memory of patterns: ``write`` them, then call with noisy queries.

    Patterns are columns of 0 and 1, or unit columns; so are the queries of ``step`` and ``weights``, as in the
    theory. The module itself is called with one query per row.
    """

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.patterns: Tensor
        self.addresses: Tensor
        self.contents: Tensor
        self.writes: Tensor
        self.register_buffer("patterns", torch.zeros(config.n, 0), persistent=False)
        self.generator = torch.Generator().manual_seed(config.seed)
        if config.form == "neurons":
            shape = (config.neurons, config.n)
            self.register_buffer(
                "addresses", torch.randint(2, shape, generator=self.generator).float(), persistent=False
            )
            self.register_buffer("contents", torch.zeros(config.n, config.neurons), persistent=False)
            self.register_buffer("writes", torch.zeros(config.neurons), persistent=False)

    @property
    def beta(self) -> float:
        """The fitted beta of the memory's radius."""
        return fit_beta(self.config.n, self.config.radius, estimator=self.config.estimator)[0]

    def write(self, patterns: Tensor) -> None:
        """Store patterns (n, m).

        Raises:
            InputError: another number of bits.
        """
        if patterns.ndim != 2 or patterns.shape[0] != self.config.n:
            raise InputError(f"patterns of shape {tuple(patterns.shape)}; expected ({self.config.n}, m)")
        if self.config.form == "neurons":
            active = self._active(patterns)
            self.contents += patterns.float() @ active
            self.writes += active.sum(0)
        self.patterns = torch.cat((self.patterns, patterns.to(self.patterns)), 1)

    def _active(self, points: Tensor) -> Tensor:
        """(m, r): which neurons lie within the radius of points (n, m)."""
        points = points.float()
        distance = points.sum(0)[:, None] + self.addresses.sum(1) - 2 * points.T @ self.addresses.T
        return (distance <= self.config.radius).float()

    def weights(self, queries: Tensor) -> Tensor:
        """Weight of every pattern for queries (n, B): (m, B), float64, not normalised for intersections."""
        config = self.config
        patterns, queries = self.patterns.double(), queries.double()
        if config.form == "attention":
            if config.continuous:
                return softmax_weights(patterns, queries, self.beta)
            return softmax_weights(_signs(patterns), _signs(queries), self.beta)
        if config.continuous:
            cosines = (patterns.T @ queries).clamp(-1, 1)
            counts = cap_intersection(config.n, config.radius, config.neurons, cosines)
        else:
            distances = patterns.sum(0)[:, None] + queries.sum(0) - 2 * patterns.T @ queries
            counts = expected_intersection(config.n, config.radius, config.neurons, distances)
        if config.finite_neurons:
            whole = counts.floor()
            counts = whole + (torch.rand(counts.shape, generator=self.generator) < counts - whole)
        return counts

    def step(self, queries: Tensor) -> Tensor:
        """One update of queries (n, B); a continuous result is the weighted mean, not renormalised."""
        if self.config.form == "neurons":
            active = self._active(queries)
            total = active @ self.writes
            read = (self.contents @ active.T) / total.clamp(min=1)
            return torch.where(total > 0, (read > 0.5).to(queries.dtype), queries)
        weights = self.weights(queries)
        total = weights.sum(0)
        mean = (self.patterns.double() @ weights) / total.clamp(min=1e-300)
        new = mean if self.config.continuous else (mean > 0.5).double()
        return torch.where(total > 0, new.to(queries.dtype), queries)

    def forward(self, queries: Tensor) -> Tensor:
        """Retrieve: at most ``max_steps`` updates of queries (B, n), continuous ones renormalised between steps."""
        queries = queries.T
        for index in range(self.config.max_steps):
            updated = self.step(queries)
            settled = float((updated.double() - queries.double()).detach().abs().max()) <= (
                self.config.epsilon if self.config.continuous else 0.0
            )
            queries = updated
            if settled or index + 1 == self.config.max_steps:
                break
            if self.config.continuous:
                queries = functional.normalize(queries, dim=0)
        return queries.T


def _signs(bits: Tensor) -> Tensor:
    """Bits to unit vectors: 1 - 2v/n is their inner product."""
    return (2 * bits - 1) / math.sqrt(bits.shape[0])


def _flipped(bits: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = torch.randperm(len(bits), generator=generator)[:count]
    return bits.index_put((chosen,), 1 - bits[chosen])


@dataclass
class CriticalDistanceConfig:
    """Config of the critical-distance experiment."""

    n: int = zoo.field(64, "address bits", unit="bits", minimum=4)
    num_patterns: int = zoo.field(40, "patterns m", minimum=1)
    step: int = zoo.field(1, "distance between cases", unit="bits", minimum=1)
    trials: int = zoo.field(100, "queries of a case", minimum=1)
    seed: int = zoo.field(0, "of patterns and perturbations", minimum=0)


@dataclass(frozen=True)
class CriticalDistanceCase:
    """Stored patterns (n, m), queries (n, trials) with ``flips`` bits of their targets (n, trials) changed."""

    flips: int
    patterns: Tensor
    queries: Tensor
    targets: Tensor


class CriticalDistance:
    """Benchmark of a memory: from how far does one update still move closer to the stored pattern?

    A system maps patterns (n, m) and queries (n, B) of bits to retrieved bits (n, B); ``retrieval`` makes one of any
    memory's config.
    """

    def __init__(self, config: CriticalDistanceConfig) -> None:
        self.config = config

    def cases(self) -> Iterator[CriticalDistanceCase]:
        """One per distance, up to half of the bits."""
        config, generator = self.config, torch.Generator().manual_seed(self.config.seed)
        patterns = torch.randint(2, (config.n, config.num_patterns), generator=generator).float()
        for flips in range(config.step, config.n // 2, config.step):
            targets = patterns[:, torch.randint(config.num_patterns, (config.trials,), generator=generator)]
            queries = torch.stack([_flipped(target, flips, generator) for target in targets.T], 1)
            yield CriticalDistanceCase(flips, patterns, queries, targets)

    def curve(self, answers: Sequence[Tensor]) -> dict[int, float]:
        """Mean Hamming distance from the target after the update, by the distance before it."""
        cases = list(self.cases())
        if len(answers) != len(cases):
            raise InputError(f"{len(answers)} answers for {len(cases)} cases")
        return {
            case.flips: float((answer != case.targets).sum(0).double().mean())
            for case, answer in zip(cases, answers, strict=True)
        }

    def score(self, answers: Sequence[Tensor]) -> dict[str, float]:
        """The critical distance, and the mean distance after an update from half of it."""
        curve = self.curve(answers)
        beyond = next((flips for flips, after in curve.items() if after >= flips), max(curve) + self.config.step)
        return {"critical_distance": beyond - self.config.step, "mean distance after": sum(curve.values()) / len(curve)}

    def run(self, system: Callable[[Tensor, Tensor], Tensor]) -> dict[str, float]:
        """Score a system."""
        return self.score([system(case.patterns, case.queries) for case in self.cases()])


def retrieval(config: MemoryConfig) -> Callable[[Tensor, Tensor], Tensor]:
    """One update of a memory as a system of ``CriticalDistance``; a continuous memory sees bits as unit vectors."""

    def system(patterns: Tensor, queries: Tensor) -> Tensor:
        memory = SparseDistributedMemory(config)
        if config.continuous:
            memory.write(_signs(patterns))
            return (memory.step(_signs(queries)) > 0).to(queries.dtype)
        memory.write(patterns)
        return memory.step(queries)

    return system


def critical_distance_example(config: CriticalDistanceConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The exact memory, of a radius that holds a thousandth of the space or more."""
    radius = max(2, radius_of_fraction(config.n, 1e-3))
    return {"system": retrieval(MemoryConfig(config.n, 1_000_000, radius))}


@dataclass(frozen=True)
class BetaResult:
    """Effective betas of a model's heads.

    Args:
        mean, largest: tables (layers, heads).
        largest_logit: table (layers, heads), a lower bound of ``largest``: the logit is beta cos.
        radius: integer table of the Hamming radii whose fitted beta is nearest to the mean, at n = head_dim.
        head_dim: n.
    """

    mean: Tensor
    largest: Tensor
    largest_logit: Tensor
    radius: Tensor
    head_dim: int

    def to_dict(self) -> dict[str, Any]:
        """Nested lists, ready for JSON."""
        return {
            "mean": self.mean.tolist(),
            "largest": self.largest.tolist(),
            "largest_logit": self.largest_logit.tolist(),
            "radius": self.radius.tolist(),
            "head_dim": self.head_dim,
        }

    def plot(self, path: str | None = None) -> Any:
        """Mean beta of every head by layer; a matplotlib figure."""
        figure = require("matplotlib.figure", needed_by="plotting").Figure(layout="constrained")
        axis = figure.subplots()
        for layer, heads in enumerate(self.mean.tolist()):
            axis.plot([layer] * len(heads), heads, "o", color="tab:blue", alpha=0.6)
        axis.set(xlabel="layer", ylabel="effective beta")
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


class BetaProbe:
    """``probe(model, inputs)``: the effective beta of every head of a transformers model."""

    def __init__(self, config: ProbeConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> BetaResult:
        """Measure.

        Args:
            model: any model with query and key projections; rotary positions turn queries and keys, and leave
                their lengths.
            inputs: keyword arguments of its forward, without padding.

        Raises:
            InputError: padded inputs, or heads of fewer than 6 features.
        """
        padding = inputs.get("attention_mask")
        if padding is not None and not bool(padding.all()):
            raise InputError("the inputs are padded: measure sequences of one length at a time")
        means, largest, logits, head_dim = [], [], [], 0
        for query, key, _ in queries_keys_values(model, inputs):
            head_dim = query.shape[-1]
            key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
            if self.config.positions == "last":
                query = query[:, :, -1:]
            betas = query.norm(dim=-1)[..., None] * key.norm(dim=-1)[:, :, None] / math.sqrt(head_dim)
            means.append(betas.mean((0, 2, 3)))
            largest.append(betas.amax((0, 2, 3)))
            logits.append((query @ key.transpose(-1, -2)).amax((0, 2, 3)) / math.sqrt(head_dim))
        mean = torch.stack(means)
        radius = [
            [radius_of_beta(beta, head_dim, estimator=self.config.estimator) for beta in row] for row in mean.tolist()
        ]
        return BetaResult(mean, torch.stack(largest), torch.stack(logits), torch.tensor(radius), head_dim)


class RetrievalProjection(nn.Module):
    """A learned map W (n -> width) in whose space a fixed weighting of cosines retrieves; for images and the like.

    Train it on ``loss`` with perturbed queries: the mean squared error after one update.
    """

    def __init__(self, n: int, width: int, weighting: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.project = nn.Linear(n, width, bias=False)
        self.weighting = weighting

    def forward(self, patterns: Tensor, queries: Tensor) -> Tensor:
        """One update of queries (B, n) over patterns (m, n)."""
        keys, asked = (functional.normalize(self.project(x), dim=-1) for x in (patterns, queries))
        weights = self.weighting(asked @ keys.T)
        return weights / weights.sum(-1, keepdim=True) @ patterns

    def loss(self, patterns: Tensor, queries: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of the retrieved targets (B, n)."""
        return functional.mse_loss(self(patterns, queries), targets)


def example(config: MemoryConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random queries; the memory is empty, so they come back unchanged."""
    generator = torch.Generator().manual_seed(seed)
    return {"queries": torch.randint(2, (batch_size, config.n), generator=generator).float()}


def probe_example(config: ProbeConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A random GPT-2 with heads of 16 features."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "model": tiny_gpt2(seed, n_embd=64),
        "inputs": {"input_ids": torch.randint(97, (batch_size, 20), generator=generator)},
    }


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``sdm``: intersections, fits and one update of each form."""
    if component != "sdm":
        raise InputError(f"no component {component!r}; there is: sdm")
    n, neurons, radii = config["n"], config["r"], config["radii"]
    outputs = {
        f"intersection_d{radius}": expected_intersection(n, radius, neurons, inputs["distances"]) for radius in radii
    }
    for name, continuous in (("beta_binary", False), ("beta_continuous", True)):
        fits = [fit_beta(n, radius, continuous=continuous)[0] for radius in radii]
        outputs[name] = torch.tensor(fits, dtype=torch.float64)
    # The reference adds 2 where log 2 is meant: a factor e^2 / 2 in absolute counts.
    outputs["cap_intersection"] = cap_intersection(n, radii[0], neurons, inputs["cosines"]) * math.exp(2) / 2
    beta = fit_beta(n, radii[-1])[0]
    memory = SparseDistributedMemory(MemoryConfig(n, neurons, config["step_radius"]))
    memory.write(inputs["patterns"])
    outputs["binary_sdm_step"] = memory.step(inputs["queries"]).int()
    weights = softmax_weights(_signs(inputs["patterns"].double()), _signs(inputs["queries"].double()), beta)
    outputs["binary_attention_step"] = (inputs["patterns"].double() @ weights > 0.5).int()
    if "patterns_continuous" in inputs:
        patterns, queries = inputs["patterns_continuous"].double(), inputs["queries_continuous"].double()
        outputs["continuous_attention_step"] = patterns @ softmax_weights(patterns, queries, beta)
    return outputs


_RADII = (9, 11, 15, 20)


def check_exponential_decay() -> Measurement:
    """R^2 of the log-linear fits at n = 64."""
    found = [fit_beta(64, radius)[2] for radius in _RADII]
    expected = (0.960, 0.972, 0.984, 0.988)
    close = all(abs(ours - theirs) < 0.002 for ours, theirs in zip(found, expected, strict=True))
    return Measurement(", ".join(f"{value:.3f}" for value in found) + " for d = 9, 11, 15, 20", close)


def check_fitted_beta() -> Measurement:
    """Fitted betas at n = 64."""
    found = [fit_beta(64, radius)[0] for radius in _RADII]
    expected = (20.04, 15.85, 10.11, 5.60)
    close = all(abs(ours - theirs) < 0.01 for ours, theirs in zip(found, expected, strict=True))
    return Measurement(", ".join(f"{value:.2f}" for value in found) + " for d = 9, 11, 15, 20", close)


def check_agreement() -> Measurement:
    """Total variation between the memory's weights and attention's, and a clean-up task."""
    variations = []
    for radius in _RADII:
        distances = torch.arange(2 * radius + 1)
        memory = expected_intersection(64, radius, 1e6, distances)
        beta = fit_beta(64, radius, estimator="least-squares")[0]
        attention = (beta * (1 - 2 * distances.double() / 64)).softmax(0)
        variations.append(float((memory / memory.sum() - attention).abs().sum() / 2))
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randint(2, (64, 40), generator=generator).float()
    noisy = torch.stack([_flipped(column, 5, generator) for column in patterns.T], 1)
    right = []
    for form in ("intersection", "attention"):
        memory_form = SparseDistributedMemory(MemoryConfig(64, 1_000_000, 20, form=form))
        memory_form.write(patterns)
        right.append(float((memory_form.step(noisy) == patterns).all(0).float().mean()))
    close = all(abs(ours - theirs) < 0.01 for ours, theirs in zip(variations, (0.14, 0.12, 0.09, 0.06), strict=True))
    text = ", ".join(f"{value:.2f}" for value in variations)
    return Measurement(
        f"total variation {text}; 5 flipped bits cleaned up for {right[0]:.0%} (memory) and {right[1]:.0%} "
        "(attention) of 40 patterns",
        close and min(right) == 1.0,
    )


def check_hopfield_identity() -> Measurement:
    """Attention on normalised vectors against torch's own with scale = beta."""
    generator = torch.Generator().manual_seed(0)
    patterns, queries = (functional.normalize(torch.randn(16, count, generator=generator), dim=0) for count in (30, 5))
    ours = patterns @ softmax_weights(patterns, queries, 8.0)
    theirs = functional.scaled_dot_product_attention(queries.T[None], patterns.T[None], patterns.T[None], scale=8.0)
    difference = float((ours.T - theirs[0]).abs().max())
    return Measurement(f"difference {difference:.1e}", difference < 1e-5)


def check_optimal_radius() -> Measurement:
    """Signal-to-noise optimum, attention-like and canonical."""
    small = optimal_fraction(1024, 2.0**64)
    radii = (radius_of_fraction(64, small), radius_of_fraction(1000, optimal_fraction(1e4, 1e6)))
    return Measurement(
        f"n=64: p* = {small:.2e}, radius {radii[0]}; n=1000: radius {radii[1]}",
        radii == (11, 447) and abs(small / 2.98e-8 - 1) < 0.01,
    )


def check_heads_are_memories() -> Measurement:
    """Attention maps of a GPT-2 against softmax(beta cos) with the probe's beta, query by query."""
    case = probe_example(ProbeConfig())
    maps, _ = attention_maps(**case)
    worst = 0.0
    for alpha, (query, key, _) in zip(maps, queries_keys_values(**case), strict=True):
        beta = query.norm(dim=-1)[..., None] * key.norm(dim=-1)[..., None, :] / math.sqrt(query.shape[-1])
        cosine = functional.normalize(query, dim=-1) @ functional.normalize(key, dim=-1).transpose(-1, -2)
        later = torch.ones(alpha.shape[-2:], dtype=torch.bool).triu(1)
        worst = max(worst, float((alpha - (beta * cosine).masked_fill(later, -math.inf).softmax(-1)).abs().max()))
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-6, "a random GPT-2 of 2 layers and 4 heads")


def check_critical_distances() -> Measurement:
    """Critical distances of the binary memory, the continuous one and attention with the fitted beta."""
    task = CriticalDistance(CriticalDistanceConfig(num_patterns=1024, trials=400))
    forms = (("intersection", False), ("intersection", True), ("attention", False))
    texts, spread, apart = [], 0.0, 0.0
    for radius in (9, 11, 15):
        systems = [retrieval(MemoryConfig(64, 2**64, radius, form=form, continuous=kind)) for form, kind in forms]
        answers = [[system(case.patterns, case.queries) for case in task.cases()] for system in systems]
        found = [task.score(answer)["critical_distance"] for answer in answers]
        curves = torch.tensor([list(task.curve(answer).values()) for answer in answers])
        spread = max(spread, max(found) - min(found))
        apart = max(apart, float((curves - curves[0]).abs().mean(1).max()))
        texts.append(f"d={radius}: " + ", ".join(f"{value:.0f}" for value in found))
    listing = "; ".join(texts)
    return Measurement(
        f"{listing} bits (binary, continuous, attention); curves differ by {apart:.1f} bits at most on average",
        # Five hundredths of the 64 bits.
        spread <= 3,
        "n = 64, m = 1024 random patterns, r = 2^64",
    )
