"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_activity.spikmamba.config import SpikMambaConfig, SpikMambaSSMConfig
from zoo_activity.spikmamba.network import SpikMamba, SpikMambaSSM
from zoo_activity.spikmamba.neurons import lif, settings_of

_SHARED = {
    "img_size": "image_size",
    "patch_size": "patch_size",
    "embed_dim": "dim",
    "num_heads": "num_heads",
    "depth": "depth",
    "num_frames": "num_frames",
    "num_classes": "num_classes",
    "mlp_ratio": "mlp_ratio",
    "in_channels": "in_channels",
    "tau": "tau",
    "v_threshold": "v_threshold",
    "v_reset": "v_reset",
    "lif_axis": "lif_axis",
}
_SSM = {
    **_SHARED,
    "mamba_layers": "mamba_layers",
    "d_state": "state_size",
    "d_conv": "conv_kernel",
    "expand": "expand",
    "dt_rank": "dt_rank",
    "rms_eps": "rms_eps",
}
# The authors' modules hold these, and no forward pass of theirs reads them.
_UNUSED = re.compile(r"sps_patch_embed\.|norm\.|.*\.mlp\.fc\d_bn\.|.*\.to2\.|.*\.rope\.rotations$")


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The authors' names are ours; what their forward pass does not read is left out."""
    found = renamed(state, ((r"^module\.", ""),))
    return {name: tensor for name, tensor in found.items() if not _UNUSED.match(name)}


def _of(run: Run, own: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a recording; it is of the authors' code, where one membrane runs through the batch."""
    fields = {"lif_axis": "leading", **run.fields(own)}
    if fields.get("dt_rank") in ("auto", None):
        fields.pop("dt_rank", None)
    return fields


def _shared(run: Run, model: SpikMamba) -> dict[str, Tensor]:
    outputs, frames = {}, model.config.num_frames
    if "x" in run.inputs:
        outputs["logits"] = model(run.inputs["x"])
    if "z" in run.inputs:
        outputs["block0"] = model.blocks[0](run.inputs["z"], frames)[0]
    return outputs


def _sla(run: Run) -> dict[str, Tensor]:
    config = SpikMambaConfig(**_of(run, _SHARED))
    model = SpikMamba(config).eval()
    zoo.fill(model, convert(run.state, config))
    outputs = _shared(run, model)
    if "x" in run.inputs:
        outputs["patch_spikes"] = model.patch_embed(run.inputs["x"])[0]
    if "z" in run.inputs:
        attention = model.blocks[0].attn
        outputs["qk_spikes"] = attention.spikes(run.inputs["z"], config.num_frames)[0]
        outputs["attn"] = attention(run.inputs["z"], config.num_frames)[0]
    if "lif_x" in run.inputs:
        outputs["lif_spikes"] = lif(run.inputs["lif_x"], **settings_of(config))[0]
    return outputs


def _ssm(run: Run) -> dict[str, Tensor]:
    config = SpikMambaSSMConfig(**_of(run, _SSM))
    model = SpikMambaSSM(config).eval()
    zoo.fill(model, convert(run.state, config))
    outputs = _shared(run, model)
    if "h" in run.inputs:
        outputs["bimamba"] = model.mamba_layers[0].get_submodule("mixer")(run.inputs["h"])
    return outputs


replay = replay_of({"spikmamba-sla": _sla, "spikmamba-ssm": _ssm})
