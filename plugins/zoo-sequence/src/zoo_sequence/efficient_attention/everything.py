"""Efficient attention: the same product, associated the other way round, linear in the number of positions.

Source: Shen et al., "Efficient Attention: Attention with Linear Complexities" (2018), arXiv 1812.01243.

For n positions with queries Q (n, d_k), keys K (n, d_k) and values V (n, d_v):

    E(Q, K, V) = rho_q(Q) (rho_k(K)' V)

    softmax:  rho_q = softmax over the d_k channels of a position,  rho_k = softmax over the n positions of a channel
    scaling:  rho_q(Q) = Q / sqrt(n),  rho_k(K) = K / sqrt(n);  equal to (Q K' / n) V

G = rho_k(K)' V is (d_k, d_v): each of the d_k channels is a template attention map over all positions that gathers
one global context vector, and each query mixes these. No n x n matrix exists: 2 n d_k d_v multiply-adds instead of
n^2 (d_k + d_v), so it is cheaper for n > 2 d_k d_v / (d_k + d_v), and d_k n + d_k d_v numbers in between instead of
n^2. With softmax the implied matrix rho_q(Q) rho_k(K)' still has rows that are probability distributions.

The key softmax runs over all positions, so there is no causal form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.evidence.measuring import quickest
from zoo.nn.heads import repeat_heads
from zoo.nn.masks import padding_mask
from zoo.nn.resnet import ResNet
from zoo.nn.vision_transformer import VisionTransformerConfig

NORMALIZATIONS = ("softmax", "scaling")


@dataclass
class EfficientAttentionConfig:
    """Config of one module."""

    dim: int = zoo.field(64, "channels of input and output", unit="features", minimum=1)
    key_channels: int | None = zoo.field(
        None, "d_k, over all heads; by default 64, or the next multiple of num_heads", unit="features", minimum=1
    )
    value_channels: int | None = zoo.field(None, "d_v, over all heads; dim by default", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "groups of channels with queries, keys and values of their own", minimum=1)
    normalization: str = zoo.field("softmax", "rho_q and rho_k", choices=NORMALIZATIONS)
    causal: bool = zoo.field(False, "never: the key softmax runs over all positions")
    residual: bool | None = zoo.field(
        None, "whether the input is added; by default to feature maps and not to sequences, whose host adds it"
    )
    zero_init: bool = zoo.field(False, "start at zero, so that with the residual the module starts as the identity")

    def __post_init__(self) -> None:
        if self.causal:
            raise ConfigError(
                "efficient attention normalises every key channel over all positions, later ones too, so it has no "
                "causal form: causal must be False",
                field="causal",
            )
        for name, channels in (("key_channels", self.keys), ("value_channels", self.values)):
            if channels % self.num_heads:
                raise ConfigError(f"{name}={channels} is not divisible by num_heads={self.num_heads}", field=name)

    @property
    def keys(self) -> int:
        """d_k."""
        return self.key_channels or -(-64 // self.num_heads) * self.num_heads

    @property
    def values(self) -> int:
        """d_v."""
        return self.value_channels or self.dim


def efficient_attention(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None = None, *, normalization: str = "softmax"
) -> Tensor:
    """rho_q(Q) (rho_k(K)' V), normalised and summed in at least float32.

    Args:
        query: (..., queries, d_k).
        key: (..., keys, d_k).
        value: (..., keys, d_v).
        visible: boolean, broadcastable to (..., keys), True for real keys. Without any the output is zero.
        normalization: "softmax" or "scaling".

    Returns:
        (..., queries, d_v).
    """
    dtype = torch.promote_types(query.dtype, torch.float32)
    queries, keys, values = query.to(dtype), key.to(dtype), value.to(dtype)
    hidden = None if visible is None else ~visible[..., None]
    if normalization == "softmax":
        queries = queries.softmax(-1)
        if hidden is not None:
            keys = keys.masked_fill(hidden, torch.finfo(dtype).min)
        keys = keys.softmax(-2)
    elif visible is None:
        keys = keys / keys.shape[-2]
    else:
        keys = keys / visible.sum(-1).clamp(min=1)[..., None, None]
    if hidden is not None:
        keys = keys.masked_fill(hidden, 0.0)
    return (queries @ (keys.transpose(-1, -2) @ values)).to(value.dtype)


def functional(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    causal: bool,
    scale: float,
    config: EfficientAttentionConfig,
) -> Tensor:
    """The mechanism as an attention implementation for transformers' encoders; ``scale`` plays no part in it.

    Args:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, kv heads, keys, head_dim).
        attn_mask: padding (batch, keys) or (batch, 1, 1, keys), True for real tokens.

    Raises:
        ConfigError: the model's attention is causal.
        MaskError: a mask that is more than padding.
    """
    if causal:
        raise ConfigError(
            "this model's attention is causal, and efficient attention has no such form: use it in encoders"
        )
    visible = padding_mask(attn_mask, batch=len(key), keys=key.shape[2], mechanism="efficient attention")
    key, value = (repeat_heads(tensor, query.shape[1]) for tensor in (key, value))
    visible = None if visible is None else visible[:, None]
    return efficient_attention(query, key, value, visible, normalization=config.normalization)


class EfficientAttention(nn.Module):
    """The module on feature maps (batch, dim, H, W), volumes (batch, dim, D, H, W) or sequences (batch, n, dim).

    Projections are 1x1 convolutions with bias; on sequences they act as linear layers.
    """

    has_positions = False

    def __init__(self, config: EfficientAttentionConfig) -> None:
        super().__init__()
        self.config = config
        self.keys = nn.Conv2d(config.dim, config.keys, 1)
        self.queries = nn.Conv2d(config.dim, config.keys, 1)
        self.values = nn.Conv2d(config.dim, config.values, 1)
        self.reprojection = nn.Conv2d(config.values, config.dim, 1)
        if config.zero_init:
            for parameter in self.reprojection.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend from every position to all.

        Args:
            x: (batch, n, dim), or (batch, dim, *sides) with two or three sides, read row by row.
            attn_mask: padding (batch, n), True for real positions; the others are not attended to.

        Returns:
            The shape of ``x``.
        """
        config, sequence = self.config, x.ndim == 3
        tokens = x if sequence else x.flatten(2).transpose(1, 2)
        if x.ndim not in (3, 4, 5) or tokens.shape[-1] != config.dim:
            raise InputError(
                f"input of shape {tuple(x.shape)}; expected (batch, n, {config.dim}), (batch, {config.dim}, H, W) or "
                f"(batch, {config.dim}, D, H, W)"
            )
        visible = padding_mask(attn_mask, batch=len(x), keys=tokens.shape[1], mechanism="efficient attention")
        query, key, value = (
            _apply(projection, tokens).unflatten(-1, (config.num_heads, -1)).transpose(1, 2)
            for projection in (self.queries, self.keys, self.values)
        )
        seen = None if visible is None else visible[:, None]
        mixed = efficient_attention(query, key, value, seen, normalization=config.normalization)
        output = _apply(self.reprojection, mixed.transpose(1, 2).flatten(2))
        if not sequence:
            output = output.transpose(1, 2).unflatten(2, x.shape[2:])
        residual = not sequence if config.residual is None else config.residual
        return x + output if residual else output


def _apply(projection: nn.Conv2d, tokens: Tensor) -> Tensor:
    """A 1x1 convolution on (batch, n, channels)."""
    return F.linear(tokens, projection.weight.flatten(1), projection.bias)


def example(config: EfficientAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random sequence of 12 positions."""
    return {"x": torch.randn(batch_size, 12, config.dim, generator=torch.Generator().manual_seed(seed))}


def behind_layer(dim: int) -> EfficientAttentionConfig:
    """Config of a module behind a layer of ``dim`` channels, as the paper inserts it."""
    return EfficientAttentionConfig(dim=dim, residual=True)


class WithEfficientAttention(nn.Module):
    """Any network with modules behind some of its layers; the network itself keeps its names and its output.

    Args:
        backbone: the network; to leave it out of training, call its ``requires_grad_(False)``.
        channels: name of a layer -> channels of the map (or of the tokens) that it puts out.
        config_of: from these channels to the config of the module.

    Raises:
        InputError: the backbone has no such layer.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: Mapping[str, int],
        config_of: Callable[[int], EfficientAttentionConfig] = behind_layer,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.attention = nn.ModuleDict()
        layers = dict(backbone.named_modules())
        for name, dim in channels.items():
            if name not in layers:
                raise InputError(f"{type(backbone).__name__} has no layer {name!r}; its layers: {', '.join(layers)}")
            module = EfficientAttention(config_of(dim))
            self.attention[name.replace(".", "-")] = module
            layers[name].register_forward_hook(_Behind(module))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the backbone takes and gives."""
        return self.backbone(*args, **kwargs)


@dataclass
class _Behind:
    """A forward hook that passes a layer's output, or the first of its outputs, through a module."""

    module: nn.Module

    def __call__(self, layer: nn.Module, args: Any, output: Any) -> Any:
        return (self.module(output[0]), *output[1:]) if isinstance(output, tuple) else self.module(output)


@dataclass
class BackboneConfig:
    """A residual network with modules after its second and its third stage."""

    depths: list[int] = zoo.field([1, 1, 1], "blocks per stage", minimum=1)
    width: int = zoo.field(16, "channels of the stem and width of the first stage", unit="features", minimum=1)
    bottleneck: bool = zoo.field(False, "bottleneck blocks, four times as wide, instead of basic ones")
    small_stem: bool = zoo.field(True, "3x3 stem for small images, instead of 7x7 with stride 2 and pooling")
    in_channels: int = zoo.field(3, "channels of the image", minimum=1)
    key_channels: int | None = zoo.field(None, "d_k; by default half of a map's channels", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "heads of the modules", minimum=1)
    normalization: str = zoo.field("softmax", "of the modules", choices=NORMALIZATIONS)
    zero_init: bool = zoo.field(False, "whether the modules start as the identity")

    def __post_init__(self) -> None:
        if len(self.depths) < 3:
            raise ConfigError(
                f"depths={self.depths}: modules follow stages 2 and 3, so give at least 3", field="depths"
            )

    def module(self, dim: int) -> EfficientAttentionConfig:
        """Config of a module on maps of ``dim`` channels."""
        return EfficientAttentionConfig(
            dim=dim,
            key_channels=self.key_channels or dim // 2,
            num_heads=self.num_heads,
            normalization=self.normalization,
            residual=True,
            zero_init=self.zero_init,
        )

    def build(self, num_classes: int) -> WithEfficientAttention:
        """The network and its modules; without a head for 0 classes."""
        resnet = ResNet(
            self.depths,
            width=self.width,
            bottleneck=self.bottleneck,
            small_stem=self.small_stem,
            in_channels=self.in_channels,
            num_classes=num_classes,
        )
        channels = dict(zip(resnet.stage_names, resnet.channels, strict=True))
        return WithEfficientAttention(resnet, {name: channels[name] for name in ("layer2", "layer3")}, self.module)


@dataclass
class EfficientAttentionResNetConfig(BackboneConfig):
    """Config of the classifier."""

    num_classes: int = zoo.field(10, "classes", minimum=1)


def build_resnet(config: EfficientAttentionResNetConfig) -> WithEfficientAttention:
    """Images (batch, in_channels, H, W) to logits (batch, num_classes); ``.backbone`` has torchvision's names."""
    return config.build(config.num_classes)


def image_example(config: BackboneConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 32 x 32 pixels."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.randn(batch_size, config.in_channels, 32, 32, generator=generator)}


@dataclass
class EfficientAttentionFPNConfig(BackboneConfig):
    """Config of the feature pyramid."""

    depths: list[int] = zoo.field([1, 1, 1, 1], "blocks per stage", minimum=1)
    pyramid_channels: int = zoo.field(32, "channels of every level", unit="features", minimum=1)


class EfficientAttentionFPN(nn.Module):
    """A feature pyramid over a residual network, with modules in both.

    Images (batch, in_channels, H, W) to maps "p2", "p3", ... (batch, pyramid_channels, h, w), one per stage and a
    last one of half the size. Every map has passed a module of its own.
    """

    def __init__(self, config: EfficientAttentionFPNConfig) -> None:
        super().__init__()
        self.body = config.build(num_classes=0)
        dim, channels = config.pyramid_channels, self._resnet.channels
        self.lateral = nn.ModuleList(nn.Conv2d(each, dim, 1) for each in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in channels)
        self.attention = nn.ModuleList(EfficientAttention(config.module(dim)) for _ in range(len(channels) + 1))

    @property
    def _resnet(self) -> ResNet:
        assert isinstance(self.body.backbone, ResNet)
        return self.body.backbone

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The pyramid, from the largest map to the smallest."""
        maps = [lateral(each) for lateral, each in zip(self.lateral, self._resnet.maps(images), strict=True)]
        for level in range(len(maps) - 1, 0, -1):
            maps[level - 1] = maps[level - 1] + F.interpolate(maps[level], maps[level - 1].shape[-2:], mode="nearest")
        maps = [smooth(each) for smooth, each in zip(self.smooth, maps, strict=True)]
        maps.append(F.max_pool2d(maps[-1], 1, stride=2))
        return {
            f"p{level}": module(each) for level, (module, each) in enumerate(zip(self.attention, maps, strict=True), 2)
        }


@dataclass
class EfficientAttentionViTConfig(VisionTransformerConfig):
    """Config of a vision transformer whose attention is efficient attention, or any other drop-in layer."""

    dim: int = zoo.field(32, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(2, "blocks", minimum=1)
    num_heads: int = zoo.field(4, "heads", minimum=1)
    image_size: int = zoo.field(32, "side of the square image", unit="pixels", minimum=1)
    patch_size: int = zoo.field(4, "side of a patch", unit="pixels", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=1)
    attention: str = zoo.field("efficient-attention", "attention of every block: full, or a drop-in layer by name")


def vit_example(config: EfficientAttentionViTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of the size that the model takes."""
    shape = (batch_size, config.in_channels, config.image_size, config.image_size)
    return {"images": torch.randn(shape, generator=torch.Generator().manual_seed(seed))}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """The module on a feature map."""
    module = EfficientAttention(
        EfficientAttentionConfig(
            dim=config["in_channels"],
            key_channels=config["key_channels"],
            num_heads=config["head_count"],
            value_channels=config["value_channels"],
            residual=True,
        )
    )
    zoo.fill(module, state)
    return {"out": module(inputs["input_"])}


def _random(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def check_scaling() -> Measurement:
    """Scaling normalisation against the dense product, n = 200, d_k = 16."""
    query, key, value = _random((200, 16), (200, 16), (200, 24))
    difference = efficient_attention(query, key, value, normalization="scaling") - (query @ key.T / 200) @ value
    error = float(difference.abs().max())
    return Measurement(f"max abs difference {error:.1e}", error < 1e-5, "n = 200, d_k = 16, d_v = 24, float32")


def check_distribution() -> Measurement:
    """Rows of the implied matrix: the module's response to the identity as values."""
    query, key = _random((300, 16), (300, 16))
    matrix = efficient_attention(query, key, torch.eye(300))
    error, smallest = float((matrix.sum(-1) - 1).abs().max()), float(matrix.min())
    measured = f"row sums within {error:.1e} of 1, smallest entry {smallest:.1e}"
    return Measurement(measured, error < 1e-5 and smallest >= 0, "n = 300, d_k = 16")


def multiply_adds(positions: int, keys: int, values: int) -> tuple[int, int]:
    """Of dense and of efficient attention."""
    return positions**2 * (keys + values), 2 * positions * keys * values


def numbers_between(positions: int, keys: int, values: int) -> tuple[int, int]:
    """Intermediate numbers of dense and of efficient attention."""
    return positions**2, keys * positions + keys * values


def check_complexity() -> Measurement:
    """Multiply-adds that torch counts in this implementation, against both closed forms."""
    from torch.utils.flop_counter import FlopCounterMode

    positions, keys, values = 16_384, 32, 48
    query, key, value = _random((1, positions, keys), (1, positions, keys), (1, positions, values))
    with FlopCounterMode(display=False) as counter:
        efficient_attention(query, key, value)
    counted = counter.get_total_flops() // 2
    dense, efficient = multiply_adds(positions, keys, values)
    memory = numbers_between(positions, keys, values)
    return Measurement(
        f"{counted / 1e6:.1f}M multiply-adds against {dense / 1e6:.0f}M dense ({dense / counted:.0f}x); "
        f"{memory[1] / 1e6:.2f}M numbers in between against {memory[0] / 1e6:.0f}M ({memory[0] / memory[1]:.0f}x)",
        counted == efficient,
        f"n = {positions}, d_k = {keys}, d_v = {values}; multiply-adds counted while running, numbers by closed form",
    )


def check_linear() -> Measurement:
    """Against torch's fused dense attention at n = 4096 and 16384, and alone from 262144 to 1048576; d = 32."""
    ratios = {}
    for length in (4_096, 16_384):
        query, key, value = _random(*[(1, 1, length, 32)] * 3)
        ours = quickest(partial(efficient_attention, query, key, value), 5)
        dense = quickest(partial(F.scaled_dot_product_attention, query, key, value), 2)
        ratios[f"n = {length}: {1e3 * ours:.1f} ms against {1e3 * dense:.0f} ms dense"] = dense / ours
    times = []
    # So long that every tensor is fresh memory, whatever ran before in this process.
    for length in (262_144, 1_048_576):
        query, key, value = _random(*[(1, 1, length, 32)] * 3)
        times.append(quickest(partial(efficient_attention, query, key, value), 5))
    exponent = math.log(times[1] / times[0]) / math.log(4)
    return Measurement(
        f"{'; '.join(f'{name} ({ratio:.0f}x)' for name, ratio in ratios.items())}; from 262144 to 1048576 "
        f"positions time grows with n^{exponent:.2f}",
        list(ratios.values())[1] >= 20 and exponent < 1.2,
        "one core, d = 32, float32; dense is scaled_dot_product_attention, quicker than the paper's explicit product; "
        "growth is measured where no tensor fits the processor's caches",
    )
