"""The networks: blocks of dual attention as a language model, an image classifier and an encoder-decoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.language_model import CausalLanguageModel, places
from zoo_sequence.dual_attention.attention import DualAttention, SensoryAttention
from zoo_sequence.dual_attention.config import DATConfig, DATSeq2SeqConfig, NetworkConfig, ViDATConfig
from zoo_sequence.dual_attention.symbols import PairSymbols, PositionalSymbols, symbol_retriever


class FeedForward(nn.Module):
    """linear2(act(linear1 x)), or linear2(silu(linear1 x) * linear3 x): (..., dim) to the same shape."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.linear1 = nn.Linear(config.dim, config.ff_dim, bias=config.ff_bias)
        self.linear2 = nn.Linear(config.ff_dim, config.dim, bias=config.ff_bias)
        if config.activation == "swiglu":
            self.linear3 = nn.Linear(config.dim, config.ff_dim, bias=config.ff_bias)

    def forward(self, x: Tensor) -> Tensor:
        """GELU is the tanh form."""
        hidden = self.linear1(x)
        if self.activation == "swiglu":
            hidden = functional.silu(hidden) * self.linear3(x)
        elif self.activation == "gelu":
            hidden = functional.gelu(hidden, approximate="tanh")
        else:
            hidden = functional.relu(hidden)
        return self.linear2(hidden)


def make_norm(config: NetworkConfig) -> nn.Module:
    """LayerNorm with weight and bias, or RMSNorm with a weight."""
    return nn.LayerNorm(config.dim) if config.norm == "layernorm" else nn.RMSNorm(config.dim, eps=1e-5)


class DualBlock(nn.Module):
    """Dual attention, in decoders also cross-attention, and a feed-forward network, each with norm and residual."""

    def __init__(self, config: NetworkConfig, *, cross: bool = False) -> None:
        super().__init__()
        self.pre_norm = config.pre_norm
        self.dual_attn = DualAttention(config)
        self.cross_attn = SensoryAttention(config.dim, config.num_heads, config.head_dim) if cross else None
        self.ff_block = FeedForward(config)
        self.norm1, self.norm2 = make_norm(config), make_norm(config)
        self.norm_cross = make_norm(config) if cross else nn.Identity()
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        symbols: Tensor | PairSymbols | None,
        attn_mask: Tensor | None = None,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> Tensor:
        """(batch, tokens, dim) to the same shape; ``context`` is what a decoder block looks at."""
        x = self._branch(x, self.norm1, lambda y: self.dual_attn(y, symbols, attn_mask))
        if self.cross_attn is not None:
            cross = self.cross_attn
            x = self._branch(x, self.norm_cross, lambda y: cross(y, context_mask, context))
        return self._branch(x, self.norm2, self.ff_block)

    def _branch(self, x: Tensor, norm: nn.Module, branch: Callable[[Tensor], Tensor]) -> Tensor:
        if self.pre_norm:
            return x + self.drop(branch(norm(x)))
        return norm(x + self.drop(branch(x)))


class DualStack(nn.Module):
    """Blocks and their symbol retrievers; symbols are made anew from the hidden state before every block."""

    def __init__(self, config: NetworkConfig, *, cross: bool = False) -> None:
        super().__init__()
        self.symbol_retrievers = nn.ModuleList(make_retrievers(config))
        self.blocks = nn.ModuleList(DualBlock(config, cross=cross) for _ in range(config.num_layers))

    def forward(
        self,
        x: Tensor,
        attn_mask: Tensor | None = None,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        for index, block in enumerate(self.blocks):
            symbols = self._symbols(index, x, attn_mask) if self.symbol_retrievers else None
            x = block(x, symbols, attn_mask, context, context_mask)
        return x

    def _symbols(self, index: int, x: Tensor, attn_mask: Tensor | None) -> Any:
        retriever = self.symbol_retrievers[index]
        return retriever(x, attn_mask) if isinstance(retriever, PositionalSymbols) else retriever(x)


def make_retrievers(config: NetworkConfig) -> list[nn.Module]:
    """One retriever per layer, the same one where it is shared; none without relational heads."""
    if not config.relational:
        return []
    if config.shared_symbols:
        return [symbol_retriever(config)] * config.num_layers
    retrievers = [symbol_retriever(config) for _ in range(config.num_layers)]
    if config.tied_library:
        for retriever in retrievers[1:]:
            retriever.symbol_library = retrievers[0].symbol_library
    return retrievers


class DATLanguageModel(CausalLanguageModel):
    """Ids (batch, length) int64 to logits (batch, length, vocab_size); the output matrix is the embedding's.

    It keeps no caches: generation computes the whole sequence again for every token.
    """

    def __init__(self, config: DATConfig) -> None:
        super().__init__()
        self.token_embedder = nn.Embedding(config.vocab_size, config.dim)
        self.positional_embedder = None if config.rope else nn.Embedding(config.max_length, config.dim)
        self.stack = DualStack(config)
        self.norm = make_norm(config)
        self.final_out = nn.Linear(config.dim, config.vocab_size, bias=False)
        self.final_out.weight = self.token_embedder.weight
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """N(0, 0.02), and divided by sqrt(2 layers) for the last projection of every branch; biases zero."""
        last = 0.02 / math.sqrt(2 * len(self.stack.blocks))
        for name, parameter in self.named_parameters():
            if name.endswith((".wo.weight", ".linear2.weight")):
                nn.init.normal_(parameter, std=last)
            elif name.endswith(".bias"):
                nn.init.zeros_(parameter)
            elif "norm" not in name and not name.endswith(("template_features", "symbol_library")):
                nn.init.normal_(parameter, std=0.02)

    def attention_layers(self) -> list[nn.Module]:
        """The dual attention of every block, in order."""
        return [block.get_submodule("dual_attn") for block in self.stack.blocks]

    def forward(self, input_ids: Tensor, attn_mask: Tensor | None = None, caches: list[Any] | None = None) -> Tensor:
        """Next-token logits.

        Args:
            input_ids: (batch, length) int64.
            attn_mask: see ``zoo.nn.masks``.
            caches: none; the argument is there for ``generate``.

        Raises:
            InputError: the sequence is longer than the learned positions, or there are caches.
        """
        if caches is not None:
            raise InputError("dual attention keeps no caches: give the whole sequence, and caches=None")
        x = _embed(input_ids, self.token_embedder, self.positional_embedder, attn_mask)
        return self.final_out(self.norm(self.stack(x, attn_mask)))


class ViDAT(nn.Module):
    """Images (batch, channels, height, width) to logits (batch, num_classes)."""

    def __init__(self, config: ViDATConfig) -> None:
        super().__init__()
        self.config = config
        values = config.image_shape[0] * config.patch_shape[0] * config.patch_shape[1]
        self.patch_embedding = nn.Sequential(
            nn.LayerNorm(values), nn.Linear(values, config.dim), nn.LayerNorm(config.dim)
        )
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.dim))
        self.pos_embedding = nn.Parameter(torch.empty(1, config.num_tokens, config.dim))
        self.stack = DualStack(config)
        self.final_out = nn.Linear(config.dim, config.num_classes)
        nn.init.normal_(self.cls_token)
        nn.init.normal_(self.pos_embedding)

    def forward(self, images: Tensor) -> Tensor:
        """Logits.

        Raises:
            InputError: the image is not of the configured shape.
        """
        if list(images.shape[1:]) != list(self.config.image_shape):
            raise InputError(f"images of shape {tuple(images.shape)}; expected (batch, *{self.config.image_shape})")
        tokens = self.patch_embedding(to_patches(images, *self.config.patch_shape))
        x = torch.cat((self.cls_token.expand(images.shape[0], -1, -1), tokens), 1) + self.pos_embedding
        x = self.stack(x)
        return self.final_out(x[:, 0] if self.config.pool == "cls" else x.mean(1))


def to_patches(images: Tensor, height: int, width: int) -> Tensor:
    """(B, c, h p1, w p2) to (B, h w, p1 p2 c)."""
    grid = images.unflatten(3, (-1, width)).unflatten(2, (-1, height))
    return grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


class DATSeq2Seq(nn.Module):
    """Source ids and target ids so far to logits of the next target token (batch, target length, vocabulary)."""

    def __init__(self, config: DATSeq2SeqConfig) -> None:
        super().__init__()
        self.source_embedder = nn.Embedding(config.source_vocab_size, config.dim)
        self.target_embedder = nn.Embedding(config.target_vocab_size, config.dim)
        learned = None if config.rope else (config.max_length, config.dim)
        self.source_positions = nn.Embedding(*learned) if learned else None
        self.target_positions = nn.Embedding(*learned) if learned else None
        self.encoder = DualStack(config)
        self.decoder = DualStack(config.decoder(), cross=True)
        self.final_out = nn.Linear(config.dim, config.target_vocab_size)

    def forward(self, source_ids: Tensor, target_ids: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Encode, then decode.

        Args:
            source_ids: (batch, source length) int64.
            target_ids: (batch, target length) int64, a start token first.
            source_mask: padding of the source (batch, source length), True for real tokens.
        """
        source = _embed(source_ids, self.source_embedder, self.source_positions)
        target = _embed(target_ids, self.target_embedder, self.target_positions)
        context = self.encoder(source, source_mask)
        return self.final_out(self.decoder(target, None, context, source_mask))


def _embed(
    ids: Tensor, tokens: nn.Embedding, positions: nn.Embedding | None, attn_mask: Tensor | None = None
) -> Tensor:
    if positions is None:
        return tokens(ids)
    length = ids.shape[1]
    if length > positions.num_embeddings:
        raise InputError(f"{length} tokens, but positions end at max_length={positions.num_embeddings}")
    return tokens(ids) + positions.weight[places(attn_mask, len(ids), 0, length)]


def lm_example(config: DATConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids."""
    return {"input_ids": _ids(config.vocab_size, batch_size, min(12, config.max_length), seed)}


def vidat_example(config: ViDATConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.randn(batch_size, *config.image_shape, generator=generator)}


def seq2seq_example(config: DATSeq2SeqConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random ids of two lengths."""
    longest = config.max_length
    return {
        "source_ids": _ids(config.source_vocab_size, batch_size, min(9, longest), seed),
        "target_ids": _ids(config.target_vocab_size, batch_size, min(7, longest), seed + 1),
    }


def _ids(vocabulary: int, batch_size: int, length: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocabulary, (batch_size, length), generator=generator)
