"""Recorded runs of the quantities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo.errors import InputError
from zoo_sequence.softmax_limits.normalisers import normalise
from zoo_sequence.softmax_limits.quantities import jacobian_norms, random_set_second_moment, select


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``probe``: every quantity per row."""
    if component != "probe":
        raise InputError(f"no component {component!r}; there is: probe")
    alpha = normalise(inputs["logits"], temperature=config["temperature"])
    x = inputs["x"][:, None]
    spectral, frobenius = jacobian_norms(alpha, config["temperature"])
    outputs = {"alpha": alpha, "jacobian_spectral": spectral, "jacobian_frobenius": frobenius}
    for count in config["top_n"]:
        selection = select(alpha, x, count)
        outputs |= {
            f"distance_norm_N{count}": selection.distance("norm"),
            f"distance_sum_N{count}": selection.distance("sum"),
            f"random_set_second_moment_N{count}": random_set_second_moment(alpha, x, count),
            f"radius_N{count}": selection.radius(),
            f"separable_fraction_N{count}": selection.separable_fraction(),
        }
    return outputs
