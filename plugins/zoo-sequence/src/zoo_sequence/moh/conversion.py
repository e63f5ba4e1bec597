"""Published tensor names to ours, and recorded reference runs through them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

import zoo
from zoo.errors import InputError
from zoo_sequence.moh.attention import MoHAttention
from zoo_sequence.moh.config import MoHConfig, MoHDiTConfig, MoHViTConfig, QueryNormConfig
from zoo_sequence.moh.dit import MoHDiT
from zoo_sequence.moh.llama import QueryNormAttention
from zoo_sequence.moh.routing import Routing, balance_loss
from zoo_sequence.moh.vit import MoHViT

_ROUTER = {"wg": "router.pool", "wg_0": "router.balance", "wg_1": "router.shared"}

# The first matching rules of each kind are applied in order; stages count from one in the published names.
_RENAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
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
    return {_rename(name): tensor for name, tensor in state.items()}


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Components ``moh-attention``, ``moh-llama-attention``, ``moh-dit`` and ``moh-vit``."""
    if component not in _COMPONENTS:
        raise InputError(f"no component {component!r}; there are: {', '.join(_COMPONENTS)}")
    build, run = _COMPONENTS[component]
    module = zoo.fill(build(config), convert(state))
    return run(module.eval(), inputs)


def _attention(config: Mapping[str, Any]) -> nn.Module:
    return MoHAttention(
        MoHConfig(
            dim=config["dim"],
            num_heads=config["num_heads"],
            head_dim=config.get("head_dim"),
            shared_heads=config["shared_head"],
            routed_heads=config["routed_head"],
            bias=config["qkv_bias"],
        )
    )


def _run_attention(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    routings: list[Routing] = []
    output = module(inputs["x"], routings=routings)
    return {"out": output, "balance_loss": balance_loss(routings, coefficient=1.0)}


def _llama_attention(config: Mapping[str, Any]) -> nn.Module:
    return QueryNormAttention(
        QueryNormConfig(
            dim=config["hidden_size"],
            num_heads=config["num_attention_heads"],
            num_kv_heads=config["num_key_value_heads"],
            rope_theta=config["rope_theta"],
            shared_fraction=config["shared_fraction"],
            activated_fraction=config["activated_fraction"],
        )
    )


def _dit(config: Mapping[str, Any]) -> nn.Module:
    return MoHDiT(
        MoHDiTConfig(
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
    )


def _per_layer(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


def _vit(config: Mapping[str, Any]) -> nn.Module:
    return MoHViT(
        MoHViTConfig(
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
    )


def _run_vit(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    assert isinstance(module, MoHViT)
    features = module.features(inputs["x"])
    return {"features": features, "logits": module.head(features)}


_COMPONENTS: Mapping[
    str,
    tuple[
        Callable[[Mapping[str, Any]], nn.Module],
        Callable[[nn.Module, Mapping[str, Tensor]], dict[str, Tensor]],
    ],
] = {
    "moh-attention": (_attention, _run_attention),
    "moh-llama-attention": (_llama_attention, lambda module, inputs: {"out": module(inputs["hidden_states"])}),
    "moh-dit": (_dit, lambda module, inputs: {"out": module(inputs["x"], inputs["t"], inputs["y"])}),
    "moh-vit": (_vit, _run_vit),
}
