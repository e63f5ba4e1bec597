"""Published tensor names to ours, and recorded reference runs through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import Rules, renamed
from zoo_sequence.moh.attention import MoHAttention
from zoo_sequence.moh.config import MoHConfig, MoHDiTConfig, MoHViTConfig, QueryNormConfig
from zoo_sequence.moh.dit import MoHDiT
from zoo_sequence.moh.llama import QueryNormAttention
from zoo_sequence.moh.routing import Routing, balance_loss
from zoo_sequence.moh.vit import MoHViT

_ROUTER = {"wg": "router.pool", "wg_0": "router.balance", "wg_1": "router.shared"}

# Stages count from one in the published names.
_RENAMES: Rules = (
    (r"\b(wg(?:_[01])?)\.weight$", lambda match: f"{_ROUTER[match[1]]}.weight"),
    (r"^patch_embed(\d+)\.", lambda match: f"stages.{int(match[1]) - 1}.patch_embed."),
    (r"^block(\d+)\.(\d+)\.", lambda match: f"stages.{int(match[1]) - 1}.blocks.{match[2]}."),
    (r"^norm(\d+)\.", lambda match: f"stages.{int(match[1]) - 1}.norm."),
    (r"\.dwconv\.dwconv\.", ".dwconv."),
    (r"^y_embedder\.embedding_table\.", "y_embedder."),
    (r"^t_embedder\.mlp\.0\.", "t_embedder.mlp.fc1."),
    (r"^t_embedder\.mlp\.2\.", "t_embedder.mlp.fc2."),
    (r"\badaLN_modulation\.1\.", "adaln."),
)


def convert(state: Mapping[str, Tensor], config: Any = None) -> dict[str, Tensor]:
    """The authors' names (layer, MoH-ViT and MoH-DiT) to ours; Llama's names are ours already."""
    return renamed(state, _RENAMES)


def _filled(module: nn.Module, run: Run) -> nn.Module:
    return zoo.fill(module, convert(run.state)).eval()


def _attention(run: Run) -> dict[str, Tensor]:
    config = run.config
    own = MoHConfig(
        dim=config["dim"],
        num_heads=config["num_heads"],
        head_dim=config.get("head_dim"),
        shared_heads=config["shared_head"],
        routed_heads=config["routed_head"],
        bias=config["qkv_bias"],
    )
    routings: list[Routing] = []
    output = _filled(MoHAttention(own), run)(run.inputs["x"], routings=routings)
    return {"out": output, "balance_loss": balance_loss(routings, coefficient=1.0)}


def _llama_attention(run: Run) -> dict[str, Tensor]:
    config = run.config
    own = QueryNormConfig(
        dim=config["hidden_size"],
        num_heads=config["num_attention_heads"],
        num_kv_heads=config["num_key_value_heads"],
        rope_theta=config["rope_theta"],
        shared_fraction=config["shared_fraction"],
        activated_fraction=config["activated_fraction"],
    )
    return {"out": _filled(QueryNormAttention(own), run)(run.inputs["hidden_states"])}


def _dit(run: Run) -> dict[str, Tensor]:
    config = run.config
    own = MoHDiTConfig(
        input_size=config["input_size"],
        patch_size=config["patch_size"],
        in_channels=config["in_channels"],
        dim=config["hidden_size"],
        num_layers=config["depth"],
        num_heads=_per_layer(config["num_heads"]),
        head_dim=config.get("head_dim"),
        shared_heads=_per_layer(config["shared_head"]),
        routed_heads=_per_layer(config["routed_head"]),
        mlp_ratio=config["mlp_ratio"],
        num_classes=config["num_classes"],
        learn_sigma=config["learn_sigma"],
        gated=config["moh"],
    )
    inputs = run.inputs
    return {"out": _filled(MoHDiT(own), run)(inputs["x"], inputs["t"], inputs["y"])}


def _per_layer(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


def _vit(run: Run) -> dict[str, Tensor]:
    config = run.config
    own = MoHViTConfig(
        image_size=config["img_size"],
        patch_size=config["patch_size"],
        num_classes=config["num_classes"],
        dims=config["embed_dims"],
        num_heads=config["num_heads"],
        shared_heads=config["shared_head"],
        routed_heads=config["routed_head"],
        mlp_ratios=config["mlp_ratios"],
        depths=config["depths"],
        sr_ratios=config["sr_ratios"],
        window_sizes=config["window_size"],
        bias=config["qkv_bias"],
    )
    model = _filled(MoHViT(own), run)
    assert isinstance(model, MoHViT)
    features = model.features(run.inputs["x"])
    return {"features": features, "logits": model.head(features)}


replay = replay_of(
    {
        "moh-attention": _attention,
        "moh-llama-attention": _llama_attention,
        "moh-dit": _dit,
        "moh-vit": _vit,
    }
)
