"""Plasticity rules: one presentation, the recurrence over a sequence, and the delta rule in chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import ConfigError
from zoo.nn.blocks import blocks
from zoo.nn.exporting import on_the_way_to_onnx

FEATURE_MAPS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "elu+1": lambda x: functional.elu(x) + 1,
    "relu": functional.relu,
    "softmax": lambda x: x.softmax(-1),
}


@dataclass(frozen=True)
class Plasticity:
    """A rule and its constants; ``eta`` and ``decay`` are numbers or tensors that broadcast over heads."""

    rule: str
    eta: Tensor | float = 1.0
    decay: Tensor | float = 0.9
    oja_alpha: float = 0.5
    bcm_rho: float = 0.2
    homeostatic: float = 0.0

    def write(self, state: Tensor, key: Tensor, value: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """One presentation.

        Args:
            state: S (..., d_v, d_k).
            key: (..., d_k).
            value: (..., d_v).
            theta: sliding threshold (..., d_v); only bcm changes it.

        Returns:
            The new state and threshold.
        """
        eta = self._per_unit(self.eta, state)
        post, carried = value, state
        if self.rule == "decay":
            carried = self._per_unit(self.decay, state)[..., None] * state
        elif self.rule == "oja":
            carried = state - eta[..., None] * self.oja_alpha * value.square()[..., None] * state
        elif self.rule == "delta":
            post = value - (state @ key[..., None])[..., 0]
        elif self.rule == "bcm":
            active = (state @ key[..., None])[..., 0] + value
            theta = (1 - self.bcm_rho) * theta + self.bcm_rho * active.square()
            post = active * (active - theta)
        state = carried + eta[..., None] * post[..., None] * key[..., None, :]
        if self.homeostatic:
            state = functional.normalize(state, dim=-1) * self.homeostatic
        return state, theta

    @staticmethod
    def _per_unit(constant: Tensor | float, like: Tensor) -> Tensor:
        return torch.as_tensor(constant, dtype=like.dtype, device=like.device)[..., None]


def recurrent(
    plasticity: Plasticity,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    visible: Tensor | None = None,
    read_first: bool = False,
) -> tuple[Tensor, Tensor]:
    """Write and read one token after the other, from an empty state: the definition of every rule.

    Args:
        query, key: (..., length, d_k).
        value: (..., length, d_v).
        visible: boolean (..., length); a token that is not visible is not written.
        read_first: whether o_t reads the state before the write of token t.

    Returns:
        Reads (..., length, d_v) and the final state (..., d_v, d_k).
    """
    reads, (state, _) = go_on(plasticity, query, key, value, None, visible=visible, read_first=read_first)
    return reads, state


def go_on(
    plasticity: Plasticity,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    memory: tuple[Tensor, Tensor] | None,
    *,
    visible: Tensor | None = None,
    read_first: bool = False,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The same from a memory: state (..., d_v, d_k) and threshold (..., d_v) after earlier tokens; None: none yet.

    Returns:
        Reads (..., length, d_v) and the memory after these tokens.

    Raises:
        ConfigError: in an export, where the number of tokens would become part of the program.
    """
    if torch.compiler.is_exporting():
        raise ConfigError(
            f"the rule {plasticity.rule!r} runs one token after the other here, so that a program would hold one "
            "length only: export hebb, decay or delta without homeostatic and without a cache",
            field="rule",
        )
    if memory is None:
        state = value.new_zeros(*value.shape[:-2], value.shape[-1], key.shape[-1])
        memory = state, value.new_zeros(*value.shape[:-2], value.shape[-1])
    state, theta = memory
    reads = []
    for step in range(key.shape[-2]):
        new_state, new_theta = plasticity.write(state, key[..., step, :], value[..., step, :], theta)
        if visible is not None:
            seen = visible[..., step, None]
            new_state = torch.where(seen[..., None], new_state, state)
            new_theta = torch.where(seen, new_theta, theta)
        source = state if read_first else new_state
        reads.append((source @ query[..., step, :, None])[..., 0])
        state, theta = new_state, new_theta
    return torch.stack(reads, -2) if reads else value, (state, theta)


def delta_parallel(
    query: Tensor, key: Tensor, value: Tensor, eta: Tensor, *, chunk: int = 64, strict: bool = False
) -> Tensor:
    """The delta rule in chunks: inside a chunk the corrected values solve a triangular system.

    With state S before the chunk the written corrections u_t = v_t - S_{t-1} k_t satisfy
    (I + eta tril(K K', -1)) U = V - K S', so that O = Q S' + eta tril(Q K') U.

    Args:
        query, key: (batch, heads, length, d_k).
        value: (batch, heads, length, d_v).
        eta: (heads, 1).
        strict: leave out the token itself in the read.

    Returns:
        (batch, heads, length, d_v).

    Raises:
        ConfigError: an export to ONNX, which cannot solve triangular systems.
    """
    if on_the_way_to_onnx():
        raise ConfigError(
            "the delta rule solves triangular systems, which ONNX cannot: use torch.export, or hebb or decay",
            field="rule",
        )
    state = value.new_zeros(*value.shape[:2], key.shape[-1], value.shape[-1])
    rate = eta[..., None]
    outputs = []
    for some in blocks(0, query.shape[2], chunk):
        q, k, v = (tensor[:, :, some] for tensor in (query, key, value))
        system = rate * (k @ k.transpose(-1, -2)).tril(-1)
        corrected = torch.linalg.solve_triangular(system, v - k @ state, upper=False, unitriangular=True)
        scores = rate * (q @ k.transpose(-1, -2)).tril(-int(strict))
        outputs.append(q @ state + scores @ corrected)
        state = state + rate * k.transpose(-1, -2) @ corrected
    return torch.cat(outputs, 2)
