"""ACT-R's activations, before the network: base level and spreading. Track ids count from 0, -1 pads."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError


def base_level(listen_times: Tensor, t_ref: float, decay: float = 0.5) -> Tensor:
    """B_i = ln sum over plays (t_ref - t)^-decay: (tracks, plays), NaN padding, to (tracks,) of float64.

    Tracks without plays have -inf, so that a softmax gives them 0.

    Args:
        listen_times: when tracks were played, in seconds.
        t_ref: start of the session to predict, in seconds; later than all plays.
        decay: d.
    """
    age = t_ref - listen_times.double()
    played = ~age.isnan()
    if bool((age[played] <= 0).any()):
        raise InputError(f"plays at or after t_ref={t_ref}: expected earlier ones alone")
    return torch.where(played, torch.where(played, age, 1.0).pow(-decay), 0.0).sum(-1).log()


def base_level_weights(levels: Tensor) -> Tensor:
    """Softmax over a user's tracks (tracks,); zeros where nothing was ever played."""
    return levels.softmax(-1).nan_to_num(0.0)


def cooccurrence(sessions: Tensor, num_items: int) -> Tensor:
    """(sessions, slots) to counts (num_items, num_items): sessions that hold both tracks; the diagonal is 0."""
    present = _present(sessions, num_items)
    return (present.T @ present).fill_diagonal_(0.0)


def normalised(counts: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 with D the row sums; rows without counts stay 0."""
    sums = counts.sum(1)
    scale = torch.where(sums > 0, torch.where(sums > 0, sums, 1.0).rsqrt(), 0.0)
    return scale[:, None] * counts * scale


def spreading(sessions: Tensor, association: Tensor) -> Tensor:
    """Sum of A_ij over the other tracks j of its session, for each slot: (sessions, slots); 0 at padding.

    Args:
        sessions: (sessions, slots) track ids.
        association: A (tracks, tracks), see ``normalised``.
    """
    real = sessions >= 0
    there = _present(sessions, len(association)).to(association.dtype)
    own = association.diagonal()
    received = there @ association.T - there * own
    return received.gather(1, sessions.clamp(min=0)) * real


def _present(sessions: Tensor, num_items: int) -> Tensor:
    if sessions.ndim != 2 or bool((sessions >= num_items).any()):
        raise InputError(f"sessions {list(sessions.shape)}; expected (sessions, slots) of ids below {num_items}, or -1")
    counts = torch.zeros(len(sessions), num_items + 1)
    return counts.scatter_(1, torch.where(sessions >= 0, sessions, num_items).long(), 1.0)[:, :num_items]
