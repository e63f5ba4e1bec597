"""The replay of recorded recalls, fits and head scores; a probe has no checkpoints to convert."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.bridges.transformers.recorded import recorded_model
from zoo.evidence.replay import Run, replay_of
from zoo_interpret.cmr_heads.ablation import token_losses
from zoo_interpret.cmr_heads.fitting import fit
from zoo_interpret.cmr_heads.heads import copying_scores, lag_curves
from zoo_interpret.cmr_heads.recall import (
    ENDED,
    Array,
    associations,
    closed_crp,
    has_closed_form,
    simulate,
    simulated_crp,
)


def _in_turn(
    matrix: Array, retrieval: float, pre_experimental: float, start: int, shape: tuple[int, int], seed: int
) -> NDArray[np.int64]:
    """Recalls run after run, each taking as many random numbers as it has steps, as the reference draws them."""
    runs, samples = shape
    stream = np.random.RandomState(seed).random_sample(runs * samples)
    found, used = [], 0
    for _ in range(runs):
        recalled = simulate(matrix, retrieval, pre_experimental, np.array([start]), stream[used : used + samples][None])
        # The step that reaches the absorbing state draws a number too.
        used += min(int((recalled != ENDED).sum()) + 1, samples)
        found.append(recalled[0])
    return np.stack(found)


def _cmr(run: Run) -> dict[str, Tensor]:
    """Associations, curves, fits, and the scores of a recorded model's heads."""
    config, inputs = run.config, run.inputs
    outputs: dict[str, NDArray[Any]] = {}
    curves = []
    for index, (encoding, retrieval, pre_experimental, start) in enumerate(config["crp_params"]):
        start = int(start)
        matrix = associations(config["n_items"], encoding)
        outputs[f"assoc{index}"] = matrix[:6, :8]
        if has_closed_form(retrieval, pre_experimental):
            curves.append(closed_crp(matrix, retrieval, start, config["max_lag"]))
        else:
            shape = (config["n_experiments"], config["max_samples"])
            recalls = _in_turn(matrix, retrieval, pre_experimental, start, shape, config["numpy_seed_before_each"])
            outputs[f"samples{index}"] = recalls[:3]
            curves.append(simulated_crp(recalls, start, config["max_lag"]))
        outputs[f"crp{index}"] = curves[-1]
    fitted = fit(inputs["fit_attention"].double().numpy(), np.array(curves), config["select_range"])
    outputs |= {"fit_mse": fitted.distances, "fit_scale": fitted.scales, "fit_best": fitted.best()}
    tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in outputs.items()}
    model = recorded_model(config, run.state)
    tensors |= lag_curves(model, inputs["input_ids"], config["max_lag"]).arrays()
    copying = copying_scores(model)
    assert copying is not None
    # The last is the recording's own consistency figure, the size of a rounding error.
    own = {"token_loss": token_losses(model, inputs["input_ids"])[0], "attention_scores_check": torch.zeros(1)}
    return tensors | {"copying_score": copying} | own


replay = replay_of({"cmr": _cmr})
