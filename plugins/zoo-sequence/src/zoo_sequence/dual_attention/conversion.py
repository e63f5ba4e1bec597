"""Published tensor names to ours, and recorded reference runs through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_sequence.dual_attention.attention import RelationalAttention
from zoo_sequence.dual_attention.config import DATConfig, NetworkConfig, ViDATConfig
from zoo_sequence.dual_attention.networks import DATLanguageModel, ViDAT
from zoo_sequence.dual_attention.symbols import PairSymbols

_RENAMES = (
    (r"^layers\.", ""),
    (r"^(?=blocks\.|symbol_retrievers\.)", "stack."),
    (r"^encoder_blocks\.", "stack.blocks."),
    (r"^symbol_retriever\.", "stack.symbol_retrievers.0."),
    # The three layers of the patch embedding follow a rearrangement that has no parameters.
    (r"^to_patch_embedding\.(\d)", lambda match: f"patch_embedding.{int(match[1]) - 1}"),
)


def convert(state: Mapping[str, Tensor], config: NetworkConfig) -> dict[str, Tensor]:
    """The authors' names (language model and ViDAT) to ours.

    A retriever that all layers share stands under one name or under each layer's. Without relational heads the
    authors' code keeps one that nothing reads; it is left out.
    """
    ours = renamed(state, _RENAMES)
    if config.relational:
        return ours
    return {name: tensor for name, tensor in ours.items() if not name.startswith("stack.symbol_retrievers.")}


def _language_model(run: Run) -> dict[str, Tensor]:
    config, inputs = run.config, run.inputs
    schema = DATConfig(
        **_common(config),
        vocab_size=config["vocab_size"],
        max_length=config["max_block_size"],
        rope=config.get("pos_enc_type", "RoPE") == "RoPE",
        shared_symbols=config.get("shared_symbol_retriever", True),
        tied_library=config.get("weight_tie_symbol_library", False),
        ff_bias=True,  # whatever config["bias"] says: the authors' language model does not pass it on
    )
    model = _as_recorded(zoo.fill(DATLanguageModel(schema), convert(run.state, schema)))
    logits = model(inputs["idx"])
    if "targets" not in inputs:
        return {"logits": logits}
    return {"logits": logits, "loss": functional.cross_entropy(logits.flatten(0, 1), inputs["targets"].flatten())}


def _vidat(run: Run) -> dict[str, Tensor]:
    schema = _vidat_config(run.config)
    return {"logits": _as_recorded(zoo.fill(ViDAT(schema), convert(run.state, schema)))(run.inputs["x"])}


def _as_recorded(module: nn.Module) -> nn.Module:
    """In eval mode, with softmax relations normalised over all tokens, seen or not: the authors' form."""
    for part in module.modules():
        if isinstance(part, RelationalAttention):
            part.normalise_hidden = True
    return module.eval()


def _vidat_config(config: Mapping[str, Any]) -> ViDATConfig:
    return ViDATConfig(
        **_common(config),
        image_shape=list(config["image_shape"]),
        patch_shape=list(config["patch_size"]),
        num_classes=config["num_classes"],
        pool=config.get("pool", "cls"),
        ff_bias=config.get("bias", True),
    )


def _common(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that both networks have, from the authors' arguments."""
    sensory, relational = config.get("sa_kwargs") or {}, config.get("ra_kwargs") or {}
    symbols = config.get("symbol_retrieval_kwargs") or {}
    retrieval = config.get("symbol_retrieval") or "symbolic_attention"
    fields = {
        "dim": config["d_model"],
        "num_layers": config["n_layers"],
        "num_heads": config["n_heads_sa"] + config["n_heads_ra"],
        "num_relational_heads": config["n_heads_ra"],
        "num_kv_heads": sensory.get("n_kv_heads"),
        "num_relational_kv_heads": relational.get("n_kv_heads"),
        "num_relations": relational.get("n_relations"),
        "relation_activation": relational.get("rel_activation", "identity"),
        "symmetric_relations": relational.get("symmetric_rels", False),
        "share_attention": config.get("share_attn_params", False),
        "symbol_retrieval": retrieval,
        "hidden_dim": config.get("dff"),
        "activation": config.get("activation", "relu"),
        "norm": config.get("norm_type", "layernorm"),
        "pre_norm": config.get("norm_first", True),
        "dropout": config.get("dropout_rate", 0.0),
    }
    if not config["n_heads_ra"]:
        return fields  # nothing reads symbols
    if retrieval == "symbolic_attention":
        fields |= {
            "symbol_heads": symbols.get("n_heads"),
            "num_symbols": symbols.get("n_symbols", 1),
            "trainable_symbols": symbols.get("trainable_symbols", True),
        }
    elif retrieval == "position_relative":
        fields["max_distance"] = symbols["max_rel_pos"]
    else:
        fields["symbol_length"] = symbols["max_length"]
    return fields


def _relational_attention(run: Run) -> dict[str, Tensor]:
    config, inputs = run.config, run.inputs
    heads = config["n_heads"]
    layer = RelationalAttention(
        config["d_model"],
        heads,
        config["d_model"] // (config.get("total_n_heads") or heads),
        num_kv_heads=config.get("n_kv_heads"),
        num_relations=config.get("n_relations"),
        relation_dim=config.get("rel_proj_dim"),
        activation=config.get("rel_activation", "identity"),
        symmetric=config.get("symmetric_rels", False),
        causal=run.call.get("is_causal", False),
    )
    _as_recorded(zoo.fill(layer, run.state))
    x, symbols = inputs["x"], inputs["symbols"]
    pairs = PairSymbols.explicit(symbols) if config.get("use_relative_positional_symbols") else symbols
    return {
        "out": layer(x, pairs),
        "attn": layer.attention(x),
        "relations": layer.relations(x).permute(0, 2, 3, 1),
    }


replay = replay_of({"dat-lm": _language_model, "vidat": _vidat, "relational-attention": _relational_attention})
