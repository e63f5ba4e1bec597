"""MoBA, mixture of block attention: every query reads its own block and the few past blocks it matches best.

Source: "MoBA: Mixture of Block Attention for Long-Context LLMs" (2025), arXiv 2502.13189.

Keys are cut into blocks of B positions. For a query at position t, with current block c(t) = t // B and the mean
key kbar_i of block i (all after rotary positions):

    s_{t,i} = q_t . kbar_i            unscaled, float32, no gradient
    chosen  = c(t) and the topk - 1 past blocks i < c(t) with the largest s_{t,i}
    o_t     = softmax over { j : block(j) chosen, j <= t } of q_t . k_j / sqrt(D), applied to v_j

The current block never competes by its mean, which would leak later keys. The cost is S * S/B for the gate and
S * B * topk for attention, against S^2 / 2.

Evaluation without an S x S tensor: causal attention inside blocks, keeping the log-sum-exp; for every past block the
queries routed to it attend to it, keeping the log-sum-exp; the parts are combined with weights softmax(lse). Short
sequences, where that does not pay, use an ordinary mask; both give the same numbers.

Without continued training MoBA is no substitute for the full attention of an existing model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.errors import ConfigError, InputError, UnknownName
from zoo.nn.attention import ProjectedAttention, dense_attention
from zoo.nn.language_model import LanguageModel, LanguageModelConfig
from zoo.nn.masks import padding_mask

KINDS = ("moba", "full")
GATES = ("content", "window", "sink")

# Below this many keys one masked matrix is quicker than routing.
_SHORT = 1024
# Scores of a chunk of diagonal blocks that are in memory at once.
_SCRATCH = 1 << 22


@dataclass
class MoBAConfig:
    """Config of one layer."""

    dim: int = zoo.field(512, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(8, "query heads", minimum=1)
    num_kv_heads: int | None = zoo.field(None, "key/value heads; as many as query heads by default", minimum=1)
    causal: bool = zoo.field(True, "always: the choice of blocks is defined for causal attention")
    block_size: int = zoo.field(512, "positions B of a block", unit="tokens", minimum=1)
    topk: int = zoo.field(3, "blocks a query reads, its own included", minimum=1)
    gate: str = zoo.field("content", "rank of past blocks: content, recency, or block 0 then recency", choices=GATES)
    rope_theta: float | None = zoo.field(10_000.0, "base of the rotary positions; null: none")
    decode: str = zoo.field(
        "full", "how a call reads a cache that holds keys already: all of it, or by blocks", choices=("full", "moba")
    )

    def __post_init__(self) -> None:
        if not self.causal:
            raise ConfigError("MoBA is defined for causal attention only; causal must be True", field="causal")
        if self.dim % self.num_heads:
            raise ConfigError(f"dim={self.dim} is not divisible by num_heads={self.num_heads}", field="dim")
        if self.num_heads % (self.num_kv_heads or 1):
            raise ConfigError(
                f"num_heads={self.num_heads} is not a multiple of num_kv_heads={self.num_kv_heads}",
                field="num_kv_heads",
            )


@dataclass
class MoBALanguageModelConfig(LanguageModelConfig):
    """Config of the language model: a Llama whose layers are MoBA or full attention."""

    attention: str = zoo.field("moba", "moba, full, or a drop-in layer by name")
    block_size: int = zoo.field(512, "positions B of a block", unit="tokens", minimum=1)
    topk: int = zoo.field(3, "blocks a query reads, its own included", minimum=1)
    decode: str = zoo.field("full", "how cached keys are read in generation", choices=("full", "moba"))
    full_attention_last_layers: int = zoo.field(0, "how many last layers stay full", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.full_attention_last_layers > self.num_layers:
            raise ConfigError("more full layers than layers", field="full_attention_last_layers")

    def attention_names(self) -> list[str]:
        """One name per block; the last ``full_attention_last_layers`` are "full"."""
        last = self.full_attention_last_layers
        return super().attention_names()[: self.num_layers - last] + ["full"] * last

    @property
    def layer(self) -> MoBAConfig:
        """Config of one attention layer."""
        return MoBAConfig(
            dim=self.dim,
            num_heads=self.num_heads,
            num_kv_heads=self.num_kv_heads,
            block_size=self.block_size,
            topk=self.topk,
            rope_theta=self.rope_theta,
            decode=self.decode,
        )


def choose_blocks(query: Tensor, key: Tensor, *, block_size: int, topk: int, gate: str = "content") -> Tensor:
    """The past blocks that each query reads.

    Args:
        query: (..., queries, D), the last positions of the sequence.
        key: (..., keys, D).
        block_size, topk, gate: see the config.

    Returns:
        (..., queries, picks) int64 with picks = min(topk, blocks) - 1: block numbers, -1 where there are fewer
        past blocks than picks. Carries no gradient.
    """
    queries, keys = query.shape[-2], key.shape[-2]
    blocks = -(-keys // block_size)
    picks = min(topk, blocks) - 1
    current = torch.arange(keys - queries, keys, device=query.device) // block_size
    numbers = torch.arange(blocks, device=query.device)
    with torch.no_grad():
        if gate == "content":
            # The last block is nobody's past, so its incomplete mean is never needed.
            whole = key[..., : (blocks - 1) * block_size, :].detach()
            means = _work(whole).unflatten(-2, (blocks - 1, block_size)).mean(-2)
            scores = _work(query.detach()) @ means.transpose(-1, -2)
        else:
            scores = numbers[:-1].float().expand(*query.shape[:-1], -1).clone()
            if gate == "sink":
                scores[..., 0] = float("inf")
        past = numbers[:-1] < current[:, None]
        scores = scores.masked_fill(~past, -float("inf"))
        best = scores.topk(min(picks, blocks - 1), dim=-1)
        return best.indices.masked_fill(best.values == -float("inf"), -1)


def moba_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    block_size: int,
    topk: int,
    scale: float | None = None,
    gate: str = "content",
    evaluation: str = "auto",
) -> Tensor:
    """Mixture of block attention; never forms a (queries, keys) tensor when ``evaluation="routed"``.

    Args:
        query: (batch, heads, queries, D), after rotary positions; the last positions of the keys' sequence.
        key, value: (batch, kv heads, keys, D).
        attn_mask: padding (batch, keys) or (batch, 1, 1, keys). Hidden tokens are taken out before blocks are
            counted, so padding on either side gives the numbers of the unpadded sequence.
        block_size, topk, gate: see the config.
        scale: of the attention logits, D ** -0.5 by default; the gate is never scaled.
        evaluation: "routed", "masked", or "auto" for the quicker of the two at this length.

    Returns:
        (batch, heads, queries, D); zeros for hidden queries.

    Raises:
        MaskError: a mask that is more than padding.
    """
    batch, heads, queries, _ = query.shape
    keys = key.shape[2]
    visible = padding_mask(attn_mask, batch=batch, keys=keys, mechanism="MoBA")
    groups = heads // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    options: dict[str, Any] = {
        "block_size": block_size,
        "topk": topk,
        "scale": query.shape[-1] ** -0.5 if scale is None else scale,
        "gate": gate,
        "evaluation": evaluation,
    }
    if visible is None or bool(visible.all()):
        return _attend(query, key, value, **options)
    output = query.new_zeros(*query.shape[:-1], value.shape[-1])
    for row in range(batch):
        seen = visible[row].nonzero()[:, 0]
        asked = seen[seen >= keys - queries] - (keys - queries)
        if len(asked):
            part = _attend(query[row, :, asked], key[row, :, seen], value[row, :, seen], **options)
            output = _place(output, row, asked, part)
    return output


def _place(output: Tensor, row: int, positions: Tensor, part: Tensor) -> Tensor:
    """``output`` with ``part`` (heads, n, D) at the positions of one batch row, out of place for autograd."""
    fresh = output[row].index_copy(1, positions, part)
    return torch.cat((output[:row], fresh[None], output[row + 1 :]))


def packed_moba_attention(
    query: Tensor, key: Tensor, value: Tensor, cu_seqlens: Tensor, *, block_size: int, topk: int
) -> Tensor:
    """Several sequences packed end to end; blocks start anew with every sequence.

    Args:
        query, key, value: (tokens, heads, D).
        cu_seqlens: (sequences + 1) int32, where each sequence starts, and the end.
        block_size, topk: see the config.

    Returns:
        (tokens, heads, D).
    """
    bounds = cu_seqlens.tolist()
    if bounds[0] != 0 or bounds[-1] != query.shape[0] or sorted(bounds) != bounds:
        raise InputError(f"cu_seqlens={bounds} must rise from 0 to the number of tokens, {query.shape[0]}")
    parts = []
    for start, stop in pairwise(bounds):
        q, k, v = (tensor[start:stop].transpose(0, 1)[None] for tensor in (query, key, value))
        parts.append(moba_attention(q, k, v, block_size=block_size, topk=topk)[0].transpose(0, 1))
    return torch.cat(parts)


def _work(tensor: Tensor) -> Tensor:
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _attend(
    query: Tensor, key: Tensor, value: Tensor, *, block_size: int, topk: int, scale: float, gate: str, evaluation: str
) -> Tensor:
    """(..., heads, queries, D) without masks."""
    keys = key.shape[-2]
    if min(topk, -(-keys // block_size)) == -(-keys // block_size) and gate == "content":
        # Every block is chosen: causal attention.
        q, k, v = (tensor.reshape(1, -1, *tensor.shape[-2:]) for tensor in (query, key, value))
        return dense_attention(q, k, v, causal=True, scale=scale).view(*query.shape[:-1], value.shape[-1])
    if evaluation == "auto":
        evaluation = "masked" if keys <= _SHORT else "routed"
    attend = _masked if evaluation == "masked" else _routed
    return attend(query, key, value, block_size=block_size, topk=topk, scale=scale, gate=gate)


def _masked(
    query: Tensor, key: Tensor, value: Tensor, *, block_size: int, topk: int, scale: float, gate: str
) -> Tensor:
    """The definition: a mask over keys."""
    queries, keys = query.shape[-2], key.shape[-2]
    blocks = -(-keys // block_size)
    chosen = choose_blocks(query, key, block_size=block_size, topk=topk, gate=gate)
    positions = torch.arange(keys - queries, keys, device=query.device)
    # One more column takes the picks that do not exist.
    allowed = torch.zeros(*query.shape[:-1], blocks + 1, dtype=torch.bool, device=query.device)
    allowed.scatter_(-1, chosen.where(chosen >= 0, blocks), True)
    allowed.scatter_(-1, (positions // block_size)[:, None].expand(*query.shape[:-1], 1), True)
    mask = allowed[..., :blocks].repeat_interleave(block_size, -1)[..., :keys]
    mask = mask & (torch.arange(keys, device=query.device) <= positions[:, None])
    q, k, v = (tensor.reshape(1, -1, *tensor.shape[-2:]) for tensor in (query, key, value))
    output = dense_attention(q, k, v, mask.reshape(1, -1, queries, keys), scale=scale)
    return output.view(*query.shape[:-1], value.shape[-1])


def _routed(
    query: Tensor, key: Tensor, value: Tensor, *, block_size: int, topk: int, scale: float, gate: str
) -> Tensor:
    """Head by head, so that scratch memory stays that of one head."""
    flat = [_work(tensor).reshape(-1, *tensor.shape[-2:]) for tensor in (query, key, value)]
    heads = [
        _routed_head(q * scale, k, v, choose_blocks(q, k, block_size=block_size, topk=topk, gate=gate), block_size)
        for q, k, v in zip(*flat, strict=True)
    ]
    return torch.stack(heads).view(*query.shape[:-1], value.shape[-1]).to(query.dtype)


def _routed_head(query: Tensor, key: Tensor, value: Tensor, chosen: Tensor, block_size: int) -> Tensor:
    """One head: scaled queries (Q, D), keys and values (K, D), chosen past blocks (Q, picks)."""
    picks = chosen.shape[-1]
    inside, inside_lse = _inside_blocks(query, key, value, block_size)
    pairs = chosen.flatten()
    # Pairs sorted by block, those without a block first.
    order = pairs.argsort(stable=True)
    counts = torch.bincount(pairs + 1, minlength=1).tolist()
    order = order[counts[0] :]
    routed = query.index_select(0, order // picks).split(counts[1:])
    outputs, lses = [], []
    for block, queries in enumerate(routed):
        if len(queries):
            keys = slice(block * block_size, (block + 1) * block_size)
            output, lse = _softmax_part(queries @ key[keys].T, value[keys])
            outputs.append(output)
            lses.append(lse)
    past = value.new_zeros(len(pairs), value.shape[-1]).index_copy(0, order, torch.cat(outputs))
    past_lse = value.new_full((len(pairs),), -float("inf")).index_copy(0, order, torch.cat(lses))
    weights = torch.cat((inside_lse[:, None], past_lse.view(-1, picks)), 1).softmax(1)
    mixed = (weights[:, None, 1:] @ past.view(-1, picks, value.shape[-1]))[:, 0]
    return weights[:, :1] * inside + mixed


def _softmax_part(scores: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Attention over one part of the keys, and the log-sum-exp it is weighted by."""
    lse = scores.logsumexp(-1)
    return (scores - lse[..., None]).exp() @ value, lse


def _inside_blocks(query: Tensor, key: Tensor, value: Tensor, block_size: int) -> tuple[Tensor, Tensor]:
    """Causal attention of every query inside its own block, some blocks at a time."""
    queries, keys = query.shape[0], key.shape[0]
    first = (keys - queries) // block_size * block_size
    before, after = keys - queries - first, -keys % block_size
    q = torch.nn.functional.pad(query, (0, 0, before, after)).unflatten(0, (-1, block_size))
    k, v = (
        torch.nn.functional.pad(tensor[first:], (0, 0, 0, after)).unflatten(0, (-1, block_size))
        for tensor in (key, value)
    )
    future = torch.ones(block_size, block_size, dtype=torch.bool, device=query.device).triu(1)
    step = max(1, _SCRATCH // block_size**2)
    outputs, lses = [], []
    for start in range(0, len(q), step):
        part = slice(start, start + step)
        scores = (q[part] @ k[part].transpose(1, 2)).masked_fill(future, -float("inf"))
        output, lse = _softmax_part(scores, v[part])
        outputs.append(output.flatten(0, 1))
        lses.append(lse.flatten())
    real = slice(before, before + queries)
    return torch.cat(outputs)[real], torch.cat(lses)[real]


class MoBA(ProjectedAttention):
    """A drop-in layer, (batch, length, dim) to the same shape, under Llama's parameter names.

    ``kind`` may be changed at any time between "moba" and "full": the parameters are the same.
    """

    def __init__(self, config: MoBAConfig, kind: str = "moba") -> None:
        super().__init__(config.dim, config.num_heads, config.num_kv_heads, rope_theta=config.rope_theta)
        self.config = config
        self.kind = kind

    def attend(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None) -> Tensor:
        """Attention of (batch, heads, queries, D) by blocks, or to everything."""
        if self.kind == "full":
            return dense_attention(query, key, value, attn_mask, causal=True)
        return functional(query, key, value, attn_mask, causal=True, scale=None, config=self.config)


def functional(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    *,
    causal: bool,
    scale: float | None,
    config: MoBAConfig,
) -> Tensor:
    """MoBA as a function of (query, key, value), for transformers.

    Raises:
        InputError: several queries without causal order.
    """
    queries, keys = query.shape[2], key.shape[2]
    if not causal and queries > 1:
        raise InputError("MoBA is defined for causal attention only; this layer is bidirectional")
    if keys > queries and config.decode == "full":
        return dense_attention(query, key, value, attn_mask, causal=True, scale=scale)
    return moba_attention(
        query,
        key,
        value,
        attn_mask,
        block_size=config.block_size,
        topk=config.topk,
        scale=scale,
        gate=config.gate,
    )


class MoBALanguageModel(LanguageModel):
    """Ids (batch, length) to logits (batch, length, vocab_size); any Llama checkpoint loads unchanged."""

    def __init__(self, config: MoBALanguageModelConfig) -> None:
        kinds = {kind: partial(MoBA, config.layer, kind) for kind in KINDS}
        super().__init__(config, kinds)

    def switch_attention(self, kind: str, layers: list[int] | None = None) -> None:
        """Make all layers, or those of the given numbers, "moba" or "full" from now on.

        Raises:
            UnknownName: another kind.
            InputError: the model was built with another mechanism.
        """
        if kind not in KINDS:
            raise UnknownName(f"{kind!r} is not one of {', '.join(KINDS)}")
        for index, block in enumerate(self.model.layers):
            if layers is None or index in layers:
                if not isinstance(block.self_attn, MoBA):
                    raise InputError(f"layer {index} is a {type(block.self_attn).__name__}, not MoBA")
                block.self_attn.kind = kind


def example(config: MoBAConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens over three and a half blocks, 40 tokens at most."""
    length = min(40, config.block_size * 7 // 2 + 1)
    return {"x": torch.randn(batch_size, length, config.dim, generator=torch.Generator().manual_seed(seed))}


def language_model_example(config: MoBALanguageModelConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids of length 18."""
    generator = torch.Generator().manual_seed(seed)
    return {"input_ids": torch.randint(config.vocab_size, (batch_size, 18), generator=generator)}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Llama's names are ours; cached rotary tables of old checkpoints go."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("rotary_emb.inv_freq")}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """The mechanism on packed tokens, and the language model."""
    if "cu_seqlens" in inputs:
        output = packed_moba_attention(
            inputs["q"],
            inputs["k"],
            inputs["v"],
            inputs["cu_seqlens"],
            block_size=config["moba_chunk_size"],
            topk=config["moba_topk"],
        )
        return {"o": output}
    own = MoBALanguageModelConfig(
        vocab_size=config["vocab_size"],
        dim=config["hidden_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        num_kv_heads=config.get("num_key_value_heads"),
        hidden_dim=config["intermediate_size"],
        max_length=config.get("max_position_embeddings", 2048),
        eps=config.get("rms_norm_eps", 1e-5),
        rope_theta=config.get("rope_theta", 10_000.0),
        tie_embeddings=config.get("tie_word_embeddings", False),
        block_size=config["moba_chunk_size"],
        topk=config["moba_topk"],
        full_attention_last_layers=config.get("full_attention_last_layers", 0),
    )
    model = MoBALanguageModel(own).eval()
    zoo.fill(model, convert(state, own))
    return {"logits": model(inputs["input_ids"])}
