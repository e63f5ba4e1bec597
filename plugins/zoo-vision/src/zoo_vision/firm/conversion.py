"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.firm import losses
from zoo_vision.firm.config import FIRMConfig, GuidanceConfig
from zoo_vision.firm.guidance import GuidanceBlock
from zoo_vision.firm.network import FIRM

_FIELDS = {
    "width": "width",
    "enc_blk_nums": "encoder_blocks",
    "middle_blk_num": "middle_blocks",
    "dec_blk_nums": "decoder_blocks",
    "heads": "num_heads",
    "ffn_dim": "hidden_dim",
    "local_train_size": "local_train_size",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names, whose channel gate is a sequence within its block, and maybe a ``module.`` in front."""
    return renamed(state, ((r"^module\.", ""), (r"(?<!gate)\.sca\.", ".gate.sca.")))


def _network(run: Run) -> dict[str, Tensor]:
    config = FIRMConfig(**run.fields(_FIELDS))
    model = FIRM(config).eval()
    zoo.fill(model, convert(run.state, config))
    found = model.padded(run.inputs["x"])
    return {"transmission": found.transmission, "reflection": found.reflection}


def _guidance(run: Run) -> dict[str, Tensor]:
    recorded = run.config
    config = GuidanceConfig(recorded["embed_dim"], recorded["heads"], recorded["ffn_dim"], recorded.get("dropout", 0.1))
    block = GuidanceBlock(config).eval()
    zoo.fill(block, run.state)
    return {"y": block(run.inputs["feature_map"], run.inputs["mask"])}


def _losses(run: Run) -> dict[str, Tensor]:
    inputs, weights = run.inputs, run.config["pixel_weights"]
    transmission, reflection = inputs["transmission"], inputs["reflection"]
    return {
        "t_pixel": losses.pixel_loss(transmission, inputs["transmission_gt"], weights),
        "r_pixel": losses.pixel_loss(reflection, inputs["reflection_gt"], weights),
        "exclusion": losses.exclusion_loss(transmission, reflection, run.config["levels"]),
        "ssim_loss": losses.structural_loss(transmission, inputs["transmission_gt"], run.config["ssim_window"]),
    }


replay = replay_of({"firm": _network, "guidance-block": _guidance, "losses": _losses})
