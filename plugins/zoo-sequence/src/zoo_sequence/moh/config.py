"""The schemas of the layers and of the networks, and what numbers of heads make sense."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.errors import ConfigError
from zoo.nn.heads import require_equal_groups, require_equal_slices
from zoo.nn.language_model import LanguageModelConfig


@dataclass
class MoHConfig:
    """Config of one layer."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(8, "all heads, shared and routed", minimum=1)
    head_dim: int | None = zoo.field(None, "width of a head; None: dim / num_heads", unit="features", minimum=1)
    shared_heads: int | None = zoo.field(None, "heads that are always on; None: a quarter", minimum=0)
    routed_heads: int | None = zoo.field(
        None, "heads chosen per token among the others; None: so many that half of all heads are on", minimum=0
    )
    causal: bool = zoo.field(False, "whether a token sees only itself and what came before")
    bias: bool = zoo.field(True, "whether the query, key and value projection has a bias")
    gated: bool = zoo.field(True, "False: plain multi-head attention under the same names, no router")
    skip: bool = zoo.field(True, "leave out heads that a token did not choose; False: multiply them by zero")

    def __post_init__(self) -> None:
        if self.head_dim is None:
            require_equal_slices(self.dim, self.num_heads)
        if self.gated:
            require_heads_in_use(self.num_heads, self.shared, self.routed)

    @property
    def shared(self) -> int:
        """Number of shared heads."""
        return self.num_heads // 4 if self.shared_heads is None else self.shared_heads

    @property
    def routed(self) -> int:
        """Number of heads that a token chooses."""
        if self.routed_heads is not None:
            return self.routed_heads
        pool = self.num_heads - self.shared
        return min(pool, max(1, self.num_heads // 2 - self.shared))

    @property
    def width(self) -> int:
        """Features of all heads together."""
        return self.num_heads * (self.head_dim or self.dim // self.num_heads)


def require_heads_in_use(num_heads: int, shared: int, routed: int) -> None:
    """Raise ConfigError unless ``shared`` and ``routed`` heads are there, and no head is never on."""
    pool = num_heads - shared
    if pool < 0:
        raise ConfigError(f"{shared} shared heads of num_heads={num_heads}", field="shared_heads")
    if routed > pool:
        raise ConfigError(
            f"{routed} routed heads, but only {pool} of {num_heads} heads are not shared", field="routed_heads"
        )
    if pool and not routed:
        raise ConfigError(
            f"{pool} of {num_heads} heads would never be on: share all heads or route at least one",
            field="routed_heads",
        )


@dataclass
class QueryNormConfig:
    """Config of one layer that routes by the norm of queries."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(8, "query heads", minimum=1)
    num_kv_heads: int | None = zoo.field(None, "key/value heads; as many as query heads by default", minimum=1)
    causal: bool = zoo.field(True, "whether a token sees only itself and what came before")
    rope_theta: float | None = zoo.field(10_000.0, "base of the rotary positions; None: no positions", minimum=1.0)
    shared_fraction: float = zoo.field(0.5, "share of heads that are always on", minimum=0.0, maximum=1.0)
    activated_fraction: float = zoo.field(0.75, "share of heads that are on for a token", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)
        require_equal_groups(self.num_heads, self.num_kv_heads)
        require_shared_among_activated(self.shared_fraction, self.activated_fraction)


def require_shared_among_activated(shared: float, activated: float) -> None:
    """Raise ConfigError unless the shared heads are among the activated ones."""
    if activated < shared:
        raise ConfigError(f"{shared} of the heads are always on, but only {activated} are", field="activated_fraction")


@dataclass
class MoHLlamaConfig(LanguageModelConfig):
    """Config of the language model."""

    attention: str = zoo.field("moh", "of every block: moh, full, or a drop-in layer by name")
    shared_fraction: float = zoo.field(0.5, "share of heads that are always on", minimum=0.0, maximum=1.0)
    activated_fraction: float = zoo.field(0.75, "share of heads that are on for a token", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_shared_among_activated(self.shared_fraction, self.activated_fraction)

    def layer(self) -> QueryNormConfig:
        """Config of the attention of one block."""
        return QueryNormConfig(
            dim=self.dim,
            num_heads=self.num_heads,
            num_kv_heads=self.num_kv_heads,
            rope_theta=self.rope_theta,
            shared_fraction=self.shared_fraction,
            activated_fraction=self.activated_fraction,
        )


@dataclass
class MoHDiTConfig:
    """Config of the network; head counts are one number for all layers or one per layer."""

    input_size: int = zoo.field(32, "side of the latent", minimum=1)
    patch_size: int = zoo.field(2, "side of a patch", minimum=1)
    in_channels: int = zoo.field(4, "channels of the latent", minimum=1)
    dim: int = zoo.field(384, "model width", unit="features", minimum=4)
    num_layers: int = zoo.field(12, "blocks", minimum=1)
    num_heads: list[int] = zoo.field([6], "all heads", minimum=1)
    head_dim: int | None = zoo.field(None, "width of a head; None: dim / heads of the layer", minimum=1)
    shared_heads: list[int] = zoo.field([3], "heads that are always on", minimum=0)
    routed_heads: list[int] = zoo.field([2], "heads chosen per token among the others", minimum=0)
    mlp_ratio: float = zoo.field(4.0, "feed-forward width over model width", minimum=0.0)
    num_classes: int = zoo.field(1000, "classes; the index after the last one stands for none", minimum=1)
    learn_sigma: bool = zoo.field(True, "whether the variance is predicted too")
    gated: bool = zoo.field(True, "False: plain attention, the DiT baseline")

    def __post_init__(self) -> None:
        if self.input_size % self.patch_size:
            raise ConfigError(
                f"input_size={self.input_size} is not a multiple of patch_size={self.patch_size}", field="input_size"
            )
        if self.dim % 4:
            raise ConfigError(f"dim={self.dim} is not a multiple of 4, as the position table needs", field="dim")
        for name in ("num_heads", "shared_heads", "routed_heads"):
            given = len(getattr(self, name))
            if given not in (1, self.num_layers):
                raise ConfigError(
                    f"{given} numbers for num_layers={self.num_layers}; give one, or one each", field=name
                )
        # Each different one once: there may be a billion blocks, all alike.
        for index in range(max(len(self.num_heads), len(self.shared_heads), len(self.routed_heads))):
            self.layer(index)

    def layer(self, index: int) -> MoHConfig:
        """Config of the attention of one block."""

        def of(numbers: list[int]) -> int:
            return numbers[index % len(numbers)]

        return MoHConfig(
            dim=self.dim,
            num_heads=of(self.num_heads),
            head_dim=self.head_dim,
            shared_heads=of(self.shared_heads),
            routed_heads=of(self.routed_heads),
            gated=self.gated,
        )

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.in_channels * (2 if self.learn_sigma else 1)


@dataclass
class MoHViTConfig:
    """Config of the network; lists have one number per stage."""

    image_size: int = zoo.field(224, "side of the image; a multiple of every stage's grid", unit="pixels", minimum=1)
    patch_size: int = zoo.field(4, "stride of the first embedding", unit="pixels", minimum=1)
    in_channels: int = zoo.field(3, "channels of the image", minimum=1)
    num_classes: int = zoo.field(1000, "classes", minimum=1)
    dims: list[int] = zoo.field([72, 144, 288, 576], "widths", unit="features", minimum=1)
    num_heads: list[int] = zoo.field([3, 6, 12, 24], "all heads", minimum=1)
    shared_heads: list[int] = zoo.field([3, 6, 3, 8], "heads that are always on", minimum=0)
    routed_heads: list[int] = zoo.field([0, 0, 6, 12], "heads chosen per token among the others", minimum=0)
    mlp_ratios: list[float] = zoo.field([8, 8, 4, 4], "ConvGLU width, times 3/2, over stage width", minimum=0.0)
    depths: list[int] = zoo.field([5, 5, 22, 5], "blocks", minimum=1)
    sr_ratios: list[int] = zoo.field([8, 4, 2, 1], "grid side over pooled side; 1: full attention", minimum=1)
    window_sizes: list[int | None] = zoo.field([3, 3, 3, None], "side of the neighbourhood, odd", minimum=1)
    bias: bool = zoo.field(True, "whether query, key and value projections have biases")
    drop_path: float = zoo.field(0.0, "stochastic depth of the last block", minimum=0.0, maximum=1.0)
    skip: bool = zoo.field(True, "leave out heads that a token did not choose; False: multiply them by zero")

    def __post_init__(self) -> None:
        stages = len(self.dims)
        for name in ("num_heads", "shared_heads", "routed_heads", "mlp_ratios", "depths", "sr_ratios", "window_sizes"):
            if len(getattr(self, name)) != stages:
                raise ConfigError(f"{len(getattr(self, name))} numbers for {stages} stages", field=name)
        for dim, heads, shared, routed in zip(
            self.dims, self.num_heads, self.shared_heads, self.routed_heads, strict=True
        ):
            if dim % heads:
                raise ConfigError(f"{dim} features do not divide into {heads} heads", field="dims")
            require_heads_in_use(heads, shared, routed)
        for ratio, window in zip(self.sr_ratios, self.window_sizes, strict=True):
            if ratio > 1 and (window or 0) % 2 == 0:
                raise ConfigError(f"a pooling stage needs an odd window, not {window}", field="window_sizes")
        if self.image_size % (self.patch_size * 2 ** (stages - 1)):
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of {self.patch_size * 2 ** (stages - 1)}",
                field="image_size",
            )

    def side(self, stage: int) -> int:
        """Side of a stage's token grid."""
        return self.image_size // (self.patch_size * 2**stage)
