"""Attention as the posterior over structures: one layer whose prior, potential and value are plug-ins.

Source: "Attention: Marginal Probability is All You Need?" (2023), arXiv 2304.04556, and, for multihop and expanding
attention, the authors' follow-up "Attention as Implicit Structural Inference" (NeurIPS 2023).

Nodes x_1..x_n, a random structure phi with prior p(phi), and a conditional model p(x | phi) = prod psi_ij over edges.
Attention is the posterior expectation of a value: out = E_{p(phi | x)} v(x, phi). When every query i picks one parent
phi_i independently, the posterior factorises,

    a_ij = p_i(j) psi_ij / sum_j' p_i(j') psi_ij',        out_i = sum_j a_ij V x_j

so softmax attention is psi = exp(q.k / sqrt d) with a uniform prior, and causal masks, windows, graphs and positional
biases are other priors. Marginalising the structure and moving latent nodes uphill gives Hopfield retrieval (one
latent, patterns as parents), slot attention (observations choose among latents) and precision-weighted predictive
coding (errors as potentials). Two extensions: a value that follows two edges (multihop), exactly

    out2_i = sum_{j != i} a_ij (A V x)_j + a_ii V x_i,

and a geometric prior over the distance to the parent whose rate is inferred with it (expanding), so that the window
that has to be read depends on the input.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.nn.masks import expand_mask, masked_softmax
from zoo.nn.mlp import MLP

PRIORS = ("uniform", "window", "alibi", "t5", "table", "null-parent")
POTENTIALS = ("dot", "gaussian", "linear")


@dataclass
class StructuralAttentionConfig:
    """Config of the layer."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    causal: bool = zoo.field(False, "a prior of zero on later positions")
    prior: str = zoo.field("uniform", "prior over the parent of a query", choices=PRIORS)
    window: int = zoo.field(8, "distance the window prior reaches", unit="tokens", minimum=1)
    max_length: int = zoo.field(128, "positions of the learned priors", unit="tokens", minimum=1)
    potential: str = zoo.field("dot", "edge potential psi", choices=POTENTIALS)
    value: str = zoo.field(
        "parent", "v(x, phi): the value of the parent, or of two hops", choices=("parent", "multihop")
    )
    multihop_lambda: float = zoo.field(1.0, "weight of the grandparent")
    expanding: bool = zoo.field(False, "infer a geometric prior over the distance; causal only")
    alpha: float = zoo.field(1.0, "of the Beta prior on the geometric rate", minimum=1e-6)
    beta: float = zoo.field(9.0, "of the Beta prior on the geometric rate", minimum=1e-6)
    iterations: int = zoo.field(4, "rounds of inference of the rate", minimum=1)
    hard: str = zoo.field("no", "the posterior itself, its mode, or a sample", choices=("no", "map", "sample"))

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")
        if self.expanding and not self.causal:
            raise ConfigError("the distance to an earlier parent needs causal=True", field="expanding")
        if self.expanding and self.potential == "linear":
            raise ConfigError("expanding attention needs log potentials: dot or gaussian", field="potential")


def posterior(log_potential: Tensor, log_prior: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
    """a (..., Q, K) from log psi and log p, both broadcastable; masked edges have prior zero.

    A query without any possible parent gets zeros.
    """
    scores = log_potential if log_prior is None else log_potential + log_prior
    return masked_softmax(scores, mask)


def multihop(weights: Tensor, value: Tensor, value2: Tensor, factor: float) -> Tensor:
    """E [ V x_{phi_i} + factor V2 x_{phi_{phi_i}} ] under independent parents, exactly.

    Args:
        weights: a (..., N, N).
        value, value2: V x and V2 x (..., N, d).
        factor: lambda.
    """
    own = weights.diagonal(dim1=-2, dim2=-1)[..., None]
    hop = weights @ value2
    second = weights @ hop - own * hop + own * value2
    return weights @ value + factor * second


def expanding(
    log_potential: Tensor, alpha: float, beta: float, iterations: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Posterior under a geometric prior q (1 - q)^t over the distance t, q ~ Beta(alpha, beta), mean field.

    Args:
        log_potential: (..., N, N), causal.
        alpha, beta: of the Beta prior; q starts at its mean.
        iterations: rounds of (edges given q, q given edges).
        mask: edges that are possible, besides causality.

    Returns:
        The last a (..., N, N), and q (..., N) after it.
    """
    count = log_potential.shape[-1]
    index = torch.arange(count, device=log_potential.device)
    distance = (index[:, None] - index).to(log_potential.dtype)
    possible = distance >= 0 if mask is None else (distance >= 0) & mask
    rate = torch.full(log_potential.shape[:-1], alpha / (alpha + beta), dtype=log_potential.dtype)
    rate = rate.to(log_potential.device)
    weights = log_potential
    for _ in range(iterations):
        prior = rate.log()[..., None] + distance.clamp(min=0) * torch.log1p(-rate)[..., None]
        weights = posterior(log_potential, prior, possible)
        reach = (weights * distance.clamp(min=0)).sum(-1)
        rate = (alpha + 1) / (alpha + beta + 1 + reach)
    return weights, rate


@dataclass(frozen=True)
class WindowedRead:
    """What expanding attention read before it could stop: output (d,), distances read, and the bound on the rest."""

    output: Tensor
    window: int
    bound: float


def read_until_certain(
    scores: Tensor, values: Tensor, rate: float, *, epsilon: float = 1e-3, largest: float | None = None
) -> WindowedRead:
    """Read parents of one query from near to far until what is left cannot matter.

    The rest has at most prior mass (1 - q)^(W + 1) and potential exp(largest); reading stops when that is below
    ``epsilon`` times the evidence so far.

    Args:
        scores: log potentials (t,) by distance 0, 1, 2, ...
        values: (t, d) in the same order.
        rate: q.
        epsilon: relative bound.
        largest: upper bound of all log potentials, such as |q| max |k| / sqrt(d); the maximum by default.
    """
    largest = float(scores.max()) if largest is None else largest
    evidence, total = 0.0, torch.zeros_like(values[0])
    bound, distance = math.inf, 0
    for distance, (score, value) in enumerate(zip(scores.tolist(), values, strict=True)):
        weight = rate * (1 - rate) ** distance * math.exp(score)
        evidence += weight
        total = total + weight * value
        bound = (1 - rate) ** (distance + 1) * math.exp(largest) / evidence
        if bound < epsilon:
            break
    return WindowedRead(total / evidence, distance + 1, bound)


class StructuralAttention(nn.Module):
    """The layer, (batch, length, dim) to the same shape, from ``context`` where it is given."""

    def __init__(self, config: StructuralAttentionConfig) -> None:
        super().__init__()
        self.config = config
        self.q_proj = nn.Linear(config.dim, config.dim, bias=False)
        self.k_proj = nn.Linear(config.dim, config.dim, bias=False)
        self.v_proj = nn.Linear(config.dim, config.dim, bias=False)
        self.v2_proj = nn.Linear(config.dim, config.dim, bias=False) if config.value == "multihop" else None
        self.out_proj = nn.Linear(config.dim, config.dim, bias=False)
        heads, reach = config.num_heads, config.max_length
        shapes = {"t5": (heads, 2 * reach + 1), "table": (heads, reach, reach), "null-parent": (heads, 1, 1)}
        shape = shapes.get(config.prior)
        self.log_prior = nn.Parameter(torch.empty(shape)) if shape else None
        if self.log_prior is not None:
            nn.init.zeros_(self.log_prior)

    @property
    def has_positions(self) -> bool:
        """Whether the prior tells positions apart."""
        return self.config.prior in ("alibi", "t5", "table") or self.config.expanding

    def forward(
        self,
        x: Tensor,
        attn_mask: Tensor | None = None,
        context: Tensor | None = None,
        return_posterior: bool = False,
    ) -> Any:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``: where the prior over edges is not zero (a graph's adjacency, padding).
            context: parents (batch, M, dim); ``x`` by default.
            return_posterior: also return a (batch, heads, length, M).
        """
        weights, value = self.edges(x, attn_mask, context)
        if self.v2_proj is not None:
            if context is not None:
                raise InputError("grandparents need parents among the queries: multihop takes no context")
            output = multihop(weights, value, self._split(self.v2_proj(x)), self.config.multihop_lambda)
        else:
            output = weights @ value
        output = self.out_proj(output.transpose(1, 2).flatten(2))
        return (output, weights) if return_posterior else output

    def edges(self, x: Tensor, attn_mask: Tensor | None, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Posterior (batch, heads, length, M) and values (batch, heads, M, head_dim)."""
        parents = x if context is None else context
        config = self.config
        query, key, value = (
            self._split(self.q_proj(x)),
            self._split(self.k_proj(parents)),
            self._split(self.v_proj(parents)),
        )
        batch, heads, queries, keys = *query.shape[:3], key.shape[2]
        mask = expand_mask(
            attn_mask,
            batch=batch,
            heads=heads,
            queries=queries,
            keys=keys,
            causal=config.causal,
            device=x.device,
        )
        scores = self._log_potential(query, key)
        if config.expanding:
            weights, _ = expanding(scores, config.alpha, config.beta, config.iterations, mask)
        elif config.prior == "null-parent":
            weights = self._with_null_parent(scores, mask)
        else:
            prior, window = self._log_prior(queries, keys, scores)
            if window is not None:
                mask = window if mask is None else mask & window
            weights = posterior(scores, prior, mask)
        return self._decided(weights), value

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)

    def _log_potential(self, query: Tensor, key: Tensor) -> Tensor:
        """log psi (batch, heads, length, M)."""
        if self.config.potential == "dot":
            return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if self.config.potential == "gaussian":
            return -torch.cdist(query.float(), key.float()).square().to(query.dtype) / 2
        features = (functional.elu(query) + 1) @ (functional.elu(key) + 1).transpose(-1, -2)
        return features.clamp(min=1e-30).log()

    def _log_prior(self, queries: int, keys: int, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """log p (heads, length, M) or None, and where p is not zero, or None."""
        kind = self.config.prior
        lag = (torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)).to(like.device)
        if kind == "window":
            return None, lag.abs() <= self.config.window
        if kind == "alibi":
            slopes = 2.0 ** (-8.0 * torch.arange(1, self.config.num_heads + 1) / self.config.num_heads)
            return -slopes.to(like)[:, None, None] * lag.abs().to(like), None
        if kind == "t5" and self.log_prior is not None:
            reach = self.config.max_length
            return self.log_prior[:, lag.clamp(-reach, reach) + reach], None
        if kind == "table" and self.log_prior is not None:
            if max(queries, keys) > self.config.max_length:
                raise InputError(f"{keys} tokens, but the table has max_length={self.config.max_length}")
            return self.log_prior[:, keys - queries : keys, :keys], None
        return None, None

    def _with_null_parent(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        """One more parent, of a learned potential and value zero, takes the mass that no real one deserves."""
        assert self.log_prior is not None
        null = self.log_prior.expand(*scores.shape[:-1], 1)
        visible = torch.ones(1, 1, 1, scores.shape[-1], dtype=torch.bool, device=scores.device)
        visible = visible if mask is None else mask
        visible = functional.pad(visible, (0, 1), value=True)
        return posterior(torch.cat((scores, null), -1), None, visible)[..., :-1]

    def _decided(self, weights: Tensor) -> Tensor:
        """The posterior, its mode, or one sample of it."""
        if self.config.hard == "no":
            return weights
        alive = weights.sum(-1, keepdim=True) > 0
        if self.config.hard == "map":
            chosen = weights.argmax(-1)
        else:
            chosen = torch.multinomial((weights + (~alive)).flatten(0, -2), 1).view(weights.shape[:-1])
        return functional.one_hot(chosen, weights.shape[-1]).to(weights) * alive


class _Block(nn.Module):
    def __init__(self, config: StructuralLanguageModelConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim)
        self.attn = StructuralAttention(config.layer)
        self.norm2 = nn.LayerNorm(config.dim)
        self.mlp = MLP(config.dim, 4 * config.dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.norm1(x), attn_mask)
        return x + self.mlp(self.norm2(x))


@dataclass
class StructuralLanguageModelConfig:
    """Config of the language model."""

    vocab_size: int = zoo.field(64, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    max_length: int = zoo.field(128, "context", unit="tokens", minimum=1)
    prior: str = zoo.field("uniform", "prior over the parent of a query", choices=PRIORS)
    value: str = zoo.field("parent", "v(x, phi)", choices=("parent", "multihop"))
    expanding: bool = zoo.field(False, "infer a geometric prior over the distance")

    @property
    def layer(self) -> StructuralAttentionConfig:
        """Config of one attention layer."""
        return StructuralAttentionConfig(
            dim=self.dim,
            num_heads=self.num_heads,
            causal=True,
            prior=self.prior,
            value=self.value,
            expanding=self.expanding,
            max_length=self.max_length,
        )

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")


class StructuralLanguageModel(nn.Module):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size); pre-norm, learned positions."""

    def __init__(self, config: StructuralLanguageModelConfig) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.dim)
        self.head = nn.Linear(config.dim, config.vocab_size, bias=False)

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Next-token logits.

        Raises:
            InputError: the sequence is longer than the learned positions.
        """
        length = input_ids.shape[1]
        if length > self.max_length:
            raise InputError(f"{length} tokens, but positions end at max_length={self.max_length}")
        x = self.token_embedding(input_ids) + self.position_embedding.weight[:length]
        for block in self.blocks:
            x = block(x, attn_mask)
        return self.head(self.norm(x))


@dataclass
class IterativeAttentionConfig:
    """Config of inference with latent nodes."""

    form: str = zoo.field("hopfield", "what is latent", choices=("hopfield", "slots", "learned-slots", "pcn"))
    dim: int = zoo.field(64, "features of a node", unit="features", minimum=1)
    iterations: int = zoo.field(3, "updates", minimum=1)
    hopfield_beta: float = zoo.field(2.0, "inverse temperature of retrieval", minimum=0.0)
    num_slots: int = zoo.field(7, "latents K, and causes of pcn", minimum=1)
    slot_variance: float = zoo.field(1.0, "s^2, the variance around a slot", minimum=1e-9)
    prior_variance: float = zoo.field(0.0, "s0^2 of the slots' Gaussian prior; 0: none", minimum=0.0)
    step: float = zoo.field(0.1, "gradient step of pcn", minimum=0.0)


def hopfield_step(state: Tensor, patterns: Tensor, beta: float) -> Tensor:
    """y <- sum_i softmax_i(beta x_i . y) x_i for states (..., d) and patterns (M, d)."""
    return (beta * state @ patterns.T).softmax(-1) @ patterns


def hopfield_energy(state: Tensor, patterns: Tensor, beta: float) -> Tensor:
    """-1/beta log sum_i exp(beta x_i . y) + |y|^2 / 2, (...)."""
    return -(beta * state @ patterns.T).logsumexp(-1) / beta + state.square().sum(-1) / 2


def slot_log_likelihood(inputs: Tensor, slots: Tensor, variance: float) -> Tensor:
    """sum_j log sum_k 1/K exp(-|x_j - z_k|^2 / 2 s^2), without the Gaussian constant; (...)."""
    squares = torch.cdist(inputs, slots).square()
    return ((-squares / (2 * variance)).logsumexp(-1) - math.log(slots.shape[-2])).sum(-1)


def slot_step(inputs: Tensor, slots: Tensor, variance: float, prior_variance: float = 0.0) -> Tensor:
    """Each observation chooses among slots; each slot moves to the mean of what chose it (EM)."""
    responsibility = (-torch.cdist(inputs, slots).square() / (2 * variance)).softmax(-1)
    extra = variance / prior_variance if prior_variance else 0.0
    mass = responsibility.sum(-2)[..., None] + extra
    return responsibility.transpose(-1, -2) @ inputs / mass.clamp(min=1e-12)


class IterativeAttention(nn.Module):
    """Latent nodes moved uphill on the marginal likelihood.

    ``inputs`` (batch, N, dim) are patterns (hopfield), observations (slots) or targets (pcn); ``state`` is the start:
    (batch, dim) for hopfield and pcn, (batch, K, dim) for slots.
    """

    def __init__(self, config: IterativeAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        if config.form == "learned-slots":
            self.norm_inputs, self.norm_slots = nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.q_proj = nn.Linear(dim, dim, bias=False)
            self.k_proj = nn.Linear(dim, dim, bias=False)
            self.v_proj = nn.Linear(dim, dim, bias=False)
            self.gru = nn.GRUCell(dim, dim)
            self.norm_mlp, self.mlp = nn.LayerNorm(dim), MLP(dim, 2 * dim, activation="relu")
        if config.form == "pcn":
            self.causes = nn.ModuleList(nn.Linear(dim, dim) for _ in range(config.num_slots))
            self.log_scale = nn.Parameter(torch.empty(config.num_slots))
            nn.init.zeros_(self.log_scale)

    def forward(self, inputs: Tensor, state: Tensor) -> Tensor:
        """``iterations`` updates of the state."""
        for _ in range(self.config.iterations):
            state = self.update(inputs, state)
        return state

    def update(self, inputs: Tensor, state: Tensor) -> Tensor:
        """One update."""
        config = self.config
        if config.form == "hopfield":
            scores = (config.hopfield_beta * inputs @ state[..., None])[..., 0]
            return (scores.softmax(-1)[..., None, :] @ inputs)[..., 0, :]
        if config.form == "slots":
            return slot_step(inputs, state, config.slot_variance, config.prior_variance)
        return self._learned(inputs, state) if config.form == "learned-slots" else self._predictive(inputs, state)

    def _learned(self, inputs: Tensor, slots: Tensor) -> Tensor:
        normed = self.norm_inputs(inputs)
        query = self.q_proj(self.norm_slots(slots))
        scores = self.k_proj(normed) @ query.transpose(-1, -2) / math.sqrt(query.shape[-1])
        responsibility = scores.softmax(-1) + 1e-8
        responsibility = responsibility / responsibility.sum(-2, keepdim=True)
        update = responsibility.transpose(-1, -2) @ self.v_proj(normed)
        moved = self.gru(update.flatten(0, 1), slots.flatten(0, 1)).view_as(slots)
        return moved + self.mlp(self.norm_mlp(moved))

    def precisions(self, inputs: Tensor, state: Tensor) -> Tensor:
        """Posterior over causes (batch, N, K): softmax of -e^2 / 2 s^2 - log s, e the prediction errors."""
        predictions = torch.stack([cause(state) for cause in self.causes], -2)
        squares = torch.cdist(inputs, predictions).square()
        return (-squares / (2 * (2 * self.log_scale).exp()) - self.log_scale).softmax(-1)

    def _predictive(self, inputs: Tensor, state: Tensor) -> Tensor:
        weights = self.precisions(inputs, state)
        predictions = torch.stack([cause(state) for cause in self.causes], -2)
        errors = inputs[..., :, None, :] - predictions[..., None, :, :]
        pull = (weights / (2 * self.log_scale).exp())[..., None] * errors
        gradient = torch.zeros_like(state)
        for index, cause in enumerate(self.causes):
            assert isinstance(cause, nn.Linear)
            gradient = gradient + pull[..., index, :].sum(-2) @ cause.weight
        return state + self.config.step * gradient


def example(config: StructuralAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 9."""
    return {"x": torch.randn(batch_size, 9, config.dim, generator=torch.Generator().manual_seed(seed))}


def language_model_example(
    config: StructuralLanguageModelConfig, batch_size: int = 2, seed: int = 0
) -> dict[str, Tensor]:
    """Random ids of length 10."""
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, 10), generator=generator)}


def iterative_example(config: IterativeAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs and a random start."""
    generator = torch.Generator().manual_seed(seed)
    slots = config.form in ("slots", "learned-slots")
    shape = (batch_size, config.num_slots, config.dim) if slots else (batch_size, config.dim)
    return {
        "inputs": torch.randn(batch_size, 10, config.dim, generator=generator),
        "state": torch.randn(*shape, generator=generator),
    }


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``inference``: multihop, expanding, Hopfield and slots."""
    scores, values = inputs["scores"], inputs["values"]
    alpha, beta = config["beta_prior"]
    weights, rate = expanding(scores, alpha, beta, config["expanding_iterations"])
    latent, energies = inputs["hopfield_start"], []
    slots, likelihoods = inputs["slots"], []
    for _ in range(config["steps"]):
        energies.append(hopfield_energy(latent, inputs["patterns"], config["hopfield_beta"]))
        latent = hopfield_step(latent, inputs["patterns"], config["hopfield_beta"])
        likelihoods.append(slot_log_likelihood(inputs["patterns"], slots, 1.0))
        slots = slot_step(inputs["patterns"], slots, 1.0)
    return {
        "multihop": multihop(scores.softmax(-1), values, values, config["multihop_lambda"]),
        "expanding": weights @ values,
        "expanding_q": rate,
        "hopfield": latent,
        "hopfield_energy": torch.stack(energies),
        "slots_out": slots,
        "slots_log_likelihood": torch.stack(likelihoods),
    }


def _inputs(length: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, length, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    return query, key, value


def check_softmax_attention() -> Measurement:
    """The posterior under a uniform prior against torch's attention."""
    query, key, value = _inputs()
    ours = posterior(query @ key.transpose(-1, -2) / math.sqrt(8)) @ value
    difference = float((ours - functional.scaled_dot_product_attention(query, key, value)).abs().max())
    return Measurement(f"difference {difference:.1e}", difference < 1e-6)


def check_priors() -> Measurement:
    """Causal, window, padding and ALiBi priors against masked and biased softmax."""
    query, key, value = _inputs()
    scores = query @ key.transpose(-1, -2) / math.sqrt(8)
    lag = torch.arange(12)[:, None] - torch.arange(12)
    slopes = torch.tensor([0.5, 0.25, 0.125], dtype=torch.float64)[:, None, None]
    padding = (torch.arange(12) < 9).expand(12, 12)
    cases: list[tuple[Tensor | None, Tensor]] = [(None, lag >= 0), (None, lag.abs() <= 3), (None, padding)]
    cases.append((-slopes * lag.abs(), lag >= 0))
    worst = 0.0
    for bias, mask in cases:
        additive = torch.where(mask, 0.0, -torch.inf).double() + (0.0 if bias is None else bias)
        expected = functional.scaled_dot_product_attention(query, key, value, additive.expand(2, 3, 12, 12))
        worst = max(worst, float((posterior(scores, bias, mask) @ value - expected).abs().max()))
    return Measurement(f"largest difference {worst:.1e}", worst < 1e-6)


def check_enumeration() -> Measurement:
    """Factorised posterior and multihop value against all n^n parent assignments of 4 nodes."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    value, value2 = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    total, single, double = 0.0, torch.zeros(4, 3).double(), torch.zeros(4, 3).double()
    for parents in itertools.product(range(4), repeat=4):
        weight = float(torch.exp(sum((scores[i, j] for i, j in enumerate(parents)), torch.zeros(()).double())))
        total += weight
        chosen = torch.tensor(parents)
        single += weight * value[chosen]
        double += weight * (value[chosen] + 0.7 * value2[chosen[chosen]])
    weights = posterior(scores)
    worst = max(
        float((single / total - weights @ value).abs().max()),
        float((double / total - multihop(weights, value, value2, 0.7)).abs().max()),
    )
    return Measurement(f"largest difference {worst:.1e} over 256 structures", worst < 1e-6)


def check_hopfield() -> Measurement:
    """Energy over 20 steps of retrieval, and the fixed point."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.randn(12, 8, generator=generator, dtype=torch.float64)
    state, energies = torch.randn(8, generator=generator, dtype=torch.float64), []
    for _ in range(200):
        energies.append(float(hopfield_energy(state, patterns, 1.0)))
        state = hopfield_step(state, patterns, 1.0)
    rise = max(after - before for before, after in itertools.pairwise(energies[:21]))
    gap = float((hopfield_step(state, patterns, 1.0) - state).abs().max())
    return Measurement(
        f"largest rise {rise:.1e}, distance from the fixed point {gap:.1e}", rise <= 1e-12 and gap < 1e-6
    )


def check_slots() -> Measurement:
    """Marginal likelihood over EM steps on Gaussian clusters."""
    generator = torch.Generator().manual_seed(0)
    centres = 4 * torch.randn(3, 2, generator=generator, dtype=torch.float64)
    inputs = (centres[:, None] + torch.randn(3, 40, 2, generator=generator, dtype=torch.float64)).flatten(0, 1)
    slots, found = torch.randn(3, 2, generator=generator, dtype=torch.float64), []
    for _ in range(20):
        found.append(float(slot_log_likelihood(inputs, slots, 1.0)))
        slots = slot_step(inputs, slots, 1.0)
    fall = max(before - after for before, after in itertools.pairwise(found))
    return Measurement(
        f"log likelihood {found[0]:.1f} to {found[-1]:.1f}, largest fall {max(fall, 0):.1e}", fall <= 1e-9
    )


def check_precision() -> Measurement:
    """Weights of predictive coding against the posterior with Gaussian potentials of the errors."""
    torch.manual_seed(0)
    layer = IterativeAttention(IterativeAttentionConfig("pcn", dim=4, num_slots=3)).double()
    with torch.no_grad():
        layer.log_scale.copy_(torch.randn(3))
        inputs, state = torch.randn(2, 6, 4).double(), torch.randn(2, 4).double()
        predictions = torch.stack([cause(state) for cause in layer.causes], 1)
        scale = layer.log_scale.exp()
        errors = (inputs[:, :, None] - predictions[:, None]).square().sum(-1)
        potential = torch.exp(-errors / (2 * scale.square())) / scale
        expected = potential / potential.sum(-1, keepdim=True)
        difference = float((layer.precisions(inputs, state) - expected).abs().max())
    return Measurement(f"difference {difference:.1e}", difference < 1e-6)


def pointer_batch(count: int, generator: torch.Generator, length: int = 16) -> tuple[Tensor, Tensor]:
    """Pointer chains: token i holds a symbol and points to a place; the label is the symbol two pointers on.

    Returns:
        One-hot inputs (count, length, 3 length), [own place, pointed place, symbol], and labels (count, length).
    """
    pointers = torch.randint(length, (count, length), generator=generator)
    symbols = torch.randint(length, (count, length), generator=generator)
    places = torch.arange(length).expand(count, -1)
    parts = [functional.one_hot(ids, length).float() for ids in (places, pointers, symbols)]
    twice = pointers.gather(1, pointers)
    return torch.cat(parts, -1), symbols.gather(1, twice)


def train_pointer_layer(value: str, *, steps: int = 250, seed: int = 0) -> float:
    """Accuracy of one attention layer with a linear read-out on pointer chains."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    length = 16
    layer = StructuralAttention(StructuralAttentionConfig(3 * length, 1, value=value))
    head = nn.Linear(3 * length, length)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=5e-3)
    for _ in range(steps):
        inputs, labels = pointer_batch(64, generator)
        loss = functional.cross_entropy(head(layer(inputs)).flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        inputs, labels = pointer_batch(500, generator)
        return float((head(layer(inputs)).argmax(-1) == labels).float().mean())


def check_pointer_chains() -> Measurement:
    """One multihop layer against one softmax layer on chains of two pointers."""
    accuracy = {value: train_pointer_layer(value) for value in ("parent", "multihop")}
    return Measurement(
        f"accuracy {accuracy['multihop']:.2f} with multihop, {accuracy['parent']:.2f} without (chance 0.06)",
        accuracy["multihop"] > 2 * accuracy["parent"],
    )


def check_expanding_window() -> Measurement:
    """Mean window read by expanding attention against the distance of the relevant token."""
    generator = torch.Generator().manual_seed(0)
    windows = []
    for distance in (2, 8, 32):
        found = []
        for _ in range(20):
            scores = 0.1 * torch.randn(128, generator=generator)
            scores[distance] = 6.0
            causal = torch.full((128, 128), 0.0)
            causal[-1] = scores.flip(0)
            _, rate = expanding(causal, 1.0, 9.0, 5)
            values = torch.randn(128, 4, generator=generator)
            found.append(read_until_certain(scores, values, float(rate[-1]), epsilon=1e-2).window)
        windows.append(sum(found) / len(found))
    text = ", ".join(f"{window:.0f}" for window in windows)
    return Measurement(f"{text} tokens read for distances 2, 8, 32", windows == sorted(windows))
