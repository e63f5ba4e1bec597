"""TensorFlow's names and layouts, and the replay of recordings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.errors import CheckpointMismatch
from zoo.evidence.replay import Run, replay_of
from zoo_vision.msi_net import saliency
from zoo_vision.msi_net.config import MSINetConfig
from zoo_vision.msi_net.network import MSINet, scaled

_CONTEXT = {"1": "point", "2": "dilated.0", "3": "dilated.1", "4": "dilated.2", "5": "whole"}


def _own_name(name: str) -> str | None:
    """Ours for a TensorFlow layer, None for anything else."""
    if found := re.fullmatch(r"conv(\d)/conv\1_(\d)", name):
        return f"encoder.stages.{int(found[1]) - 1}.{int(found[2]) - 1}"
    if found := re.fullmatch(r"aspp/conv1_(\d)", name):
        return f"context.{_CONTEXT[found[1]]}" if found[1] in _CONTEXT else None
    if name == "aspp/conv2":
        return "context.mix"
    if found := re.fullmatch(r"decoder/conv(\d)", name):
        return "head" if found[1] == "4" else f"decoder.{int(found[1]) - 1}"
    return None


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """TensorFlow's variables to ours: kernels (h, w, in, out) become (out, in, h, w). Our own names stay.

    Raises:
        CheckpointMismatch: two names stand for one tensor.
    """
    converted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        layer, _, kind = name.removesuffix(":0").rpartition("/")
        own = _own_name(layer)
        target = name if own is None else f"{own}.{'weight' if kind == 'kernel' else 'bias'}"
        if target in converted:
            raise CheckpointMismatch(f"{name} stands for {target}, which another name has taken")
        converted[target] = tensor.permute(3, 2, 0, 1) if own is not None and kind == "kernel" else tensor
    return converted


def _network(run: Run) -> dict[str, Tensor]:
    *decoder, _ = run.config["decoder_channels"]
    config = MSINetConfig(
        encoder_channels=list(run.config["encoder_channels"]),
        context_channels=run.config["aspp_channels"],
        decoder_channels=decoder,
    )
    model = MSINet(config).eval()
    zoo.fill(model, convert(run.state, config))
    # The authors' graph does not pad: of sides that are no multiple of 8 its maps lack the rest.
    raw = model.unpadded(run.inputs["images"].permute(0, 3, 1, 2))
    outputs = {"decoder_raw": raw, "saliency": scaled(raw)}
    answers = {name: maps.permute(0, 2, 3, 1) for name, maps in outputs.items()}
    if "ground_truth" in run.inputs:
        answers["kld"] = saliency.loss(outputs["saliency"], run.inputs["ground_truth"].permute(0, 3, 1, 2))
    return answers


replay = replay_of({"msi-net": _network})
