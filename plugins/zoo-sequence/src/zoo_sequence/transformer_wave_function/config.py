"""The schemas of the network and of the benchmark, and the variants of attention."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError

VARIANTS = ("factored", "standard", "decoupled", "positional-softmax")
HEADS = ("normalised", "plain")


@dataclass
class WaveFunctionConfig:
    """Config of the network."""

    lattice_size: int = zoo.field(4, "side L of the lattice", unit="sites", minimum=2)
    patch_size: int = zoo.field(2, "side b of a patch", unit="sites", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    dim: int = zoo.field(16, "model width d", unit="features", minimum=1)
    num_heads: int = zoo.field(4, "heads h", minimum=1)
    attention: str = zoo.field("factored", "what the weights depend on", choices=VARIANTS)
    translation_invariant: bool = zoo.field(True, "whether weights depend on periodic offsets only")
    head: str = zoo.field("normalised", "log cosh of normalised maps, or of a complex linear map", choices=HEADS)
    alpha_scale: float = zoo.field(1.0, "factor on the initial factored weights", minimum=0.0)

    def __post_init__(self) -> None:
        if self.lattice_size % self.patch_size:
            raise ConfigError(
                f"lattice_size={self.lattice_size} is not a multiple of patch_size={self.patch_size}",
                field="patch_size",
            )
        if self.dim % self.num_heads or self.dim == self.num_heads:
            raise ConfigError(
                f"dim={self.dim} must be a multiple of num_heads={self.num_heads} and more than one feature a head",
                field="num_heads",
            )

    @property
    def side(self) -> int:
        """Patches along a side."""
        return self.lattice_size // self.patch_size

    @property
    def num_patches(self) -> int:
        """Patches n."""
        return self.side**2


@dataclass
class LatticeConfig:
    """Config of the ground-state benchmark."""

    lattice_size: int = zoo.field(4, "side L", unit="sites", minimum=2)
    j1: float = zoo.field(1.0, "coupling of nearest neighbours")
    j2: float = zoo.field(0.0, "coupling of diagonal neighbours")
    marshall: bool = zoo.field(True, "change signs between sublattices: a unitary map, the same energies")
