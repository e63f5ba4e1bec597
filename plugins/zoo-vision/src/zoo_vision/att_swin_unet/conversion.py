"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.errors import CheckpointMismatch, InputError
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.att_swin_unet.config import STAGES, AttSwinUNetConfig, CrossContextualConfig
from zoo_vision.att_swin_unet.cross_contextual import CrossContextualAttention
from zoo_vision.att_swin_unet.network import AttSwinUNet

_RULES = (
    (r"^module\.", ""),
    (r"(layers\.\d+\.\d+)\.fn\.norm\.", r"\1.norm."),
    (r"(layers\.\d+\.\d+)\.fn\.fn\.to_out\.0\.", r"\1.to_out."),
    (r"(layers\.\d+\.\d+)\.fn\.fn\.", r"\1."),
)
_BUFFERS = ("attn_mask", "relative_position_index")
_FIELDS = {
    "image_size": "image_size",
    "patch_size": "patch_size",
    "in_chans": "in_channels",
    "embed_dim": "embed_dim",
    "depths": "depths",
    "num_heads": "num_heads",
    "window_size": "window_size",
    "mlp_ratio": "mlp_ratio",
    "qkv_bias": "qkv_bias",
    "mode": "mode",
    "num_classes": "num_classes",
    "cross_heads": "cross_heads",
    "cross_dim_head": "cross_head_dim",
    "cross_depth": "cross_depth",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names to ours; masks and indices, which follow from the config, are left out."""
    return renamed({name: value for name, value in state.items() if not name.endswith(_BUFFERS)}, _RULES)


def start_from_swin(model: AttSwinUNet, state: Mapping[str, Tensor]) -> list[str]:
    """Put a Swin classifier's weights into the encoder and the mirrored decoder, as the authors start training.

    Args:
        model: of the classifier's widths, for instance the default for Swin-T.
        state: under Swin's names (``patch_embed.*``, ``layers.S.*``, ``norm.*``), for instance of
            swin_tiny_patch4_window7_224.pth; its head is left out, and so are blocks that the model lacks.

    Returns:
        Names of the model's tensors that were set.

    Raises:
        CheckpointMismatch: a tensor is of another shape, or the state holds no Swin encoder.
    """
    own = model.state_dict()
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        targets = [f"encoder.{name}"]
        if stage := re.match(r"layers\.([0-2])\.blocks\.", name):
            targets.append(f"decoder.layers_up.{STAGES - 1 - int(stage[1])}{name[len('layers.0') :]}")
        found |= {target: tensor for target in targets if target in own}
    if not found:
        raise CheckpointMismatch("no tensor of a Swin encoder; expected names like layers.0.blocks.0.attn.qkv.weight")
    for name, tensor in found.items():
        if own[name].shape != tensor.shape:
            raise CheckpointMismatch(f"{name} is {list(own[name].shape)} here and {list(tensor.shape)} in the state")
    with torch.no_grad():
        for name, tensor in found.items():
            own[name].copy_(tensor)
    return sorted(found)


def _config(run: Run) -> AttSwinUNetConfig:
    fields = run.fields(_FIELDS)
    recorded = run.config
    skips = recorded.get("skip_num", "3")
    # The code compares with strings: a number matches none of them.
    fields["skip_num"] = int(skips) if isinstance(skips, str) else 0
    transfer = {"0": "off", "1": "code"}
    spatial = str(recorded.get("spatial_attention", "0"))
    if spatial not in transfer:
        raise InputError(f"spatial_attention {spatial!r} of a recording; expected '0' or '1'")
    fields["spatial_attention"] = transfer[spatial]
    fields["combine"] = "add" if recorded.get("operationaddatten", "+") == "+" else "multiply"
    return AttSwinUNetConfig(**fields)


def _network(run: Run) -> dict[str, Tensor]:
    config = _config(run)
    model = AttSwinUNet(config).eval()
    unused = {f"patch_embed.{name}": value for name, value in model.patch_embed.state_dict().items()}
    zoo.fill(model, {**unused, **convert(run.state, config)})
    return {"logits": model(run.inputs["x"])}


def _cross_contextual(run: Run) -> dict[str, Tensor]:
    own = {"dim": "dim", "heads": "num_heads", "dim_head": "head_dim", "depth": "depth"}
    config = CrossContextualConfig(**run.fields(own))
    attention = CrossContextualAttention(config).eval()
    zoo.fill(attention, convert(run.state, config))
    x, skip = attention(run.inputs["x"], run.inputs["skip"])
    return {"x": x, "skip": skip}


replay = replay_of({"att-swin-unet": _network, "cross-contextual": _cross_contextual})
