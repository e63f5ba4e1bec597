"""Tensor names of a published checkpoint to ours, by a table of regular expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from zoo.errors import CheckpointMismatch

Rules = Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]
"""Pairs of a pattern and its replacement, as ``re.sub`` takes them."""


def rename(name: str, rules: Rules) -> str:
    """One name after every rule in turn; each sees what those before it made of the name."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def renamed(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Every tensor under its new name.

    Raises:
        CheckpointMismatch: two tensors would get one name, so that one of them would be lost.
    """
    origins: dict[str, str] = {}
    for name in state:
        new = rename(name, rules)
        if new in origins:
            raise CheckpointMismatch(
                f"{origins[new]!r} and {name!r} of the checkpoint would both be {new!r}: it holds two copies of one "
                "tensor, or is of another model"
            )
        origins[new] = name
    return {new: state[name] for new, name in origins.items()}
