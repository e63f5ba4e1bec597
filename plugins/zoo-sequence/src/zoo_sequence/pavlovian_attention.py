"""Attention as Pavlovian conditioning: a memory that learns while it reads.

Source: "Understanding Transformers through the Lens of Pavlovian Conditioning" (2025), arXiv 2508.08289.

One head keeps a state S (d_v, d_k), zero at the start. The key is the conditional stimulus, the value the
unconditional stimulus, the query the test stimulus and the output the conditioned response:

    hebb    S_t = S_{t-1} + eta v_t k_t'
    decay   S_t = lambda S_{t-1} + eta v_t k_t'
    oja     S_t = S_{t-1} + eta (v_t k_t' - alpha diag(v_t^2) S_{t-1})
    delta   S_t = S_{t-1} + eta (v_t - S_{t-1} k_t) k_t'                     (Rescorla-Wagner)
    bcm     y_t = S_{t-1} k_t + v_t,  theta_t = (1 - rho) theta_{t-1} + rho y_t^2,
            S_t = S_{t-1} + eta y_t (y_t - theta_t) k_t'
    o_t = S_t q_t

For delta, eta is relative to |k|^2 where keys are not of unit length. With the Hebb rule this is linear attention
without a normaliser: S_t q = sum_{s<=t} (q . k_s) v_s. Softmax attention is the limit of infinitely many features and
is offered as a point of reference.

Why it matters: with n random unit keys the response to one of them carries interference of mean square
(n - 1) / d_k, so the average capacity of a head grows with d_k; if interference adds up coherently, it grows with
sqrt(d_k) only. An error-correcting rule stores up to d_k independent associations exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.nn.attention import dense_attention
from zoo.nn.masks import padding_mask
from zoo.nn.mlp import MLP

RULES = ("hebb", "decay", "oja", "delta", "bcm")
FEATURES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "elu+1": lambda x: functional.elu(x) + 1,
    "relu": functional.relu,
    "softmax": lambda x: x.softmax(-1),
}


@dataclass
class PavlovianConfig:
    """Config of one layer."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(2, "heads", minimum=1)
    head_dim: int = zoo.field(0, "key size d_k of a head; 0 means dim / num_heads", unit="features", minimum=0)
    causal: bool = zoo.field(True, "always: a memory is written in order")
    rule: str = zoo.field("hebb", "plasticity rule, or softmax attention", choices=(*RULES, "softmax"))
    features: str = zoo.field("identity", "feature map of keys and queries", choices=tuple(FEATURES))
    normalize: bool = zoo.field(True, "whether keys and queries have unit length")
    normalizer: bool = zoo.field(False, "whether reads are divided by f(q_t) . sum_s f(k_s)")
    homeostatic: float = zoo.field(0.0, "norm that every row of S is rescaled to after a write; 0: never", minimum=0.0)
    read_first: bool = zoo.field(False, "whether o_t reads S_{t-1} instead of S_t")
    eta: float = zoo.field(0.0, "learning rate at initialisation; 0 means 0.5 for delta and 1 otherwise", minimum=0.0)
    decay: float = zoo.field(0.9, "lambda of the decay rule at initialisation", minimum=0.0, maximum=1.0)
    oja_alpha: float = zoo.field(0.5, "alpha of Oja's rule", minimum=0.0)
    bcm_rho: float = zoo.field(0.2, "rho of the sliding threshold", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        if not self.causal:
            raise ConfigError("a conditioned response depends on what came before: causal must be True", field="causal")
        if not self.head_dim and self.dim % self.num_heads:
            raise ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")
        stateful = {"features": "identity", "normalizer": False, "homeostatic": 0.0, "read_first": False}
        for name, plain in stateful.items():
            if self.rule == "softmax" and getattr(self, name) != plain:
                raise ConfigError(
                    f"rule 'softmax' keeps no state, so {name}={getattr(self, name)!r} means nothing; leave it out",
                    field=name,
                )
        if self.rule == "decay" and not 0 < self.decay < 1:
            raise ConfigError(f"decay={self.decay} must lie strictly between 0 and 1 for rule 'decay'", field="decay")

    @property
    def key_dim(self) -> int:
        """Key size of a head."""
        return self.head_dim or self.dim // self.num_heads

    @property
    def rate(self) -> float:
        """Learning rate at initialisation."""
        return self.eta or (0.5 if self.rule == "delta" else 1.0)


@dataclass(frozen=True)
class Plasticity:
    """A rule and its constants; ``eta`` and ``decay`` are numbers or tensors that broadcast over heads."""

    rule: str
    eta: Tensor | float = 1.0
    decay: Tensor | float = 0.9
    oja_alpha: float = 0.5
    bcm_rho: float = 0.2
    homeostatic: float = 0.0

    def write(self, state: Tensor, key: Tensor, value: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """One presentation.

        Args:
            state: S (..., d_v, d_k).
            key: (..., d_k).
            value: (..., d_v).
            theta: sliding threshold (..., d_v); only bcm changes it.

        Returns:
            The new state and threshold.
        """
        eta = self._per_unit(self.eta, state)
        post, carried = value, state
        if self.rule == "decay":
            carried = self._per_unit(self.decay, state)[..., None] * state
        elif self.rule == "oja":
            carried = state - eta[..., None] * self.oja_alpha * value.square()[..., None] * state
        elif self.rule == "delta":
            post = value - (state @ key[..., None])[..., 0]
        elif self.rule == "bcm":
            active = (state @ key[..., None])[..., 0] + value
            theta = (1 - self.bcm_rho) * theta + self.bcm_rho * active.square()
            post = active * (active - theta)
        state = carried + eta[..., None] * post[..., None] * key[..., None, :]
        if self.homeostatic:
            state = functional.normalize(state, dim=-1) * self.homeostatic
        return state, theta

    @staticmethod
    def _per_unit(constant: Tensor | float, like: Tensor) -> Tensor:
        return torch.as_tensor(constant, dtype=like.dtype, device=like.device)[..., None]


def recurrent(
    plasticity: Plasticity,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    visible: Tensor | None = None,
    read_first: bool = False,
) -> tuple[Tensor, Tensor]:
    """Write and read one token after the other: the definition of every rule.

    Args:
        query, key: (..., length, d_k).
        value: (..., length, d_v).
        visible: boolean (..., length); a token that is not visible is not written.
        read_first: whether o_t reads the state before the write of token t.

    Returns:
        Reads (..., length, d_v) and the final state (..., d_v, d_k).
    """
    state = value.new_zeros(*value.shape[:-2], value.shape[-1], key.shape[-1])
    theta = value.new_zeros(*value.shape[:-2], value.shape[-1])
    reads = []
    for step in range(key.shape[-2]):
        new_state, new_theta = plasticity.write(state, key[..., step, :], value[..., step, :], theta)
        if visible is not None:
            seen = visible[..., step, None]
            new_state = torch.where(seen[..., None], new_state, state)
            new_theta = torch.where(seen, new_theta, theta)
        source = state if read_first else new_state
        reads.append((source @ query[..., step, :, None])[..., 0])
        state, theta = new_state, new_theta
    return torch.stack(reads, -2), state


def hebbian_parallel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    log_decay: Tensor | None = None,
    visible: Tensor | None = None,
    *,
    chunk: int = 128,
    strict: bool = False,
) -> Tensor:
    """sum_{s<=t} lambda^(t-s) (q_t . k_s) v_s, in chunks: linear in length, no (length, length) matrix.

    Args:
        query, key: (batch, heads, length, d_k).
        value: (batch, heads, length, d_v), already times eta.
        log_decay: log lambda (heads, 1), or None for lambda = 1.
        visible: boolean (batch, length), tokens that let time pass; all by default. The others must have keys of zero.
        chunk: tokens that are compared directly; earlier ones come through the carried state.
        strict: leave out the token itself (s < t).

    Returns:
        (batch, heads, length, d_v).
    """
    length = query.shape[2]
    state = value.new_zeros(*value.shape[:2], key.shape[-1], value.shape[-1])
    ticks = torch.ones(1, length, dtype=torch.bool, device=query.device) if visible is None else visible
    outputs = []
    for start in range(0, length, chunk):
        q, k, v, ticking = (
            *(tensor[:, :, start : start + chunk] for tensor in (query, key, value)),
            ticks[:, start : start + chunk],
        )
        scores = (q @ k.transpose(-1, -2)).tril(-int(strict))
        if log_decay is None:
            outputs.append(scores @ v + q @ state)
            state = state + k.transpose(-1, -2) @ v
            continue
        # (batch, 1, tokens): time within the chunk, after each token.
        time = ticking.cumsum(-1)[:, None]
        lag = (time[..., :, None] - time[..., None, :]).clamp(min=0)
        scores = scores * torch.exp(log_decay[..., None] * lag)
        outputs.append(scores @ v + (q * torch.exp(log_decay * time)[..., None]) @ state)
        remaining = torch.exp(log_decay * (time[..., -1:] - time))[..., None]
        whole = torch.exp(log_decay * time[..., -1:])[..., None]
        state = whole * state + (k * remaining).transpose(-1, -2) @ v
    return torch.cat(outputs, 2)


def delta_parallel(
    query: Tensor, key: Tensor, value: Tensor, eta: Tensor, *, chunk: int = 64, strict: bool = False
) -> Tensor:
    """The delta rule in chunks: inside a chunk the corrected values solve a triangular system.

    With state S before the chunk the written corrections u_t = v_t - S_{t-1} k_t satisfy
    (I + eta tril(K K', -1)) U = V - K S', so that O = Q S' + eta tril(Q K') U.

    Args:
        query, key: (batch, heads, length, d_k).
        value: (batch, heads, length, d_v).
        eta: (heads, 1).
        strict: leave out the token itself in the read.

    Returns:
        (batch, heads, length, d_v).
    """
    state = value.new_zeros(*value.shape[:2], key.shape[-1], value.shape[-1])
    rate = eta[..., None]
    outputs = []
    for start in range(0, query.shape[2], chunk):
        q, k, v = (tensor[:, :, start : start + chunk] for tensor in (query, key, value))
        system = rate * (k @ k.transpose(-1, -2)).tril(-1)
        corrected = torch.linalg.solve_triangular(system, v - k @ state, upper=False, unitriangular=True)
        scores = rate * (q @ k.transpose(-1, -2)).tril(-int(strict))
        outputs.append(q @ state + scores @ corrected)
        state = state + rate * k.transpose(-1, -2) @ corrected
    return torch.cat(outputs, 2)


class PavlovianAttention(nn.Module):
    """A drop-in causal layer, (batch, length, dim) to the same shape, with a chosen plasticity rule.

    Hebb, decay and delta run in chunks (linear in length); oja, bcm and homeostatic scaling one token at a time.
    """

    has_positions = False

    def __init__(self, config: PavlovianConfig) -> None:
        super().__init__()
        self.config = config
        inner = config.num_heads * config.key_dim
        self.q_proj = nn.Linear(config.dim, inner, bias=False)
        self.k_proj = nn.Linear(config.dim, inner, bias=False)
        self.v_proj = nn.Linear(config.dim, inner, bias=False)
        self.out_proj = nn.Linear(inner, config.dim, bias=False)
        self.log_eta = nn.Parameter(torch.empty(config.num_heads))
        self.decay_logit = nn.Parameter(torch.empty(config.num_heads)) if config.rule == "decay" else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Learning rate and decay as configured; the projections keep torch's default."""
        nn.init.constant_(self.log_eta, math.log(self.config.rate))
        if self.decay_logit is not None:
            nn.init.constant_(self.decay_logit, math.log(self.config.decay / (1 - self.config.decay)))

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: padding (batch, length), True for real tokens; the others are not written.
        """
        batch, length, _ = x.shape
        config = self.config
        visible = padding_mask(attn_mask, batch=batch, keys=length, mechanism="a plastic memory")
        heads = (batch, length, config.num_heads, config.key_dim)
        query, key, value = (
            projection(x).view(heads).transpose(1, 2) for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        output = self.respond(query, key, value, visible)
        return self.out_proj(output.to(x.dtype).transpose(1, 2).reshape(batch, length, -1))

    def respond(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
        """Conditioned responses (batch, heads, length, d_k) of projected queries, keys and values."""
        config = self.config
        if config.normalize:
            query, key = functional.normalize(query, dim=-1), functional.normalize(key, dim=-1)
        if config.rule == "softmax":
            return dense_attention(query, key, value, visible, causal=True)
        work = torch.float64 if query.dtype == torch.float64 else torch.float32
        features = FEATURES[config.features]
        query, key, value = features(query.to(work)), features(key.to(work)), value.to(work)
        if visible is not None:
            seen = visible[:, None, :, None].to(work)
            key, value = key * seen, value * seen
        if config.rule == "delta":
            # A rate of eta / |k|^2, so that eta = 1 overwrites whatever the size of keys, is unit keys and v / |k|.
            size = key.norm(dim=-1, keepdim=True).clamp(min=1e-12)
            output = self._memory(query, key / size, value / size, visible)
        else:
            output = self._memory(query, key, value, visible)
        if config.normalizer:
            total = hebbian_parallel(query, key, torch.ones_like(key[..., :1]), strict=config.read_first)
            output = torch.where(total.abs() > 1e-12, output / total, torch.zeros_like(output))
        return output

    def _memory(self, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
        config = self.config
        eta = self.log_eta.to(value.dtype).exp()[:, None]
        decay = None if self.decay_logit is None else self.decay_logit.to(value.dtype).sigmoid()[:, None]
        if not config.homeostatic and config.rule in ("hebb", "decay"):
            log_decay = None if decay is None else decay.log()
            output = hebbian_parallel(query, key, value * eta[..., None], log_decay, visible, strict=config.read_first)
            if decay is None or not config.read_first:
                return output
            # A read before the write misses the token's own decay as well: S_{t-1}, not lambda S_{t-1}.
            passed = output / decay[..., None]
            return passed if visible is None else torch.where(visible[:, None, :, None], passed, output)
        if not config.homeostatic and config.rule == "delta":
            return delta_parallel(query, key, value, eta, strict=config.read_first)
        plasticity = Plasticity(
            config.rule,
            eta[:, 0],
            0.0 if decay is None else decay[:, 0],
            config.oja_alpha,
            config.bcm_rho,
            config.homeostatic,
        )
        seen = None if visible is None else visible[:, None].expand(-1, config.num_heads, -1)
        return recurrent(plasticity, query, key, value, visible=seen, read_first=config.read_first)[0]


def example(config: PavlovianConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 10."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 10, config.dim, generator=generator)}


@dataclass
class PavlovianLanguageModelConfig:
    """Config of the language model."""

    vocab_size: int = zoo.field(64, "tokens of the vocabulary", minimum=1)
    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(2, "heads", minimum=1)
    head_dim: int = zoo.field(0, "key size d_k of a head; 0 means dim / num_heads", unit="features", minimum=0)
    max_length: int = zoo.field(128, "context", unit="tokens", minimum=1)
    mlp_ratio: float = zoo.field(4.0, "feed-forward width over model width", minimum=0.0)
    rules: list[str] = zoo.field(["hebb"], "one rule for all layers, or one per layer", choices=(*RULES, "softmax"))
    features: str = zoo.field("identity", "feature map of keys and queries", choices=tuple(FEATURES))
    normalize: bool = zoo.field(True, "whether keys and queries have unit length")
    normalizer: bool = zoo.field(False, "whether reads are normalised")
    homeostatic: float = zoo.field(0.0, "norm that every row of S is rescaled to after a write; 0: never", minimum=0.0)
    read_first: bool = zoo.field(False, "whether o_t reads S_{t-1} instead of S_t")
    eta: float = zoo.field(0.0, "learning rate at initialisation; 0 means 0.5 for delta and 1 otherwise", minimum=0.0)
    decay: float = zoo.field(0.9, "lambda of the decay rule at initialisation", minimum=0.0, maximum=1.0)
    oja_alpha: float = zoo.field(0.5, "alpha of Oja's rule", minimum=0.0)
    bcm_rho: float = zoo.field(0.2, "rho of the sliding threshold", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        if len(self.rules) not in (1, self.num_layers):
            raise ConfigError(
                f"{len(self.rules)} rules for {self.num_layers} layers; give one, or one each", field="rules"
            )
        for index in range(self.num_layers):
            self.layer(index)

    def layer(self, index: int) -> PavlovianConfig:
        """Config of the attention of one block; what needs a state is left to the layers that have one."""
        shared = {name: getattr(self, name) for name in ("dim", "num_heads", "head_dim", "normalize")}
        rule = self.rules[index % len(self.rules)]
        if rule != "softmax":
            names = ("features", "normalizer", "homeostatic", "read_first", "eta", "decay", "oja_alpha", "bcm_rho")
            shared |= {name: getattr(self, name) for name in names}
        return PavlovianConfig(**shared, rule=rule)


class PavlovianBlock(nn.Module):
    """Pre-norm block of conditioning and an MLP."""

    def __init__(self, config: PavlovianLanguageModelConfig, index: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim)
        self.attn = PavlovianAttention(config.layer(index))
        self.norm2 = nn.LayerNorm(config.dim)
        self.mlp = MLP(config.dim, int(config.dim * config.mlp_ratio))

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """(batch, length, dim) to the same shape."""
        x = x + self.attn(self.norm1(x), attn_mask)
        return x + self.mlp(self.norm2(x))


class PavlovianLanguageModel(nn.Module):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size); learned positions, untied head."""

    def __init__(self, config: PavlovianLanguageModelConfig) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.blocks = nn.ModuleList(PavlovianBlock(config, index) for index in range(config.num_layers))
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


def language_model_example(
    config: PavlovianLanguageModelConfig, batch_size: int = 2, seed: int = 0
) -> dict[str, Tensor]:
    """Random ids of length 12."""
    generator = torch.Generator().manual_seed(seed)
    length = min(12, config.max_length)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, length), generator=generator)}


@dataclass
class MemoryConfig:
    """Config of the associative memory."""

    key_dim: int = zoo.field(64, "size d_k of a key", unit="features", minimum=1)
    value_dim: int = zoo.field(64, "size d_v of a value", unit="features", minimum=1)
    rule: str = zoo.field("hebb", "plasticity rule", choices=RULES)
    eta: float = zoo.field(0.0, "learning rate; 0 means 0.5 for delta and 1 otherwise", minimum=0.0)
    decay: float = zoo.field(0.9, "lambda of the decay rule", minimum=0.0, maximum=1.0)
    oja_alpha: float = zoo.field(0.5, "alpha of Oja's rule", minimum=0.0)
    bcm_rho: float = zoo.field(0.2, "rho of the sliding threshold", minimum=0.0, maximum=1.0)
    homeostatic: float = zoo.field(0.0, "norm of every row of S after a write; 0: free", minimum=0.0)


class AssociativeMemory(nn.Module):
    """One head as a memory: ``write`` pairs, ``read`` queries, and the theory of what it holds.

    Its state is a buffer, so that a trained memory is saved and loaded like any weights. As a module it maps
    queries (..., d_k) to responses (..., d_v).
    """

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        eta = config.eta or (0.5 if config.rule == "delta" else 1.0)
        self.config = config
        self.plasticity = Plasticity(
            config.rule, eta, config.decay, config.oja_alpha, config.bcm_rho, config.homeostatic
        )
        self.state: Tensor
        self.theta: Tensor
        self.register_buffer("state", torch.zeros(config.value_dim, config.key_dim))
        self.register_buffer("theta", torch.zeros(config.value_dim))

    def reset(self) -> None:
        """Forget everything."""
        self.state.zero_()
        self.theta.zero_()

    def write(self, keys: Tensor, values: Tensor) -> None:
        """Present pairs in order: keys (n, d_k), values (n, d_v)."""
        expected = ((keys.shape[0], self.config.key_dim), (keys.shape[0], self.config.value_dim))
        if (tuple(keys.shape), tuple(values.shape)) != expected:
            raise InputError(f"keys {tuple(keys.shape)} and values {tuple(values.shape)}; expected {expected}")
        for key, value in zip(keys.to(self.state), values.to(self.state), strict=True):
            self.state, self.theta = self.plasticity.write(self.state, key, value, self.theta)

    def read(self, queries: Tensor) -> Tensor:
        """Responses (..., d_v) to queries (..., d_k)."""
        return queries.to(self.state) @ self.state.T

    forward = read


def memory_example(config: MemoryConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random queries."""
    generator = torch.Generator().manual_seed(seed)
    return {"queries": torch.randn(batch_size, config.key_dim, generator=generator)}


def unit_vectors(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """(count, dim): independent and uniform on the sphere, float64."""
    return functional.normalize(torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=-1)


@dataclass
class CapacityConfig:
    """Config of the capacity experiment."""

    key_dim: int = zoo.field(64, "size d_k of a key", unit="features", minimum=1)
    value_dim: int = zoo.field(64, "size d_v of a value", unit="features", minimum=1)
    pairs: list[int] = zoo.field([2, 4, 8, 16, 32, 64], "numbers n of stored pairs", minimum=1)
    query_noise: float = zoo.field(0.0, "length s of the random vector added to a query", minimum=0.0)
    trials: int = zoo.field(50, "memories of a case", minimum=1)
    seed: int = zoo.field(0, "of keys, values and noise", minimum=0)


@dataclass(frozen=True)
class CapacityCase:
    """Random unit keys (trials, n, d_k) and values (trials, n, d_v), and a query (trials, n, d_k) for every key."""

    keys: Tensor
    values: Tensor
    queries: Tensor

    @property
    def pairs(self) -> int:
        """n."""
        return self.keys.shape[1]


class Capacity:
    """Benchmark: how the error of a memory grows with what it holds, beside the Hebb rule's theory.

    A system maps keys, values and queries of a case to responses (trials, n, d_v); ``memory_system`` makes one of a
    plasticity rule.
    """

    def __init__(self, config: CapacityConfig) -> None:
        self.config = config

    def cases(self) -> list[CapacityCase]:
        """One per number of pairs."""
        config, generator = self.config, torch.Generator().manual_seed(self.config.seed)
        found = []
        for pairs in config.pairs:
            keys, noise = (unit_vectors(config.trials * pairs, config.key_dim, generator) for _ in range(2))
            values = unit_vectors(config.trials * pairs, config.value_dim, generator)
            parts = (keys, values, keys + config.query_noise * noise)
            found.append(CapacityCase(*(part.unflatten(0, (config.trials, pairs)) for part in parts)))
        return found

    def theory(self, pairs: int) -> float:
        """Mean squared error of the Hebb rule with unit values: ((n - 1) + n s^2) / d_k."""
        return (pairs - 1 + pairs * self.config.query_noise**2) / self.config.key_dim

    def score(self, answers: Sequence[Tensor]) -> dict[str, float]:
        """Per n: mean squared error, the Hebb rule's by theory, and the share of responses nearest to the right value.

        Raises:
            InputError: another number of answers than cases, or an answer of the wrong shape.
        """
        cases, scores = self.cases(), {}
        if len(answers) != len(cases):
            raise InputError(f"{len(answers)} answers for {len(cases)} cases")
        for case, answer in zip(cases, answers, strict=True):
            if answer.shape != case.values.shape:
                raise InputError(f"responses of shape {tuple(answer.shape)}; expected {tuple(case.values.shape)}")
            nearest = (answer @ case.values.transpose(-1, -2)).argmax(-1)
            scores[f"error at {case.pairs}"] = float((answer - case.values).square().sum(-1).mean())
            scores[f"theory at {case.pairs}"] = self.theory(case.pairs)
            scores[f"recall at {case.pairs}"] = float((nearest == torch.arange(case.pairs)).double().mean())
        return scores

    def run(self, system: Callable[[Tensor, Tensor, Tensor], Tensor]) -> dict[str, float]:
        """Score a system."""
        return self.score([system(case.keys, case.values, case.queries) for case in self.cases()])


def memory_system(plasticity: Plasticity, presentations: int = 1) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A memory that is shown all pairs ``presentations`` times, as a system of ``Capacity``."""

    def system(keys: Tensor, values: Tensor, queries: Tensor) -> Tensor:
        if plasticity.rule == "hebb" and not plasticity.homeostatic:
            state = plasticity.eta * presentations * values.transpose(-1, -2) @ keys
        else:
            shown = (keys.repeat(1, presentations, 1), values.repeat(1, presentations, 1))
            _, state = recurrent(plasticity, shown[0], *shown)
        return queries @ state.transpose(-1, -2)

    return system


def capacity_example(config: CapacityConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The Hebb rule."""
    return {"system": memory_system(Plasticity("hebb"))}


def capacity(key_dim: int, *, snr: float) -> float:
    """Associations a head holds at a mean signal-to-noise ratio: n = d_k / snr + 1."""
    return key_dim / snr + 1


def capacity_worst(key_dim: int, *, tol: float = 0.5, trials: int = 5, seed: int = 0) -> float:
    """Largest n with max_i sum_{j != i} |k_i . k_j| < tol for random unit keys, averaged over trials."""
    generator = torch.Generator().manual_seed(seed)
    return sum(_coherent_capacity(key_dim, tol, generator) for _ in range(trials)) / trials


def _coherent_capacity(key_dim: int, tol: float, generator: torch.Generator) -> int:
    keys = unit_vectors(1, key_dim, generator)
    load = torch.zeros(1, dtype=torch.float64)
    while float(load.max()) < tol:
        fresh = unit_vectors(1, key_dim, generator)
        overlaps = (keys @ fresh[0]).abs()
        keys = torch.cat((keys, fresh))
        load = torch.cat((load + overlaps, overlaps.sum()[None]))
    return len(keys) - 1


def majority_error(error: float, heads: int) -> float:
    """Probability that a majority of independent heads errs; ties count half."""
    total = 0.0
    for wrong in range(heads + 1):
        weight = 1.0 if 2 * wrong > heads else 0.5 if 2 * wrong == heads else 0.0
        total += weight * math.comb(heads, wrong) * error**wrong * (1 - error) ** (heads - wrong)
    return total


def reliability(error: float, heads: int, depth: int) -> float:
    """Probability that ``depth`` layers of majority-decoded heads are all right."""
    return (1 - majority_error(error, heads)) ** depth


def required_heads(error: float, depth: int, target: float) -> int:
    """Heads that suffice for reliability ``target`` = 1 - delta: ln(L / delta) / (2 (1/2 - e)^2)."""
    if not 0 <= error < 0.5 or not 0 < target < 1:
        raise InputError(f"error={error} must be below 1/2 and target={target} in (0, 1)")
    return math.ceil(math.log(depth / (1 - target)) / (2 * (0.5 - error) ** 2))


def error_through_depth(depth: int, pairs: int, heads: int, key_dim: int, *, lipschitz: float = 1.0) -> list[float]:
    """Relative error after each layer: r_{l+1} = c r_l + sqrt((n - 1) / (H d_k)), r_0 = 0."""
    errors = [0.0]
    for _ in range(depth):
        errors.append(errors[-1] * lipschitz + math.sqrt((pairs - 1) / (heads * key_dim)))
    return errors


@dataclass
class ConditioningConfig:
    """Config of the conditioning protocols."""

    eta: float = zoo.field(0.2, "learning rate", minimum=0.0)
    decay: float = zoo.field(0.9, "lambda of the decay rule", minimum=0.0, maximum=1.0)
    pairings: int = zoo.field(20, "presentations in each phase", minimum=1)
    key_dim: int = zoo.field(8, "size of a cue", unit="features", minimum=3)


@dataclass(frozen=True)
class ConditioningCase:
    """One protocol: phases of (cues, value of the US), then the cue that is tested.

    Args:
        name: "acquisition", "extinction", "blocking" or "overshadowing".
        phases: ((cue letters, US strength), ...); a compound "AB" is the plain sum of its cues.
        test: the cue whose response is measured.
    """

    name: str
    phases: tuple[tuple[str, float], ...]
    test: str


PROTOCOLS = (
    ConditioningCase("acquisition", (("A", 1.0),), "A"),
    ConditioningCase("extinction", (("A", 1.0), ("A", 0.0)), "A"),
    ConditioningCase("blocking", (("A", 1.0), ("AB", 1.0)), "B"),
    ConditioningCase("overshadowing", (("AB", 1.0),), "A"),
)


class Conditioning:
    """The classical protocols of conditioning as a benchmark of a memory.

    A system has ``write(keys, values)`` and ``read(queries)``, as ``AssociativeMemory``; every protocol starts
    with a fresh one from the factory it is given.
    """

    def __init__(self, config: ConditioningConfig) -> None:
        self.config = config

    def cases(self) -> tuple[ConditioningCase, ...]:
        """The protocols."""
        return PROTOCOLS

    def cue(self, letters: str) -> Tensor:
        """(key_dim,): the sum of orthogonal unit cues."""
        units = torch.eye(self.config.key_dim)
        return torch.stack([units["AB".index(letter)] for letter in letters]).sum(0)

    def responses(self, case: ConditioningCase, memory: Any) -> list[float]:
        """Response to the tested cue after every pairing."""
        curve = []
        for letters, strength in case.phases:
            for _ in range(self.config.pairings):
                memory.write(self.cue(letters)[None], torch.full((1, 1), strength))
                curve.append(float(memory.read(self.cue(case.test)[None])[0, 0]))
        return curve

    def memory(self, rule: str) -> AssociativeMemory:
        """A fresh memory with the configured rates."""
        return AssociativeMemory(
            MemoryConfig(self.config.key_dim, 1, rule=rule, eta=self.config.eta, decay=self.config.decay)
        )

    def run(self, system: Callable[[], Any]) -> dict[str, float]:
        """Final responses of a system (a factory of memories), by protocol."""
        return self.score({case.name: self.responses(case, system()) for case in self.cases()})

    def score(self, answers: Mapping[str, list[float]]) -> dict[str, float]:
        """Final response of each protocol's curve.

        Raises:
            InputError: a protocol has no curve.
        """
        missing = [case.name for case in self.cases() if not answers.get(case.name)]
        if missing:
            raise InputError(f"no responses for {', '.join(missing)}")
        return {case.name: float(answers[case.name][-1]) for case in self.cases()}

    def second_order(self) -> float:
        """Response to B after A -> US and then B -> A, with two delta memories in a row.

        Layer 1 learns the US from A; layer 2 takes layer 1's response to A as the value of B.
        """
        first, second = self.memory("delta"), self.memory("delta")
        for _ in range(self.config.pairings):
            first.write(self.cue("A")[None], torch.ones(1, 1))
        for _ in range(self.config.pairings):
            second.write(self.cue("B")[None], first.read(self.cue("A")[None]))
        return float(second.read(self.cue("B")[None])[0, 0])


def conditioning_example(config: ConditioningConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """A Rescorla-Wagner memory."""
    return {"system": lambda: Conditioning(config).memory("delta")}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``rules``: one head, keys as given, every rule."""
    if component != "rules":
        raise InputError(f"no component {component!r}; there is: rules")
    outputs: dict[str, Tensor] = {}
    for rule in RULES:
        plasticity = Plasticity(rule, config["eta"], config["decay"], config["oja_alpha"], config["bcm_rho"])
        reads, final = recurrent(plasticity, inputs["q"], inputs["k"], inputs["v"])
        outputs |= {rule: reads, f"{rule}_state": final}
    return outputs


def check_hebbian_identity() -> Measurement:
    """Parallel, recurrent and matrix forms of linear attention."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 40, 16, generator=generator) for _ in range(3))
    stepwise, state = recurrent(Plasticity("hebb"), query, key, value)
    explicit = ((query @ key.transpose(-1, -2)).tril()) @ value
    matrix = (value.transpose(-1, -2) @ key) @ query[..., -1, :, None]
    worst = max(
        float((stepwise - explicit).abs().max()),
        float((hebbian_parallel(query, key, value, chunk=16) - explicit).abs().max()),
        float((matrix[..., 0] - stepwise[..., -1, :]).abs().max()),
        float((state - value.transpose(-1, -2) @ key).abs().max()),
    )
    scale = float(explicit.abs().max())
    return Measurement(f"largest relative difference {worst / scale:.1e}", worst / scale < 1e-5)


def check_average_capacity() -> Measurement:
    """Mean squared error of the Hebb rule over (n - 1) / d_k."""
    few: list[float] = []
    many: list[float] = []
    for key_dim in (16, 64, 256):
        pairs = [count for count in (4, 8, 16, 64, 256) if count <= key_dim]
        task = Capacity(CapacityConfig(key_dim, key_dim, pairs, trials=200))
        scores = task.run(memory_system(Plasticity("hebb")))
        for count in pairs:
            deviation = abs(scores[f"error at {count}"] / task.theory(count) - 1)
            (few if count == 4 else many).append(deviation)
    return Measurement(
        f"off by {max(many):.1%} at most for n >= 8, {max(few):.1%} for n = 4", max(many) < 0.03 and max(few) < 0.10
    )


def check_worst_case_capacity() -> Measurement:
    """Growth of the coherent capacity with the key size."""
    sizes = (64, 256, 1024, 4096)
    found = [capacity_worst(size) for size in sizes]
    exponent = math.log(found[-1] / found[1]) / math.log(sizes[-1] / sizes[1])
    listing = ", ".join(f"{count:.1f}" for count in found)
    return Measurement(f"{listing} for d_k = 64, 256, 1024, 4096; exponent {exponent:.2f}", 0.4 <= exponent <= 0.6)


def check_redundant_heads() -> Measurement:
    """Majority error against Hoeffding's bound, and depth, in closed form and simulated."""
    generator = torch.Generator().manual_seed(0)
    slack, deviation, depth = math.inf, 0.0, 4
    for error in (0.1, 0.3, 0.45):
        for heads in (1, 3, 9, 33):
            exact = majority_error(error, heads)
            slack = min(slack, math.exp(-2 * heads * (0.5 - error) ** 2) - exact)
            wrong = (torch.rand(20_000, depth, heads, generator=generator) < error).sum(-1) * 2 > heads
            deviation = max(deviation, abs(float(wrong[:, 0].float().mean()) - exact))
            right = float((~wrong).all(-1).float().mean())
            deviation = max(deviation, abs(right - reliability(error, heads, depth)))
    return Measurement(
        f"bound minus error at least {slack:.3f}; simulation of one and of {depth} layers within {deviation:.3f}",
        slack >= 0 and deviation < 0.015,
    )


def check_blocking() -> Measurement:
    """Exact storage by the delta rule, and blocking."""
    generator = torch.Generator().manual_seed(0)
    keys = unit_vectors(16, 16, generator)
    values = torch.randn(16, 4, generator=generator, dtype=torch.float64)
    memory = AssociativeMemory(MemoryConfig(16, 4, rule="delta", eta=1.0)).double()
    for _ in range(4000):
        memory.write(keys, values)
    error = float((memory.read(keys) - values).abs().max())
    protocols = Conditioning(ConditioningConfig())
    blocked = {rule: protocols.run(partial(protocols.memory, rule))["blocking"] for rule in ("delta", "hebb")}
    return Measurement(
        f"d_k = 16 associations stored to {error:.1e}; "
        f"blocked cue {blocked['delta']:.3f} (delta), {blocked['hebb']:.1f} (Hebb)",
        error < 1e-6 and abs(blocked["delta"] - 0.006) < 5e-4 and abs(blocked["hebb"] - 4.0) < 0.05,
    )


def train(
    config: PavlovianLanguageModelConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """Associative recall: n key-value pairs, then one key whose value must follow.

    Returns:
        The trained model, with its accuracy on held-out sequences beside that of chance.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = PavlovianLanguageModel(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(1500):
        ids, answers = recall_batch(config, 64, generator)
        loss = functional.cross_entropy(model(ids)[:, -1], answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 300 == 0:
            log(f"step {step}: loss {float(loss):.3f}")
    model.eval()
    with torch.no_grad():
        ids, answers = recall_batch(config, 2000, generator)
        accuracy = float((model(ids)[:, -1].argmax(-1) == answers).float().mean())
    return model, {"recall accuracy": accuracy, "chance": 2 / config.vocab_size}


def recall_batch(
    config: PavlovianLanguageModelConfig, batch: int, generator: torch.Generator, pairs: int = 4
) -> tuple[Tensor, Tensor]:
    """Sequences k1 v1 ... kn vn k_i of ids (batch, 2 n + 1) and the answers v_i (batch,).

    Keys come from the first half of the vocabulary and differ within a sequence, values from the second half.
    """
    half = config.vocab_size // 2
    keys = torch.rand(batch, half, generator=generator).argsort(1)[:, :pairs]
    values = torch.randint(half, config.vocab_size, (batch, pairs), generator=generator)
    asked = torch.randint(pairs, (batch, 1), generator=generator)
    sequence = torch.stack((keys, values), -1).flatten(1)
    return torch.cat((sequence, keys.gather(1, asked)), 1), values.gather(1, asked)[:, 0]
