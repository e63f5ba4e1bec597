"""Raw numbers that a user gives, as a tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo.errors import InputError, shown


def as_numbers(source: Any, dtype: torch.dtype) -> Tensor:
    """An array, or lists of equal lengths, as a tensor.

    Raises:
        InputError: it holds something else.
    """
    try:
        return torch.as_tensor(source, dtype=dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{shown(source)} is no array of numbers: {error}") from error
