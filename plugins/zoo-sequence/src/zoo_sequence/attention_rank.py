"""Low-rank heads and the nearest point: a benchmark for the trade-off between head size and number of heads.

Source: "On the Benefits of Rank in Attention Layers" (2024), arXiv 2407.16153.

Target: points x_1..x_N and a query y on the unit sphere of R^d; f(X; y) is the point nearest to y. Attention with H
heads of rank r has Q, K (H, r, d) and VO (H, d, d):

    A_h = softmax over points of (Q_h y) . (K_h x_k) / sqrt(r)        (soft; one-hot of the argmax when hard)
    out = sum_h VO_h' (X A_h)

One full-rank hard head with Q = K = VO = I represents f exactly for every N. Heads of rank r << d need exponentially
many of them in d, even for N = 2: for random rank-1 hard heads the error of the best combination has a closed form,
1 - 2 b.a + a'C a with C a = b, where C and b are the inner products of heads with each other and with f; and no H
rank-1 hard heads at all, whatever their maps, fall below ``rank_one_bound``.

The error is E ||f_hat - f||^2; predicting zero gives 1. When the points query themselves the target is the farthest
point, since the nearest would be the point itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError

SAMPLERS = ("unif", "ortho", "doubled")


@dataclass
class RankHeadsConfig:
    """Config of the attention with heads of a chosen rank."""

    dim: int = zoo.field(8, "dimension d of points", unit="features", minimum=1)
    rank: int = zoo.field(8, "rank r of a head", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "heads H", minimum=1)
    hard: bool = zoo.field(False, "argmax instead of softmax")
    construction: str = zoo.field(
        "random",
        "initial weights: trainable uniform, the exact full-rank solution, orthonormal frames, or equal spacing in 2-D",
        choices=("random", "exact", "frames", "equal-spacing"),
    )
    temperature: float = zoo.field(1.0, "factor on Q of the constructions", minimum=0.0)

    def __post_init__(self) -> None:
        if self.construction == "exact" and (self.num_heads != 1 or self.rank != self.dim):
            raise ConfigError("the exact construction is one head of rank d", field="construction")
        if self.construction == "equal-spacing" and (self.dim != 2 or self.rank != 1):
            raise ConfigError("equal spacing is for d = 2 and rank 1", field="construction")
        if self.construction == "frames" and self.rank > self.dim:
            raise ConfigError(f"rank={self.rank} exceeds dim={self.dim}", field="rank")


@dataclass
class RankEncoderConfig:
    """Config of the widened encoder of the experiments."""

    dim: int = zoo.field(64, "dimension d of points", unit="features", minimum=1)
    num_points: int = zoo.field(16, "points N, the rows of positional tables", minimum=0)
    num_layers: int = zoo.field(1, "layers", minimum=1)
    num_heads: int = zoo.field(2, "heads of one multi-head attention", minimum=1)
    width_multiplier: int = zoo.field(1, "independent attentions w averaged in a layer", minimum=1)
    hidden_dim: int = zoo.field(2048, "feed-forward width", unit="features", minimum=1)
    bias: bool = zoo.field(True, "biases of all projections")
    positional_dim: int = zoo.field(0, "appended positional features p", unit="features", minimum=0)
    additive_positional: bool = zoo.field(False, "whether a positional table is added to the points")

    def __post_init__(self) -> None:
        if (self.dim + self.positional_dim) % self.num_heads:
            raise ConfigError(
                f"dim + positional_dim = {self.dim + self.positional_dim} is not a multiple of "
                f"num_heads={self.num_heads}",
                field="num_heads",
            )


@dataclass
class NearestPointConfig:
    """Config of the benchmark."""

    dim: int = zoo.field(8, "dimension d of points", unit="features", minimum=2)
    num_points: int = zoo.field(4, "points N", minimum=1)
    num_queries: int = zoo.field(4, "queries M; -1: the points themselves, and the farthest as target", minimum=-1)
    sampler: str = zoo.field("unif", "how points are drawn", choices=SAMPLERS)
    batch_size: int = zoo.field(256, "sets of points in a case", minimum=1)
    num_cases: int = zoo.field(8, "cases in an evaluation", minimum=1)
    seed: int = zoo.field(0, "of the data", minimum=0)

    def __post_init__(self) -> None:
        if self.sampler == "ortho" and self.num_points > self.dim:
            raise ConfigError(f"at most dim={self.dim} orthogonal points", field="num_points")
        if self.sampler == "doubled" and self.num_points % 2:
            raise ConfigError("doubled points come in pairs", field="num_points")


def nearest(points: Tensor, queries: Tensor) -> Tensor:
    """f: for each query (batch, d, M) the point of (batch, d, N) with the largest inner product; (batch, d, M)."""
    best = (queries.transpose(1, 2) @ points).argmax(-1)
    return points.gather(2, best[:, None].expand(-1, points.shape[1], -1))


def farthest_self(points: Tensor) -> Tensor:
    """For each point of (batch, d, N) the point with the smallest inner product; the same shape."""
    return nearest(points, -points)


def sample_points(config: NearestPointConfig, generator: torch.Generator) -> Tensor:
    """Unit points (batch, d, N) as columns."""
    batch, dim, count = config.batch_size, config.dim, config.num_points
    if config.sampler == "ortho":
        rotation = torch.linalg.qr(torch.randn(batch, dim, dim, generator=generator)).Q
        return rotation[:, :, :count]
    if config.sampler == "doubled":
        half = functional.normalize(torch.randn(batch, dim, count // 2, generator=generator), dim=1)
        return torch.cat((half, -half), 2)
    return functional.normalize(torch.randn(batch, dim, count, generator=generator), dim=1)


@dataclass(frozen=True)
class NearestPointCase:
    """Points (batch, d, N) and queries (batch, d, M)."""

    points: Tensor
    queries: Tensor


class NearestPoint:
    """The benchmark: cases of points and queries, scored by the mean squared distance from the target."""

    def __init__(self, config: NearestPointConfig) -> None:
        self.config = config

    def stream(self, generator: torch.Generator) -> Iterator[NearestPointCase]:
        """Endless random cases, for training."""
        while True:
            points = sample_points(self.config, generator)
            if self.config.num_queries < 0:
                yield NearestPointCase(points, points)
            else:
                shape = (self.config.batch_size, self.config.dim, self.config.num_queries)
                yield NearestPointCase(points, functional.normalize(torch.randn(shape, generator=generator), dim=1))

    def cases(self) -> list[NearestPointCase]:
        """The evaluation's cases, the same for the same seed."""
        stream = self.stream(torch.Generator().manual_seed(self.config.seed))
        return [next(stream) for _ in range(self.config.num_cases)]

    def target(self, case: NearestPointCase) -> Tensor:
        """(batch, d, M): the nearest point, or the farthest where points query themselves."""
        return farthest_self(case.points) if self.config.num_queries < 0 else nearest(case.points, case.queries)

    def score(self, answers: list[Tensor]) -> dict[str, float]:
        """Error of answers (batch, d, M), one per case, and the share of queries whose nearest point is right."""
        cases = self.cases()
        if len(answers) != len(cases):
            raise InputError(f"{len(answers)} answers for {len(cases)} cases")
        errors, right = [], []
        for case, answer in zip(cases, answers, strict=True):
            target = self.target(case)
            if answer.shape != target.shape:
                raise InputError(f"answer of shape {tuple(answer.shape)}; expected {tuple(target.shape)}")
            errors.append((answer - target).square().sum(1).mean())
            right.append((nearest(case.points, answer) == target).all(1).float().mean())
        return {"error": float(torch.stack(errors).mean()), "accuracy": float(torch.stack(right).mean())}

    def run(self, system: Callable[[Tensor, Tensor], Tensor]) -> dict[str, float]:
        """Score a system (points, queries) -> (batch, d, M)."""
        with torch.no_grad():
            return self.score([system(case.points, case.queries) for case in self.cases()])


class RankHeads(nn.Module):
    """H heads of rank r: points (batch, d, N) and queries (batch, d, M) to (batch, d, M)."""

    def __init__(self, config: RankHeadsConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.num_heads, config.rank, config.dim)
        self.Q = nn.Parameter(torch.empty(shape))
        self.K = nn.Parameter(torch.empty(shape))
        self.VO = nn.Parameter(torch.empty(config.num_heads, config.dim, config.dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As ``config.construction`` says."""
        heads, rank, dim = self.Q.shape
        with torch.no_grad():
            if self.config.construction == "random":
                for tensor, fan in ((self.Q, rank + dim), (self.K, rank + dim), (self.VO, heads * dim + dim)):
                    bound = math.sqrt(6 / fan)
                    nn.init.uniform_(tensor, -bound, bound)
                return
            if self.config.construction == "exact":
                frame = torch.eye(dim)[None]
            elif self.config.construction == "frames":
                frame = torch.linalg.qr(torch.randn(heads, dim, rank)).Q.transpose(1, 2)
            else:
                angles = torch.linspace(0, math.pi * (1 - 1 / heads), heads)
                frame = torch.stack((angles.cos(), angles.sin()), -1)[:, None]
            # Q alone carries the temperature.
            self.Q.copy_(frame * self.config.temperature)
            self.K.copy_(frame)
            self.VO.copy_(torch.eye(dim) / heads)

    def forward(self, points: Tensor, queries: Tensor) -> Tensor:
        """Attend from queries to points.

        Raises:
            InputError: points or queries of another dimension.
        """
        dim = self.config.dim
        if points.shape[1] != dim or queries.shape[1] != dim:
            raise InputError(
                f"points {tuple(points.shape)} and queries {tuple(queries.shape)}; expected (batch, {dim}, count)"
            )
        query = torch.einsum("hrd,bdm->bhmr", self.Q, queries)
        key = torch.einsum("hrd,bdn->bhrn", self.K, points)
        scores = query @ key / math.sqrt(self.config.rank)
        if self.config.hard:
            weights = functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores)
        else:
            weights = scores.softmax(-1)
        return torch.einsum("bhmd,hde->bem", weights @ points[:, None].transpose(-1, -2), self.VO)


class SphereNorm(nn.Module):
    """n(x) = s x / ||x||, one learned scalar s."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(1))
        nn.init.ones_(self.scale)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) to the same shape."""
        return self.scale * x / x.norm(dim=-1, keepdim=True)


class WidenedLayer(nn.Module):
    """Post-norm layer whose attention is the mean of w independent multi-head attentions."""

    def __init__(self, config: RankEncoderConfig) -> None:
        super().__init__()
        width = config.dim + config.positional_dim
        self.widened_self_attn = nn.ModuleList(
            nn.MultiheadAttention(width, config.num_heads, bias=config.bias, batch_first=True)
            for _ in range(config.width_multiplier)
        )
        self.linear1 = nn.Linear(width, config.hidden_dim, bias=config.bias)
        self.linear2 = nn.Linear(config.hidden_dim, width, bias=config.bias)
        self.norm1 = SphereNorm()
        self.norm2 = SphereNorm()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, N, width) to the same shape."""
        attended = [attention(x, x, x, need_weights=False)[0] for attention in self.widened_self_attn]
        x = self.norm1(x + torch.stack(attended).mean(0))
        return self.norm2(x + self.linear2(functional.relu(self.linear1(x))))


class Layers(nn.Module):
    """The stack, under the name it has in recorded states."""

    def __init__(self, config: RankEncoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(WidenedLayer(config) for _ in range(config.num_layers))


class RankEncoder(nn.Module):
    """The widened encoder: points (batch, d, N) to (batch, d, N)."""

    def __init__(self, config: RankEncoderConfig) -> None:
        super().__init__()
        self.config = config
        appended, added = (config.positional_dim, config.num_points), (config.dim, config.num_points)
        self.positional_encodings = nn.Parameter(torch.empty(appended)) if config.positional_dim else None
        self.additive_positional = nn.Parameter(torch.empty(added)) if config.additive_positional else None
        self.encoder = Layers(config)
        if self.positional_encodings is not None:
            nn.init.uniform_(self.positional_encodings, -1, 1)
        if self.additive_positional is not None:
            nn.init.normal_(self.additive_positional, -1, 1)

    def forward(self, points: Tensor) -> Tensor:
        """Encode.

        Raises:
            InputError: more points than positions.
        """
        batch, dim, count = points.shape
        tables = [table for table in (self.positional_encodings, self.additive_positional) if table is not None]
        if any(table.shape[1] < count for table in tables):
            raise InputError(f"{count} points, but positions for {self.config.num_points}")
        if self.additive_positional is not None:
            points = points + self.additive_positional[:, :count]
        if self.positional_encodings is not None:
            appended = self.positional_encodings[:, :count].expand(batch, -1, -1)
            points = torch.cat((points, appended), 1)
        x = points.transpose(1, 2)
        for layer in self.encoder.layers:
            x = layer(x)
        return x[..., :dim].transpose(1, 2)


def head_inner_products(queries: Tensor, keys: Tensor) -> Tensor:
    """C (H, H): <g_a, g_b> = 1/2 + (2/pi^2) arcsin(q_a.q_b) arcsin(k_a.k_b) of rank-1 hard heads at N = 2.

    Args:
        queries, keys: unit vectors (H, d).
    """

    def arcsine(vectors: Tensor) -> Tensor:
        return (vectors @ vectors.T).clamp(-1, 1).arcsin()

    return 0.5 + 2 / math.pi**2 * arcsine(queries) * arcsine(keys)


def target_inner_products(angles: Tensor, dim: int, *, degree: int = 61) -> Tensor:
    """b(t): <g, f> of a rank-1 hard head whose query and key enclose the angle t, at N = 2.

    Args:
        angles: t (H,), in [0, pi].
        dim: d.
        degree: highest Gegenbauer polynomial for d > 2.
    """
    if dim == 2:
        folded = math.pi / 2 - (math.pi / 2 - angles).abs()
        return 0.5 + (math.pi / 2 - angles).sign() * (0.25 - (folded / math.pi).square())
    import numpy as np
    from scipy.special import eval_gegenbauer

    order = (dim - 2) / 2
    cosines = np.cos(angles.double().numpy())
    total = np.full(len(cosines), 0.5)
    for level, coefficient in _arcsine_coefficients(dim, degree):
        sign = _sign_coefficient(level, order, dim)
        polynomial = eval_gegenbauer(level, order, cosines) / eval_gegenbauer(level, order, 1.0)
        total += sign * coefficient / math.pi * polynomial
    return torch.from_numpy(total)


def _arcsine_coefficients(dim: int, degree: int) -> Iterator[tuple[int, float]]:
    """Odd degrees l up to ``degree`` and the a_l of arcsin(x) = sum a_l G_l(x), d > 2."""
    import numpy as np
    from scipy.special import eval_gegenbauer, roots_gegenbauer

    order = (dim - 2) / 2
    # Gauss quadrature for the density (1 - x^2)^((d-3)/2).
    nodes, weights = roots_gegenbauer(400, order)
    for level in range(1, degree + 1, 2):
        polynomial = eval_gegenbauer(level, order, nodes)
        yield level, float((weights * np.arcsin(nodes) * polynomial).sum() / (weights * polynomial**2).sum())


def _sign_coefficient(level: int, order: float, dim: int) -> float:
    """int sign(x) G_l(x) rho(x) dx; the jump at 0 needs its own quadrature."""
    from scipy.integrate import quad
    from scipy.special import eval_gegenbauer

    power = (dim - 3) / 2
    mass = math.gamma(power + 1) * math.sqrt(math.pi) / math.gamma(power + 1.5)

    def integrand(angle: float) -> float:
        # x = sin(angle), so that the end points are smooth for every d.
        return float(eval_gegenbauer(level, order, math.sin(angle)) * math.cos(angle) ** (dim - 2))

    return 2 * quad(integrand, 0, math.pi / 2, limit=200)[0] / mass


def rank_one_error(dim: int, heads: int, *, seed: int = 0) -> float:
    """Error of the best combination of random rank-1 hard heads at N = 2: the low-rank lower bound, measured."""
    generator = torch.Generator().manual_seed(seed)
    queries, keys = functional.normalize(torch.randn(2, heads, dim, generator=generator, dtype=torch.float64), dim=-1)
    inner = head_inner_products(queries, keys)
    target = target_inner_products((queries * keys).sum(-1).clamp(-1, 1).arccos(), dim).double()
    mix = torch.linalg.lstsq(inner, target[:, None], driver="gelsd").solution[:, 0]
    return float(1 - 2 * target @ mix + mix @ inner @ mix)


def harmonic_shares(dim: int, *, degree: int = 61) -> list[tuple[int, float]]:
    """What the target asks of each odd degree of spherical harmonics of the query, at N = 2.

    Returns:
        For degrees 1, 3, ..., ``degree``: the number of harmonics and their share of the target's odd part.
    """
    if dim == 2:
        return [(2, 8 / (math.pi * level) ** 2) for level in range(1, degree + 1, 2)]
    from scipy.special import eval_gegenbauer

    return [
        (
            math.comb(level + dim - 1, dim - 1) - math.comb(level + dim - 3, dim - 1),
            2 / math.pi * coefficient * float(eval_gegenbauer(level, (dim - 2) / 2, 1.0)),
        )
        for level, coefficient in _arcsine_coefficients(dim, degree)
    ]


def rank_one_bound(dim: int, heads: int) -> float:
    """An error that no choice of H rank-1 hard heads falls below at N = 2, whatever their Q, K and VO.

    With u = x_1 - x_2 the target is (x_1 + x_2)/2 + sign(y.u) u/2 and a head contributes sign(q.y) sign(k.u) VO'u/2,
    a tensor product of a function of y and one of the points: H heads are an approximation of rank H. By Eckart and
    Young they miss the eigenvalues of E[sign(y.u) sign(y'.u)] |u|^2/4 = arcsin(y.y')/pi beyond the H largest, and
    those belong to the spherical harmonics of y.
    """
    missed = 1.0
    for count, share in harmonic_shares(dim):
        missed -= share * min(count, heads) / count
        heads -= min(count, heads)
    return missed / 2


def heads_needed(dim: int, error: float) -> int:
    """The fewest rank-1 hard heads for which ``rank_one_bound`` allows an error at N = 2.

    Raises:
        InputError: the error is smaller than the expansion resolves.
    """
    missed, heads = 1.0, 0
    for count, share in harmonic_shares(dim):
        if missed - share <= 2 * error:
            return heads + max(0, math.ceil(count * (missed - 2 * error) / share))
        missed, heads = missed - share, heads + count
    raise InputError(f"error={error} is below the {missed / 2:.3f} that harmonics of degree 61 leave over")


def train_heads(
    config: NearestPointConfig, rank: int, heads: int, *, steps: int = 300, learning_rate: float = 0.02, seed: int = 0
) -> float:
    """Train soft heads of a rank at a constant rate and return the error on fresh cases."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = RankHeads(RankHeadsConfig(config.dim, rank, heads))
    task = NearestPoint(config)
    _fit(model, model, task, generator, steps=steps, learning_rate=learning_rate, decay=False)
    return task.run(model)["error"]


def train_encoder(
    config: RankEncoderConfig, *, steps: int = 600, learning_rate: float = 0.005, seed: int = 0
) -> tuple[RankEncoder, dict[str, float]]:
    """Train the encoder on the farthest of its points; with its scores on fresh cases."""
    torch.manual_seed(seed)
    model = RankEncoder(config)
    task = NearestPoint(NearestPointConfig(dim=config.dim, num_points=config.num_points, num_queries=-1))

    def system(points: Tensor, queries: Tensor) -> Tensor:
        return model(points)

    _fit(model, system, task, torch.Generator().manual_seed(seed), steps=steps, learning_rate=learning_rate)
    return model.eval(), task.run(system)


def _fit(
    model: nn.Module,
    system: Callable[[Tensor, Tensor], Tensor],
    task: NearestPoint,
    generator: torch.Generator,
    *,
    steps: int,
    learning_rate: float,
    decay: bool = True,
) -> None:
    """AdamW on MSE times d; with ``decay`` a warm-up over a twentieth of the steps, then cosine to a tenth."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    warm = max(1, steps // 20)

    def factor(step: int) -> float:
        if not decay:
            return 1.0
        if step < warm:
            return (step + 1) / warm
        return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    stream = task.stream(generator)
    for _ in range(steps):
        case = next(stream)
        loss = (system(case.points, case.queries) - task.target(case)).square().sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def train(
    config: RankHeadsConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn the nearest of four points; reports the error beside the exact construction's."""
    torch.manual_seed(seed)
    model = RankHeads(config)
    task = NearestPoint(NearestPointConfig(dim=config.dim))
    _fit(model, model, task, torch.Generator().manual_seed(seed), steps=2000, learning_rate=0.02)
    exact = RankHeads(RankHeadsConfig(config.dim, config.dim, 1, hard=True, construction="exact"))
    scores = task.run(model)
    log(f"error {scores['error']:.4f}")
    return model, {"error": scores["error"], "accuracy": scores["accuracy"], "exact error": task.run(exact)["error"]}


def train_preset_encoder(
    config: RankEncoderConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn the farthest of the encoder's points by the paper's protocol, 1500 steps."""
    model, scores = train_encoder(config, steps=1500, seed=seed)
    log(f"error {scores['error']:.4f}")
    return model, scores


def heads_example(config: RankHeadsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Five random points and three queries."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, config.dim)
    return {
        "points": functional.normalize(torch.randn(*shape, 5, generator=generator), dim=1),
        "queries": functional.normalize(torch.randn(*shape, 3, generator=generator), dim=1),
    }


def encoder_example(config: RankEncoderConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random points."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(batch_size, config.dim, min(6, config.num_points) or 6, generator=generator)
    return {"points": functional.normalize(points, dim=1)}


def benchmark_example(config: NearestPointConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The exact solution as the system."""
    return {"system": nearest if config.num_queries >= 0 else (lambda points, queries: farthest_self(points))}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Leave out what recorded encoders carry and never use: an inherited attention and empty tables."""
    return {name: tensor for name, tensor in state.items() if ".self_attn." not in name and tensor.numel()}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Components ``mechanism`` and ``encoder``."""
    if component not in ("mechanism", "encoder"):
        raise InputError(f"no component {component!r}; there are: mechanism, encoder")
    if component == "encoder":
        own = RankEncoderConfig(
            dim=config["dim"],
            num_points=config.get("maxN") or 0,
            num_layers=config["num_layers"],
            num_heads=config["nheads"],
            width_multiplier=config["width_multiplier"],
            hidden_dim=config["dim_feedforward"],
            bias=config["bias"],
            positional_dim=config["positional_dim"],
            additive_positional=config["additive_positional"],
        )
        model = RankEncoder(own).eval()
        zoo.fill(model, convert(state, own))
        return {"out": model(inputs["X"])}
    points, queries = inputs["X"], inputs["Y"]
    outputs = {"label_nearest": nearest(points, queries), "label_farthest_self": farthest_self(points)}
    for name, hard in (("soft", False), ("hard", True)):
        heads = RankHeads(RankHeadsConfig(config["dim"], config["rank"], config["nheads"], hard=hard))
        zoo.fill(heads, convert(state, heads.config))
        outputs[name] = heads(points, queries)
    exact = RankHeads(RankHeadsConfig(config["dim"], config["dim"], 1, hard=True, construction="exact"))
    exact.to(points.dtype)
    return outputs | {"perfect_full_rank": exact(points, queries)}


def check_exact_construction() -> Measurement:
    """Error of the one-head construction over dimensions and numbers of points."""
    worst = 0.0
    for dim, count in ((2, 2), (8, 16), (64, 64), (64, 256)):
        exact = RankHeads(RankHeadsConfig(dim, dim, 1, hard=True, construction="exact"))
        worst = max(worst, NearestPoint(NearestPointConfig(dim, count, batch_size=32, num_cases=2)).run(exact)["error"])
    return Measurement(f"error {worst:g} for d up to 64 and N up to 256", worst < 1e-12)


def check_temperature() -> Measurement:
    """Error of the softmax construction on separated points as the temperature grows."""
    generator = torch.Generator().manual_seed(0)
    points = functional.normalize(torch.randn(4000, 8, 16, generator=generator), dim=1)
    queries = functional.normalize(torch.randn(4000, 8, 1, generator=generator), dim=1)
    best = (queries.transpose(1, 2) @ points)[:, 0].topk(2, -1).values
    separated = best[:, 0] - best[:, 1] > 0.05
    errors = []
    for temperature in (1.0, 10.0, 100.0, 1000.0):
        heads = RankHeads(RankHeadsConfig(8, 8, 1, construction="exact", temperature=temperature))
        with torch.no_grad():
            found = heads(points[separated], queries[separated])
        errors.append(float((found - nearest(points[separated], queries[separated])).square().sum(1).mean()))
    text = ", ".join(f"{error:.2g}" for error in errors)
    return Measurement(
        f"{text} at temperature 1, 10, 100, 1000", errors[-1] < 1e-2 and errors == sorted(errors, reverse=True)
    )


def check_rank_one_heads() -> Measurement:
    """Best combination of random rank-1 hard heads."""
    means = {heads: sum(rank_one_error(2, heads, seed=seed) for seed in range(8)) / 8 for heads in (8, 64, 512)}
    high = rank_one_error(8, 64)
    near = all(abs(means[heads] - figure) < 0.35 * figure for heads, figure in ((8, 0.25), (64, 0.080), (512, 0.033)))
    return Measurement(
        f"d=2: {means[8]:.3f}, {means[64]:.3f}, {means[512]:.3f} for H = 8, 64, 512; d=8, H=64: {high:.2f}",
        near and abs(high - 0.39) < 0.06,
    )


def check_lower_bound() -> Measurement:
    """Rank-1 hard heads that an error of 0.05 needs at least, and the bound beneath measured combinations."""
    dims = (2, 4, 8, 16, 32)
    needed = [heads_needed(dim, 0.05) for dim in dims]
    factors = [after / before for before, after in itertools.pairwise(needed)]
    gap = min(rank_one_error(dim, heads) - rank_one_bound(dim, heads) for dim in (2, 4, 8) for heads in (8, 64))
    return Measurement(
        ", ".join(f"{count:,}" for count in needed) + f" heads for d = 2, 4, 8, 16, 32 at N = 2; the best "
        f"combinations of random heads lie at least {gap:.2f} above the bound",
        # A power of d would grow by the same factor at each doubling.
        factors == sorted(factors) and factors[-1] > 100 * factors[0] and gap > 0,
        "closed form: Eckart-Young on the spherical harmonics of the query",
    )


def check_rank_against_heads() -> Measurement:
    """Errors after training with r H = 8 fixed, and with four times more rank-1 heads."""
    shapes = ((8, 1), (4, 2), (2, 4), (1, 8), (1, 32))
    texts, holds = [], True
    for count in (2, 8):
        errors = [train_heads(NearestPointConfig(8, count), rank, heads) for rank, heads in shapes]
        holds &= all(errors[0] * 3 <= error for error in errors[1:])
        texts.append(f"N={count}: " + ", ".join(f"{error:.2f}" for error in errors))
    return Measurement("; ".join(texts) + " for (r,H) = (8,1), (4,2), (2,4), (1,8), (1,32)", holds)


def check_depth() -> Measurement:
    """One against two layers of low-rank heads at short context."""
    texts, holds = [], True
    for count in (2, 4):
        shallow, deep = (
            train_encoder(RankEncoderConfig(8, count, num_layers=layers, num_heads=8, hidden_dim=64))[1]["error"]
            for layers in (1, 2)
        )
        # The claim is about N = 2; N = 4 shows how fast the help fades.
        holds &= deep < shallow or count > 2
        texts.append(f"N={count}: {shallow:.3f} with 1 layer, {deep:.3f} with 2")
    return Measurement("; ".join(texts), holds)
