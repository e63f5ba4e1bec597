"""The names of published checkpoints, and the replay of recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_vision.context_cluster.cluster import Cluster
from zoo_vision.context_cluster.config import ClusterConfig, ContextClusterConfig
from zoo_vision.context_cluster.network import ContextCluster

_FIELDS = {
    "layers": "depths",
    "embed_dims": "dims",
    "mlp_ratios": "mlp_ratios",
    "heads": "num_heads",
    "head_dim": "head_dims",
    "proposal_w": "centre_rows",
    "proposal_h": "centre_columns",
    "fold_w": "region_rows",
    "fold_h": "region_columns",
    "downsamples": "reducers",
    "down_patch_size": "reducer_kernel",
    "down_pad": "reducer_padding",
    "num_classes": "num_classes",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours. MLPs of the first release are 1 x 1 convolutions: their last two axes go."""
    found = renamed(state, ((r"^module\.", ""),))
    return {
        name: tensor.flatten(1) if ".mlp.fc" in name and tensor.ndim == 4 else tensor for name, tensor in found.items()
    }


def _network(run: Run) -> dict[str, Tensor]:
    config = ContextClusterConfig(**run.fields(_FIELDS))
    model = ContextCluster(config).eval()
    zoo.fill(model, convert(run.state, config))
    features = model.stage_maps(run.inputs["x"])[-1]
    return {"features": features, "logits": model.head(model.norm(features).mean((2, 3)))}


def _cluster(run: Run) -> dict[str, Tensor]:
    recorded = run.config
    config = ClusterConfig(
        recorded["dim"],
        recorded["out_dim"],
        recorded["heads"],
        recorded["head_dim"],
        [recorded["proposal_w"], recorded["proposal_h"]],
        [recorded["fold_w"], recorded["fold_h"]],
    )
    operator = Cluster(config).eval()
    zoo.fill(operator, convert(run.state, config))
    return {"y": operator(run.inputs["x"])}


replay = replay_of({"coc": _network, "cluster": _cluster})
