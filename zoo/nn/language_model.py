"""A decoder-only language model that takes any drop-in attention layer by name.

Token embedding; blocks of [RMSNorm, attention, residual, RMSNorm, SwiGLU, residual]; final RMSNorm; linear
head. The parameter names are those of transformers' Llama, so that with rotary multi-head attention any Llama
checkpoint loads unchanged. A layer that does not tell positions apart by itself gets absolute positions added
to the embedding. Both begin at one scale, the deviation of a sinusoid (of the embedding, where the head shares it):
tokens of deviation 0.02 under sinusoids of 0.7 could hardly be told apart, and that would be the host's doing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.configuration import field
from zoo.errors import InputError
from zoo.nn.attention import KeyValueCache, MultiHeadAttention
from zoo.nn.drop_in import HostConfig, layers_by_name
from zoo.nn.heads import require_equal_groups
from zoo.nn.mlp import SwiGLU
from zoo.nn.positions import sinusoidal_positions

# Of a sine over its period.
SINUSOID_STD = 0.5**0.5


@dataclass
class LanguageModelConfig(HostConfig):
    """Shape of the host."""

    vocab_size: int = field(128_256, "tokens of the vocabulary", minimum=1)
    num_kv_heads: int | None = field(None, "key/value heads; as many as query heads by default", minimum=1)
    hidden_dim: int = field(1376, "width of the feed-forward network", unit="features", minimum=1)
    max_length: int = field(2048, "longest sequence", unit="tokens", minimum=1)
    rope_theta: float = field(10_000.0, "base of the rotary positions of the model's own layers", minimum=1.0)
    eps: float = field(1e-5, "of the RMS norms", minimum=0.0)
    tie_embeddings: bool = field(False, "whether the head shares the token embedding")
    positions: str = field(
        "auto",
        "absolute positions added to the embedding; auto: sinusoidal where a layer has none of its own",
        choices=("auto", "none", "learned", "sinusoidal"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require_equal_groups(self.num_heads, self.num_kv_heads)


def places(attn_mask: Tensor | None, batch: int, start: int, stop: int) -> slice | Tensor:
    """Positions of the tokens from ``start`` to ``stop`` of a batch, an index into a table of positions.

    Padding takes no place: with a mask (batch, stop), True for real tokens, a sequence is where it would be alone.
    """
    if attn_mask is None or tuple(attn_mask.shape) != (batch, stop):
        return slice(start, stop)
    return (attn_mask.cumsum(1) - 1).clamp(min=0)[:, start:]


class DecoderBlock(nn.Module):
    """Pre-norm block: attention, then SwiGLU, each with its residual."""

    def __init__(self, attention: nn.Module, dim: int, hidden_dim: int, eps: float) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(dim, eps=eps)
        self.self_attn = attention
        self.post_attention_layernorm = nn.RMSNorm(dim, eps=eps)
        self.mlp = SwiGLU(dim, hidden_dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, cache: Any = None) -> Tensor:
        """(batch, length, dim) to the same shape."""
        options: dict[str, Any] = {} if cache is None else {"cache": cache}
        x = x + self.self_attn(self.input_layernorm(x), attn_mask, **options)
        return x + self.mlp(self.post_attention_layernorm(x))


def full_attention(config: LanguageModelConfig) -> nn.Module:
    """Standard causal attention with rotary positions, in the model's shape."""
    return MultiHeadAttention(
        config.dim, config.num_heads, config.num_kv_heads, causal=True, rope_theta=config.rope_theta
    )


class Decoder(nn.Module):
    """Everything between token ids and the head."""

    def __init__(self, config: LanguageModelConfig, layers: list[nn.Module]) -> None:
        super().__init__()
        # A shared head makes logits of deviation 1 of the final norm's output.
        self.embedding_std = config.dim**-0.5 if config.tie_embeddings else SINUSOID_STD
        self.embed_tokens = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(DecoderBlock(layer, config.dim, config.hidden_dim, config.eps) for layer in layers)
        self.norm = nn.RMSNorm(config.dim, eps=config.eps)
        positioned = all(getattr(layer, "has_positions", False) for layer in layers)
        positions = ("none" if positioned else "sinusoidal") if config.positions == "auto" else config.positions
        self.embed_positions = nn.Embedding(config.max_length, config.dim) if positions == "learned" else None
        scale = self.embedding_std / SINUSOID_STD
        table = scale * sinusoidal_positions(config.max_length, config.dim) if positions == "sinusoidal" else None
        self.position_table: Tensor | None
        self.register_buffer("position_table", table, persistent=False)

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None, caches: list[Any] | None = None) -> Tensor:
        """Ids (batch, length) int64 to hidden states (batch, length, dim)."""
        x = self.embed_tokens(input_ids)
        start = caches[0].length if caches else 0
        where = places(attn_mask, len(input_ids), start, start + input_ids.shape[1])
        if self.embed_positions is not None:
            x = x + self.embed_positions.weight[where]
        elif self.position_table is not None:
            x = x + self.position_table[where].to(x.dtype)
        for index, layer in enumerate(self.layers):
            x = layer(x, attn_mask, caches[index] if caches else None)
        return self.norm(x)


def require_predecessors(input_ids: Tensor) -> None:
    """Raise InputError where no token of ids (batch, length) follows another one."""
    if input_ids.ndim != 2 or input_ids.shape[1] < 2:
        raise InputError(f"ids {tuple(input_ids.shape)}; a loss needs (batch, length) with two tokens or more")


def require_sampling(max_new_tokens: int, temperature: float, top_k: int | None) -> None:
    """Raise InputError where tokens cannot be chosen so."""
    if not (max_new_tokens >= 0 and 0 <= temperature < math.inf):
        raise InputError(f"max_new_tokens={max_new_tokens}, temperature={temperature}; neither may be below zero")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k={top_k}; expected a number of tokens from 1 on, or None for all")


def prompts(input_ids: Tensor, attention_mask: Tensor | None) -> Tensor | None:
    """Which tokens of prompts (batch, length) are real, boolean; None where all are.

    Raises:
        InputError: no tokens, a mask of another shape, or padding elsewhere than on the left.
    """
    shape = tuple(input_ids.shape)
    if len(shape) != 2 or shape[1] == 0:
        raise InputError(f"ids {shape}; generate needs (batch, length), at least one token each")
    if attention_mask is None:
        return None
    if tuple(attention_mask.shape) != shape:
        raise InputError(f"attention_mask {tuple(attention_mask.shape)} for ids {shape}; expected the same shape")
    real = attention_mask.bool()
    if not (real[:, -1].all() and (real[:, 1:] >= real[:, :-1]).all()):
        raise InputError("prompts are continued at their right end: padding must stand on their left alone")
    return None if bool(real.all()) else real


def next_tokens(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator | None) -> Tensor:
    """A token for each row of logits (batch, vocab_size), as (batch, 1); see ``CausalLanguageModel.generate``."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    if top_k is None or top_k >= logits.shape[-1]:
        return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
    likeliest, tokens = logits.topk(top_k)
    return tokens.gather(1, torch.multinomial((likeliest / temperature).softmax(-1), 1, generator=generator))


class CausalLanguageModel(nn.Module):
    """What every causal language model does with its logits: a loss, and generation.

    Subclasses say which attention layers they have; their ``forward(input_ids, attn_mask=None, caches=None)`` takes
    ids (batch, length) int64, padding (batch, cached and new tokens) and the caches of ``new_caches``, and returns
    logits (batch, length, vocab_size). A cache tells its ``length`` and can ``select(rows)`` of the batch.
    """

    def attention_layers(self) -> list[nn.Module]:
        """The attention of every block, in order."""
        raise NotImplementedError

    @property
    def supports_cache(self) -> bool:
        """Whether every layer can attend to cached tokens."""
        return all(getattr(layer, "supports_cache", False) for layer in self.attention_layers())

    def new_caches(self) -> list[Any]:
        """Empty caches, one per layer: the layer's own kind, or keys and values."""
        return [getattr(layer, "new_cache", KeyValueCache)() for layer in self.attention_layers()]

    def loss(self, input_ids: Tensor) -> Tensor:
        """Mean cross entropy, in nats per token, of ids (batch, length + 1) given their predecessors.

        Raises:
            InputError: there is no token with a predecessor.
        """
        require_predecessors(input_ids)
        logits = self(input_ids[:, :-1])
        return functional.cross_entropy(logits.flatten(0, 1).float(), input_ids[:, 1:].flatten())

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        max_new_tokens: int,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
        attention_mask: Tensor | None = None,
        use_cache: bool = True,
    ) -> Tensor:
        """Continue token sequences.

        Args:
            input_ids: (batch, length) int64.
            max_new_tokens: how many to add.
            temperature: 0 takes the likeliest token; above, tokens are sampled from softmax(logits / temperature).
            top_k: sample among so many of the likeliest tokens; by default among all.
            generator: for reproducible sampling.
            attention_mask: (batch, length), 0 for padding, which stands on the left of a prompt; by default none is.
            use_cache: keep keys and values instead of recomputing them; ignored by layers that cannot.

        Returns:
            (batch, length + max_new_tokens) int64.

        Raises:
            InputError: no tokens to continue, numbers below zero, or padding elsewhere than on the left.
        """
        require_sampling(max_new_tokens, temperature, top_k)
        real = prompts(input_ids, attention_mask)
        caches = self.new_caches() if use_cache and self.supports_cache else None
        ids = input_ids
        for _ in range(max_new_tokens):
            fresh = ids if caches is None else ids[:, caches[0].length :]
            logits = self(fresh, attn_mask=real, caches=caches)[:, -1].float()
            chosen = next_tokens(logits, temperature, top_k, generator)
            ids = torch.cat((ids, chosen), 1)
            if real is not None:
                real = functional.pad(real, (0, 1), value=True)
        return ids


class LanguageModel(CausalLanguageModel):
    """Token ids (batch, length) int64 to logits (batch, length, vocab_size).

    Args:
        config: the host's shape.
        own: makers of further attention layers that ``config`` may name; "full" is always there.
    """

    def __init__(self, config: LanguageModelConfig, own: Mapping[str, Callable[[], nn.Module]] | None = None) -> None:
        super().__init__()
        self.max_length = config.max_length
        own = {"full": partial(full_attention, config), **(own or {})}
        layers = layers_by_name(config, own=own, causal=True, max_length=config.max_length)
        self.model = Decoder(config, layers)
        self.lm_head = nn.Linear(config.dim, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal: embeddings at their scale, the rest of deviation 0.02; attention layers initialise themselves."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear) and ".self_attn." not in name:
                nn.init.normal_(module.weight, std=0.02)
        for embedding in (self.model.embed_tokens, self.model.embed_positions):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=self.model.embedding_std)

    def attention_layers(self) -> list[nn.Module]:
        """The attention of every block, in order."""
        return [layer.get_submodule("self_attn") for layer in self.model.layers]

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None, caches: list[Any] | None = None) -> Tensor:
        """Logits of the next token at every position.

        Args:
            input_ids: (batch, length) int64.
            attn_mask: padding (batch, cached and new tokens) or what else the layers accept; True is a real token.
            caches: from ``new_caches``; extended by this call.

        Raises:
            InputError: the sequence is longer than an absolute position table.
        """
        length = input_ids.shape[1] + (caches[0].length if caches else 0)
        bounded = self.model.embed_positions is not None or self.model.position_table is not None
        if bounded and length > self.max_length:
            raise InputError(f"{length} tokens, but positions end at max_length={self.max_length}; raise it or shorten")
        return self.lm_head(self.model(input_ids, attn_mask, caches))
