"""The authors' tensor names to ours, and recorded reference runs through them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_sequence.skim_attention.config import DocumentConfig, SkimformerConfig, SkimmingMaskConfig
from zoo_sequence.skim_attention.heads import build_skimformer, build_skimming_mask

_RENAMES = (
    (r"^(skimformer|backbone)\.", ""),
    (r"^two_dim_pos_embeddings\.([xyhw])_position_embeddings\.", r"skim.layout_embeddings.tables.\1."),
    (r"^two_dim_pos_embeddings\.", "skim.layout_embeddings."),
    (r"^layout_encoder\.", "skim.layout_encoder."),
    (r"^skim_attention\.(query|key)\.", r"skim.\1."),
)
# In the layers of SkimmingMask, which are BERT's, the name stays.
_SKIMFORMER_RENAMES = (*_RENAMES, (r"^(encoder\.layer\.\d+\.attention)\.self\.value\.", r"\1.value."))
_HEADS = {"cls.": "mlm", "classifier.": "token-classification"}


def convert(state: Mapping[str, Tensor], config: DocumentConfig) -> dict[str, Tensor]:
    """The authors' names of Skimformer and SkimmingMask to ours; ours stay.

    A pooler, a head or tables of widths and heights that the config does not ask for are left out, so that a published
    masked language model also fills a bare backbone. The MLM decoder's matrix and bias stand under two names each.
    """
    ours = renamed(state, _SKIMFORMER_RENAMES if isinstance(config, SkimformerConfig) else _RENAMES)
    placed = {}
    for name, tensor in ours.items():
        if _asked_for(name, config):
            of_head = name.startswith(tuple(_HEADS))
            placed[name if of_head or config.head == "none" else f"backbone.{name}"] = tensor
    return placed


def _asked_for(name: str, config: DocumentConfig) -> bool:
    if name.endswith(".position_ids"):
        return False
    if name.startswith("pooler."):
        return config.pooler
    if getattr(config, "degrade_2d_positions", False) and re.match(r"skim\.layout_embeddings\.tables\.[hw]\.", name):
        return False
    return all(config.head == head for prefix, head in _HEADS.items() if name.startswith(prefix))


def _sizes(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Any]:
    contextualised = config.get("contextualize_2d_positions", False)
    bare = {re.sub(r"^skimformer\.", "", name): tensor for name, tensor in state.items()}
    sizes = {
        "vocab_size": config["vocab_size"],
        "dim": config["hidden_size"],
        "layout_dim": config["hidden_layout_size"],
        "num_layers": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "skim_head_dim": config["skim_attention_head_size"],
        "hidden_dim": config["intermediate_size"],
        "num_layout_layers": config.get("num_hidden_layers_layout_encoder", 2) if contextualised else 0,
        "num_layout_heads": config.get("num_attention_heads_layout_encoder", 12),
        "head": next((head for prefix, head in _HEADS.items() if any(n.startswith(prefix) for n in bare)), "none"),
        "pooler": "pooler.dense.weight" in bare,
    }
    optional = {
        "max_position_embeddings": "max_length",
        "max_2d_position_embeddings": "max_2d_positions",
        "layer_norm_eps": "eps",
        "type_vocab_size": "type_vocab_size",
        "degrade_2d_positions": "degrade_2d_positions",
        "use_1d_positions": "use_1d_positions",
    }
    sizes |= {ours: config[theirs] for theirs, ours in optional.items() if theirs in config}
    for name, tensor in bare.items():
        if name.endswith("token_type_embeddings.weight"):
            sizes["type_vocab_size"] = tensor.shape[0]
        if name == "classifier.weight":
            sizes["num_classes"] = tensor.shape[0]
    return sizes


def _document(run: Run, model: nn.Module, config: DocumentConfig, attention: str) -> dict[str, Tensor]:
    """Outputs of a model; head and pooler are there when their tensors are."""
    output = zoo.fill(model, convert(run.state, config)).eval()(**run.inputs)
    found = {
        "last_hidden_state": output.last_hidden_state,
        attention: output.attention,
        "pooler_output": output.pooler_output,
        "mlm_logits" if config.head == "mlm" else "logits": output.logits,
    }
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def _skimformer(run: Run) -> dict[str, Tensor]:
    own = SkimformerConfig(**_sizes(run.config, run.state), head_dim=run.config.get("attention_head_size"))
    return _document(run, build_skimformer(own), own, "attentions")


def _skimming_mask(run: Run) -> dict[str, Tensor]:
    core, top_k = run.config.get("core_model_type", "bert"), run.config["top_k"]
    own = SkimmingMaskConfig(**_sizes(run.config, run.state), core=core, top_k=top_k)
    return _document(run, build_skimming_mask(own), own, "skim_attention")


replay = replay_of({"skimformer": _skimformer, "skimming-mask": _skimming_mask})
