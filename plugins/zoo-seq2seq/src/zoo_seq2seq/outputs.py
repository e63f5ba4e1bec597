"""What networks give back: dataclasses that are mappings of their fields, too."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True, eq=False)
class MappedOutput:
    """Base of an output whose fields are tensors."""

    def keys(self) -> list[str]:
        """Names of the fields."""
        return [each.name for each in fields(self)]

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = getattr(self, name)
        return found
