"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.yolo9tr.attention import MapAttention, PartialSelfAttention
from zoo_vision.yolo9tr.blocks import RepNCSPELAN4
from zoo_vision.yolo9tr.config import BLOCKS, DOWN, POOLS, PartialSelfAttentionConfig, YOLO9trConfig
from zoo_vision.yolo9tr.network import DETECT, YOLO9tr

# Blocks that were recorded bare have the norms of PyTorch: the authors' builder had not changed them yet.
_BARE_EPS = 1e-5
_AUTHORS = {
    "nc": "num_classes",
    "reg_max": "reg_max",
    "box_branch_width": "box_branch",
    "cls_branch_width": "class_branch",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; those of a YOLOv9-s without attention have its heads at 29, ours at 32."""
    rules = [(r"^module\.", "")]
    if any(name.removeprefix("module.").startswith("model.29.cv4.") for name in state):
        rules.append((r"^model\.29\.", f"model.{DETECT}."))
    return renamed(state, rules)


def config_of(recorded: Mapping[str, Any]) -> YOLO9trConfig:
    """Our config of the authors' rows [index, type, arguments]."""
    rows = {int(index): arguments for index, _, arguments in recorded["layers"]}
    columns = {"block_channels": 0, "split_channels": 1, "inner_channels": 2}
    fields: dict[str, Any] = {own: recorded[word] for word, own in _AUTHORS.items() if word in recorded}
    fields |= {name: [rows[place][column] for place in BLOCKS] for name, column in columns.items()}
    return YOLO9trConfig(
        stem_channels=[rows[0][0], rows[1][0]],
        bottlenecks=[rows[place][3] for place in BLOCKS[1:]],
        down_channels=[rows[place][0] for place in DOWN],
        pool_channels=[rows[place][0] for place in POOLS],
        pool_inner=[rows[place][1] for place in POOLS],
        **fields,
    )


def _network(run: Run) -> dict[str, Tensor]:
    config = config_of(run.config)
    model = YOLO9tr(config).eval()
    zoo.fill(model, convert(run.state, config))
    aux, main = model.raw(run.inputs["x"])
    decoded = model.decode(aux, main)
    outputs = {"aux_pred": decoded.aux, "main_pred": decoded.main}
    for name, raw in (("aux", aux), ("main", main)):
        outputs |= {f"{name}_raw{level}": answers for level, answers in enumerate(raw)}
    return outputs


def _block(run: Run) -> dict[str, Tensor]:
    config = PartialSelfAttentionConfig(dim=run.config["c1"], expansion=run.config.get("e", 0.5), eps=_BARE_EPS)
    block = PartialSelfAttention(config).eval()
    zoo.fill(block, run.state)
    return {"y": block(run.inputs["x"])}


def _attention(run: Run) -> dict[str, Tensor]:
    recorded = run.config
    attention = MapAttention(recorded["dim"], recorded["num_heads"], recorded.get("attn_ratio", 0.5), _BARE_EPS).eval()
    zoo.fill(attention, run.state)
    return {"y": attention(run.inputs["x"])}


def _gelan(run: Run) -> dict[str, Tensor]:
    before, after, split, inner, bottlenecks = (run.config[f"c{index}"] for index in range(1, 6))
    block = RepNCSPELAN4(before, after, split, inner, bottlenecks, _BARE_EPS).eval()
    zoo.fill(block, run.state)
    return {"y": block(run.inputs["x"])}


replay = replay_of({"yolo9tr": _network, "psa": _block, "psa-attention": _attention, "repncspelan4": _gelan})
