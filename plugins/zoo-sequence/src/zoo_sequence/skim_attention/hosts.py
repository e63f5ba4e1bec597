"""Ordinary encoders that look at the layout: SkimmingMask, and BERT with projected layout embeddings."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.targets import require
from zoo_sequence.skim_attention.config import CORES, DocumentConfig, SkimConfig, SkimEmbedConfig, SkimmingMaskConfig
from zoo_sequence.skim_attention.inputs import HIDDEN, additive_mask, needed, require_known_inputs
from zoo_sequence.skim_attention.layout import (
    BoxTables,
    Skim,
    bert_config,
    bert_modules,
    bert_sizes,
    encoded,
    initialise,
    require_positions,
)
from zoo_sequence.skim_attention.skimformer import DocumentOutput, pool

# What a trained skimming part brings along: the sizes of its tables, and all that only skim-attention has.
_SKIM_FIELDS = (
    "layout_dim",
    "max_2d_positions",
    *(SkimConfig.__annotations__.keys() - DocumentConfig.__annotations__.keys()),
)


def keep_top(attention: Tensor, top_k: int) -> Tensor:
    """Boolean, True for the ``top_k`` largest weights of each row (all of them in a row that has no more).

    Args:
        attention: (..., keys).
        top_k: how many.
    """
    chosen = attention.topk(min(top_k, attention.shape[-1]), -1).indices
    return torch.zeros_like(attention, dtype=torch.bool).scatter(-1, chosen, True)


class SkimmingMask(nn.Module):
    """BERT or LayoutLM under a mask: a query sees the ``top_k`` keys that skim-attention weighs most, head by head.

    The choice has no gradient: the encoder learns, and the skimming part stays what it was trained to be elsewhere.

    Args:
        config: sizes of both parts.
        core: a transformers BertModel or LayoutLMModel to take embeddings, encoder and pooler from, shared with it;
            a new one by default. See ``around``.
        skim: the skimming part, for instance of a trained Skimformer; a new one by default.
    """

    def __init__(self, config: SkimmingMaskConfig, core: nn.Module | None = None, skim: Skim | None = None) -> None:
        super().__init__()
        self.config = config
        parts: Any = _NewCore(config) if core is None else core
        self.embeddings = parts.embeddings
        self.encoder = parts.encoder
        self.pooler = parts.pooler
        if skim is None:
            skim = Skim(config)
            initialise(skim)
        self.skim = skim

    @classmethod
    def around(cls, core: nn.Module, skim: Skim | None = None, **options: Any) -> SkimmingMask:
        """A pre-trained encoder and a pre-trained skimming part, put together for fine-tuning.

        Args:
            core: a transformers BertModel or LayoutLMModel, or a model with a head on one; modules are shared, not
                copied.
            skim: ``Skimformer.skim``; a new one, of the sizes in ``options``, by default.
            options: further fields of ``SkimmingMaskConfig``, such as ``top_k``.

        Raises:
            InputError: another model, or numbers of heads that differ.
        """
        core = getattr(core, "base_model", core)
        sizes = getattr(core, "config", None)
        kind = getattr(sizes, "model_type", type(core).__name__)
        if sizes is None or kind not in CORES:
            raise InputError(f"the core is a {kind}; expected a transformers model of type {' or '.join(CORES)}")
        if skim is not None and skim.num_heads != sizes.num_attention_heads:
            raise InputError(
                f"skim-attention of {skim.num_heads} heads for an encoder of {sizes.num_attention_heads}: every head "
                "of the encoder has a mask of its own"
            )
        if sizes._attn_implementation not in (None, "eager", "sdpa"):
            raise InputError(
                f"the core's attention is {sizes._attn_implementation!r}, which takes no mask per head; load it with "
                'attn_implementation="sdpa"'
            )
        own = {name: getattr(skim.config, name) for name in _SKIM_FIELDS} if skim is not None else {}
        if kind == "layoutlm":
            rows = sizes.max_2d_position_embeddings
            own["max_2d_positions"] = min(rows, own.get("max_2d_positions", rows))
        config = SkimmingMaskConfig(
            vocab_size=sizes.vocab_size,
            type_vocab_size=sizes.type_vocab_size,
            dim=sizes.hidden_size,
            num_layers=sizes.num_hidden_layers,
            num_heads=sizes.num_attention_heads,
            hidden_dim=sizes.intermediate_size,
            max_length=sizes.max_position_embeddings,
            pooler=core.pooler is not None,
            core=kind,
            eps=sizes.layer_norm_eps,
            **own | options,
        )
        return cls(config, core, skim).train(core.training)

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The table (vocab_size, dim)."""
        return self.embeddings.word_embeddings

    def forward(
        self,
        input_ids: Tensor,
        bbox: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> DocumentOutput:
        """Encode documents.

        Args:
            input_ids: (batch, length) int, at most ``max_length`` tokens.
            bbox: (batch, length, 4) int, (x0, y0, x1, y1) in thousandths of the page.
            attention_mask: 1 for what is visible, (batch, length) or (batch, length, length).
            token_type_ids: (batch, length) int; 0 by default.

        Raises:
            InputError: ids or boxes that the tables do not have, a wrong shape, or too many tokens.
            MaskError: a mask of a wrong shape.
        """
        of_core = self.config.core == "layoutlm"
        bbox = needed(bbox) if of_core or self.skim.reads_boxes else None
        require_known_inputs(self.config, input_ids, bbox, token_type_ids)
        require_positions(input_ids.shape[1], self.config.max_length)
        # Which keys are kept is a hard choice, and half precision would keep others.
        with torch.autocast(input_ids.device.type, enabled=False):
            attention = self.skim(bbox, attention_mask, *input_ids.shape)
        mask = self._mask(attention, attention_mask)
        boxes = {"bbox": bbox} if of_core else {}
        hidden = self.embeddings(input_ids=input_ids, token_type_ids=token_type_ids, **boxes)
        hidden = encoded(self.encoder, hidden, mask)
        return DocumentOutput(hidden, attention, pool(self.pooler, hidden))

    def _mask(self, attention: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Additive, (batch, heads, length, length)."""
        chosen = keep_top(attention, self.config.top_k).to(attention.dtype)
        if attention_mask is not None:
            rows = attention_mask[:, None] if attention_mask.ndim == 3 else attention_mask[:, None, None]
            chosen = chosen * rows.to(chosen.dtype)
        return (1 - chosen) * HIDDEN


class _NewCore(nn.Module):
    """The parts of BertModel or LayoutLMModel, without the model around them."""

    def __init__(self, config: SkimmingMaskConfig) -> None:
        super().__init__()
        if config.core == "bert":
            modules, family, sizes = bert_modules(), "Bert", bert_config(config)
        else:
            modules = require("transformers.models.layoutlm.modeling_layoutlm", needed_by="skim-attention")
            family = "LayoutLM"
            sizes = modules.LayoutLMConfig(**bert_sizes(config), max_2d_position_embeddings=config.max_2d_positions)
        self.embeddings = getattr(modules, f"{family}Embeddings")(sizes)
        self.encoder = getattr(modules, f"{family}Encoder")(sizes)
        self.pooler = getattr(modules, f"{family}Pooler")(sizes) if config.pooler else None
        initialise(self)


class ProjectedBoxes(BoxTables):
    """Boxes (batch, length, 4) to (batch, length, dim): six embeddings, each projected by its axis, and summed."""

    def __init__(self, config: SkimEmbedConfig) -> None:
        super().__init__(config.max_2d_positions, config.layout_dim)
        self.projections = nn.ModuleDict({axis: nn.Linear(config.layout_dim, config.dim) for axis in self.tables})

    def forward(self, bbox: Tensor) -> Tensor:
        """Embed."""
        return reduce(torch.add, (self.projections[axis](term) for axis, term in self.terms(bbox)))


class BertWithSkimEmbed(nn.Module):
    """BERT whose embeddings also hold the box of the word."""

    def __init__(self, config: SkimEmbedConfig) -> None:
        super().__init__()
        self.config = config
        sizes = bert_config(config)
        self.embeddings = bert_modules().BertEmbeddings(sizes)
        self.layout_embeddings = ProjectedBoxes(config)
        self.encoder = bert_modules().BertEncoder(sizes)
        self.pooler = bert_modules().BertPooler(sizes) if config.pooler else None
        initialise(self)

    @property
    def word_embeddings(self) -> nn.Embedding:
        """The table (vocab_size, dim)."""
        return self.embeddings.word_embeddings

    def forward(
        self,
        input_ids: Tensor,
        bbox: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> DocumentOutput:
        """Encode documents; arguments and errors as for ``SkimmingMask``."""
        bbox = needed(bbox)
        require_known_inputs(self.config, input_ids, bbox, token_type_ids)
        batch, length = input_ids.shape
        require_positions(length, self.config.max_length)
        # BERT's embeddings add type and position to what they get, then normalise.
        hidden = self.word_embeddings(input_ids) + self.layout_embeddings(bbox)
        hidden = self.embeddings(inputs_embeds=hidden, token_type_ids=token_type_ids)
        mask = additive_mask(attention_mask, batch, length, hidden.dtype)
        hidden = encoded(self.encoder, hidden, mask)
        return DocumentOutput(hidden, None, pool(self.pooler, hidden))
