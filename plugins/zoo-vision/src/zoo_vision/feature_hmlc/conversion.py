"""The replay of recordings; there are no published weights."""

from __future__ import annotations

from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_vision.feature_hmlc.baseline import HMCE
from zoo_vision.feature_hmlc.config import HMCEConfig
from zoo_vision.feature_hmlc.contrast import same_prefix, supervised_contrast

_FIELDS = {"temperature": "temperature", "base_temperature": "base_temperature"}


def _baseline(run: Run) -> dict[str, Tensor]:
    features, labels = run.inputs["features"], run.inputs["labels"]
    answers = {}
    for kind in ("hmc", "hce", "hmce"):
        answers[kind] = HMCE(HMCEConfig(kind, **run.fields(_FIELDS))).loss(features, labels).total
    config = HMCEConfig(**run.fields(_FIELDS))
    for columns in range(1, labels.shape[1]):
        answers[f"supcon_prefix{columns}"] = supervised_contrast(
            features, same_prefix(labels, columns), config.temperature, config.base_temperature
        )
    return answers


replay = replay_of({"hmlc-baseline": _baseline})
