"""Recorded runs of the quantities."""

from __future__ import annotations

from torch import Tensor

from zoo.evidence.replay import Run, replay_of
from zoo_sequence.softmax_limits.normalisers import normalise
from zoo_sequence.softmax_limits.quantities import jacobian_norms, random_set_second_moment, select


def _probe(run: Run) -> dict[str, Tensor]:
    """Every quantity, per row."""
    alpha = normalise(run.inputs["logits"], temperature=run.config["temperature"])
    x = run.inputs["x"][:, None]
    spectral, frobenius = jacobian_norms(alpha, run.config["temperature"])
    outputs = {"alpha": alpha, "jacobian_spectral": spectral, "jacobian_frobenius": frobenius}
    for count in run.config["top_n"]:
        selection = select(alpha, x, count)
        outputs |= {
            f"distance_norm_N{count}": selection.distance("norm"),
            f"distance_sum_N{count}": selection.distance("sum"),
            f"random_set_second_moment_N{count}": random_set_second_moment(alpha, x, count),
            f"radius_N{count}": selection.radius(),
            f"separable_fraction_N{count}": selection.separable_fraction(),
        }
    return outputs


replay = replay_of({"probe": _probe})
