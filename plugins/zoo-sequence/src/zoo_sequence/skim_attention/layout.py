"""From boxes to attention: layout embeddings, the layout encoder, and skim-attention."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.heads import split_heads
from zoo.targets import require
from zoo_sequence.skim_attention.config import DocumentConfig, SkimConfig
from zoo_sequence.skim_attention.inputs import additive_mask, needed


def bert_modules() -> Any:
    """The module of transformers that BERT's parts come from."""
    return require("transformers.models.bert.modeling_bert", needed_by="skim-attention")


def bert_sizes(config: DocumentConfig, **sizes: Any) -> dict[str, Any]:
    """Fields of a transformers config of BERT or LayoutLM; ``sizes`` replace those of the model's own layers."""
    return {
        "vocab_size": config.vocab_size,
        "type_vocab_size": config.type_vocab_size,
        "hidden_size": config.dim,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "intermediate_size": config.hidden_dim,
        "max_position_embeddings": config.max_length,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
        "layer_norm_eps": config.eps,
        "attn_implementation": "sdpa",
        **sizes,
    }


def bert_config(config: DocumentConfig, **sizes: Any) -> Any:
    """A transformers ``BertConfig``; see ``bert_sizes``."""
    return require("transformers", needed_by="skim-attention").BertConfig(**bert_sizes(config, **sizes))


def initialise(module: nn.Module) -> None:
    """BERT's initial values: N(0, 0.02) for matrices and tables, 0 for biases, and 1 and 0 for norms."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=0.02)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


class BoxTables(nn.Module):
    """The tables that boxes are looked up in: left and right share one, top and bottom another.

    Args:
        rows: of each table.
        dim: features of each.
        centres: whether a box is its centre, and widths and heights have no tables.
    """

    def __init__(self, rows: int, dim: int, *, centres: bool = False) -> None:
        super().__init__()
        self.centres = centres
        self.tables = nn.ModuleDict({axis: nn.Embedding(rows, dim) for axis in ("xy" if centres else "xyhw")})

    def terms(self, bbox: Tensor) -> list[tuple[str, Tensor]]:
        """What is known of boxes (batch, length, 4): axis ("x", "y", "h" or "w") and (batch, length, dim), each."""
        x0, y0, x1, y1 = bbox.unbind(-1)
        if self.centres:
            places = [("x", (x0 + x1) // 2), ("y", (y0 + y1) // 2)]
        else:
            places = [("x", x0), ("y", y0), ("x", x1), ("y", y1), ("h", y1 - y0), ("w", x1 - x0)]
        return [(axis, self.tables[axis](place)) for axis, place in places]


class LayoutEmbeddings(BoxTables):
    """Boxes (batch, length, 4) to (batch, length, layout_dim), normalised."""

    def __init__(self, config: SkimConfig) -> None:
        super().__init__(config.max_2d_positions, config.layout_dim, centres=config.degrade_2d_positions)
        self.LayerNorm = nn.LayerNorm(config.layout_dim, eps=config.eps)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, bbox: Tensor) -> Tensor:
        """Embed."""
        return self.drop(self.LayerNorm(reduce(torch.add, (term for _, term in self.terms(bbox)))))


class PositionEmbeddings(nn.Module):
    """The ablation that ignores boxes: places 0 .. length - 1 to (1, length, layout_dim), normalised."""

    def __init__(self, config: SkimConfig) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(config.max_length, config.layout_dim)
        self.LayerNorm = nn.LayerNorm(config.layout_dim, eps=config.eps)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, length: int) -> Tensor:
        """Embed.

        Raises:
            InputError: more tokens than positions.
        """
        require_positions(length, self.position_embeddings.num_embeddings)
        return self.drop(self.LayerNorm(self.position_embeddings.weight[None, :length]))


class Skim(nn.Module):
    """Skim-attention: everything that looks at boxes, once a document.

    The layout encoder sees padding: its attention has no mask, as in the authors' code, so that with a layout encoder
    the padding of a batch has an influence on the attention of its real tokens.
    """

    def __init__(self, config: SkimConfig) -> None:
        super().__init__()
        self.config = config
        self.num_heads = config.num_heads
        self.layout_embeddings: LayoutEmbeddings | PositionEmbeddings = (
            PositionEmbeddings(config) if config.use_1d_positions else LayoutEmbeddings(config)
        )
        self.layout_encoder = None
        if config.contextualised:
            sizes = bert_config(
                config,
                hidden_size=config.layout_dim,
                num_hidden_layers=config.num_layout_layers,
                num_attention_heads=config.num_layout_heads,
            )
            self.layout_encoder = bert_modules().BertEncoder(sizes)
        self.query = nn.Linear(config.layout_dim, config.num_heads * config.skim_head_dim)
        self.key = nn.Linear(config.layout_dim, config.num_heads * config.skim_head_dim)
        self.drop = nn.Dropout(config.attention_dropout)

    @property
    def reads_boxes(self) -> bool:
        """False in the ablation with 1-D positions."""
        return isinstance(self.layout_embeddings, LayoutEmbeddings)

    def queries_and_keys(self, bbox: Tensor | None, batch: int, length: int) -> tuple[Tensor, Tensor]:
        """Two of (batch, heads, length, skim_head_dim).

        Args:
            bbox: (batch, length, 4), checked; None with 1-D positions only.
            batch, length: of the document.

        Raises:
            InputError: there are no boxes, or more tokens than 1-D positions.
        """
        if isinstance(self.layout_embeddings, PositionEmbeddings):
            layout = self.layout_embeddings(length).expand(batch, -1, -1)
        else:
            layout = self.layout_embeddings(needed(bbox))
        if self.layout_encoder is not None:
            layout = encoded(self.layout_encoder, layout)
        query, key = (split_heads(project(layout), self.num_heads) for project in (self.query, self.key))
        return query, key

    def weights(self, query: Tensor, key: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Attention (batch, heads, length, length) of these queries and keys; a row sums to one over keys.

        Args:
            query, key: (batch, heads, length, skim_head_dim).
            attention_mask: see ``additive_mask``.
        """
        scores = wide(query @ key.transpose(-1, -2)) / math.sqrt(query.shape[-1])
        mask = additive_mask(attention_mask, query.shape[0], query.shape[2], scores.dtype)
        if mask is not None:
            scores = scores + mask
        return self.drop(scores.softmax(-1).to(query.dtype))

    def forward(self, bbox: Tensor | None, attention_mask: Tensor | None, batch: int, length: int) -> Tensor:
        """The attention of a document; arguments as for ``queries_and_keys`` and ``weights``."""
        return self.weights(*self.queries_and_keys(bbox, batch, length), attention_mask)


def encoded(encoder: nn.Module, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
    """What an encoder of transformers makes of (batch, length, dim); its reshaping takes no empty batch."""
    return hidden if hidden.shape[0] == 0 else encoder(hidden, mask).last_hidden_state


def wide(scores: Tensor) -> Tensor:
    """Scores in at least float32."""
    return scores if scores.dtype == torch.float64 else scores.float()


def require_positions(length: int, positions: int) -> None:
    """Raise InputError where a table of 1-D positions is too short."""
    if length > positions:
        raise InputError(f"{length} tokens, but positions end at max_length={positions}: cut the document")
