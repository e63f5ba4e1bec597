"""Skimformer, and its windowed form for long documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from zoo.errors import MaskError
from zoo.nn.heads import merge_heads, split_heads
from zoo_sequence.skim_attention.band import Band, band_attention
from zoo_sequence.skim_attention.config import DocumentConfig, LongSkimformerConfig, SkimformerConfig
from zoo_sequence.skim_attention.inputs import require_known_inputs
from zoo_sequence.skim_attention.layout import Skim, bert_config, bert_modules, initialise

Read = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class DocumentOutput:
    """What the models give back.

    Args:
        last_hidden_state: (batch, length, dim).
        attention: skim-attention: (batch, heads, length, length), shared by all layers of Skimformer and taken before
            the choice of keys in SkimmingMask; one ``Band`` per layer of LongSkimformer; None without skim-attention.
        pooler_output: (batch, dim) where there is a pooler.
        logits: (batch, length, vocab_size or num_classes) where there is a head.
    """

    last_hidden_state: Tensor
    attention: Tensor | tuple[Band, ...] | None = None
    pooler_output: Tensor | None = None
    logits: Tensor | None = None


class TextEmbeddings(nn.Module):
    """Words and token types (batch, length) to (batch, length, dim): nothing says where a word is."""

    def __init__(self, config: DocumentConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, eps=config.eps)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Embed; every token is of type 0 by default."""
        types = self.token_type_embeddings
        of_type = types.weight[0] if token_type_ids is None else types(token_type_ids)
        return self.drop(self.LayerNorm(self.word_embeddings(input_ids) + of_type))


class SharedAttention(nn.Module):
    """Values, read with an attention that is given, and the output projection with residual and norm."""

    def __init__(self, config: SkimformerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        width = config.num_heads * config.value_dim
        self.value = nn.Linear(config.dim, width)
        self.output = bert_modules().BertSelfOutput(bert_config(config))
        self.output.dense = nn.Linear(width, config.dim)

    def forward(self, hidden: Tensor, read: Read, head_mask: Tensor | None = None) -> Tensor:
        """(batch, length, dim) to the same shape.

        Args:
            hidden: the states.
            read: from values (batch, heads, length, head_dim) to contexts of the same shape.
            head_mask: (heads,) factors of the heads.
        """
        context = read(split_heads(self.value(hidden), self.num_heads))
        if head_mask is not None:
            context = context * head_mask.to(context.dtype)[:, None, None]
        return self.output(merge_heads(context), hidden)


class SkimformerLayer(nn.Module):
    """A post-norm BERT layer without queries and keys."""

    def __init__(self, config: SkimformerConfig) -> None:
        super().__init__()
        self.attention = SharedAttention(config)
        self.intermediate = bert_modules().BertIntermediate(bert_config(config))
        self.output = bert_modules().BertOutput(bert_config(config))

    def forward(self, hidden: Tensor, read: Read, head_mask: Tensor | None = None) -> Tensor:
        """See ``SharedAttention``."""
        hidden = self.attention(hidden, read, head_mask)
        return self.output(self.intermediate(hidden), hidden)


class SkimformerEncoder(nn.Module):
    """The layers."""

    def __init__(self, config: SkimformerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.layer = nn.ModuleList(SkimformerLayer(config) for _ in range(config.num_layers))

    def forward(self, hidden: Tensor, reads: Sequence[Read], head_mask: Tensor | None = None) -> Tensor:
        """(batch, length, dim) to the same shape.

        Args:
            hidden: the states.
            reads: of each layer, see ``SharedAttention``.
            head_mask: factors of the heads, (heads,) for all layers or (layers, heads).

        Raises:
            MaskError: a head mask of another shape.
        """
        count = len(self.layer)
        of_layers: Sequence[Tensor | None] = [None] * count
        if head_mask is not None:
            if tuple(head_mask.shape) not in {(self.num_heads,), (count, self.num_heads)}:
                raise MaskError(
                    f"head_mask has shape {tuple(head_mask.shape)}; expected ({self.num_heads},) for all layers or "
                    f"({count}, {self.num_heads})"
                )
            of_layers = list(head_mask.expand(count, -1))
        for layer, read, factors in zip(self.layer, reads, of_layers, strict=True):
            hidden = layer(hidden, read, factors)
        return hidden


class Skimformer(nn.Module):
    """Words and boxes to hidden states; all layers read with one attention, computed from the boxes."""

    def __init__(self, config: SkimformerConfig) -> None:
        super().__init__()
        self.config = config
        self.text_embeddings = TextEmbeddings(config)
        self.skim = Skim(config)
        self.encoder = SkimformerEncoder(config)
        self.pooler = bert_modules().BertPooler(bert_config(config)) if config.pooler else None
        initialise(self)

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The table (vocab_size, dim)."""
        return self.text_embeddings.word_embeddings

    def forward(
        self,
        input_ids: Tensor,
        bbox: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        **options: Tensor | None,
    ) -> DocumentOutput:
        """Encode documents.

        Args:
            input_ids: (batch, length) int.
            bbox: (batch, length, 4) int, (x0, y0, x1, y1) in thousandths of the page; not read with 1-D positions.
            attention_mask: 1 for what is visible: see ``attend``.
            token_type_ids: (batch, length) int; 0 by default.
            head_mask: factors of the heads, (heads,) or (layers, heads).
            options: what else ``attend`` takes.

        Raises:
            InputError: ids or boxes that the tables do not have, or a wrong shape.
            MaskError: a mask of a wrong shape.
        """
        bbox = bbox if self.skim.reads_boxes else None
        require_known_inputs(self.config, input_ids, bbox, token_type_ids)
        query, key = self.skim.queries_and_keys(bbox, *input_ids.shape)
        attention, reads = self.attend(query, key, attention_mask, **options)
        hidden = self.encoder(self.text_embeddings(input_ids, token_type_ids), reads, head_mask)
        return DocumentOutput(hidden, attention, pool(self.pooler, hidden))

    def attend(
        self, query: Tensor, key: Tensor, attention_mask: Tensor | None
    ) -> tuple[Tensor | tuple[Band, ...], list[Read]]:
        """The attention of a document, and how each layer reads values with it.

        Args:
            query, key: (batch, heads, length, skim_head_dim).
            attention_mask: (batch, length), or (batch, length, length) with a row for every query.
        """
        attention = self.skim.weights(query, key, attention_mask)
        return attention, [attention.matmul] * self.config.num_layers


class LongSkimformer(Skimformer):
    """Skimformer whose attention is a window and some global tokens, in memory linear in the length."""

    def __init__(self, config: LongSkimformerConfig) -> None:
        super().__init__(config)
        self.reaches = config.reaches

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        attention_mask: Tensor | None,
        global_attention_mask: Tensor | None = None,
    ) -> tuple[Tensor | tuple[Band, ...], list[Read]]:
        """The attention of each layer, and how it reads values with it.

        Args:
            query, key: (batch, heads, length, skim_head_dim).
            attention_mask: (batch, length) only: there is no matrix that could hide pairs.
            global_attention_mask: (batch, length), 1 for tokens that see and are seen by all; none by default.
        """
        bands = band_attention(
            query,
            key,
            self.reaches,
            attention_mask=attention_mask,
            global_mask=global_attention_mask,
            drop=self.skim.drop,
        )
        return tuple(bands), [band.read for band in bands]


def pool(pooler: nn.Module | None, hidden: Tensor) -> Tensor | None:
    """tanh(dense(first token)), where there is a pooler."""
    return None if pooler is None else pooler(hidden)
