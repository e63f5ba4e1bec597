"""Minimal transformers: which parts of attention can go?

Source: "Reducing the Transformer Architecture to a Minimum" (2024), arXiv 2410.13732; sizes from a third-party
reproduction. Tokens X (N, d), heads of width d_h, scale d_h^-0.5 in every variant, softmax over keys:

    unchanged         Q, K, V and O with biases
    wqk               score x_i' (W x_j) with one matrix for W_Q and W_K; one head, else it saves nothing
    wqk-no-vo         the same, and the output is A X: no V, no O
    symmetric         score x_i T T' x_j with T lower triangular, per head on its slice of the features
    symmetric-no-vo   the same, and the output is A X

With one head W_Q W_K' and W_V W_O are single matrices already, so merging them loses nothing. Without V and O an
attention output is a convex combination of its inputs. T T' is positive semidefinite: no token is less similar to
itself than zero. The network is post-norm; its MLP can be left out too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.nn.masks import expand_mask, masked_softmax

VARIANTS = ("unchanged", "wqk", "wqk-no-vo", "symmetric", "symmetric-no-vo")


@dataclass
class MinimalAttentionConfig:
    """Config of the layer."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "heads", minimum=1)
    variant: str = zoo.field("unchanged", "what is left of attention", choices=VARIANTS)
    causal: bool = zoo.field(False, "whether a token sees only those before it")
    dropout: float = zoo.field(0.0, "of attention weights", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        _check_heads(self.dim, self.num_heads, self.variant)


@dataclass
class MinimalTransformerConfig:
    """Config of the image classifier."""

    image_size: int = zoo.field(28, "side of the square image", unit="pixels", minimum=1)
    patch_size: int = zoo.field(7, "side of a patch", unit="pixels", minimum=1)
    in_channels: int = zoo.field(1, "channels of the image", minimum=1)
    num_classes: int = zoo.field(10, "classes", minimum=1)
    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_layers: int = zoo.field(6, "layers", minimum=1)
    num_heads: int = zoo.field(1, "heads", minimum=1)
    variant: str = zoo.field("unchanged", "what is left of attention", choices=VARIANTS)
    mlp: bool = zoo.field(False, "whether layers have an MLP")
    mlp_ratio: float = zoo.field(1.0, "MLP width over model width", minimum=0.0)
    norm_first: bool = zoo.field(False, "pre-norm instead of post-norm")
    dropout: float = zoo.field(0.1, "everywhere", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        _check_heads(self.dim, self.num_heads, self.variant)
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}", field="image_size"
            )


def _check_heads(dim: int, num_heads: int, variant: str) -> None:
    if dim % num_heads:
        raise ConfigError(f"dim={dim} is not divisible by num_heads={num_heads}", field="dim")
    if variant.startswith("wqk") and num_heads > 1:
        raise ConfigError(
            "with several heads each needs a (dim, dim) matrix for queries and keys, which saves nothing: "
            "wqk variants have one head",
            field="num_heads",
        )


class MinimalAttention(nn.Module):
    """The layer, (batch, length, dim) to the same shape."""

    def __init__(self, config: MinimalAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim, width = config.dim, config.dim // config.num_heads
        kind, _, rest = config.variant.partition("-")
        self.query = nn.Linear(dim, dim) if kind == "unchanged" else None
        self.key = nn.Linear(dim, dim) if kind == "unchanged" else None
        self.qk = nn.Linear(dim, dim) if kind == "wqk" else None
        triangle = (config.num_heads, width * (width + 1) // 2)
        self.tril = nn.Parameter(torch.empty(triangle)) if kind == "symmetric" else None
        self.value = None if rest else nn.Linear(dim, dim)
        self.out = None if rest else nn.Linear(dim, dim)
        self.drop = nn.Dropout(config.dropout)
        self.rows: Tensor
        self.columns: Tensor
        rows, columns = torch.tril_indices(width, width)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        if self.tril is not None:
            # The identity and a little noise: with standard normal T the scores grow like dim ** 1.5.
            nn.init.normal_(self.tril, std=0.02)
            with torch.no_grad():
                self.tril.add_((rows == columns).to(self.tril))

    def triangle(self) -> Tensor:
        """T (heads, d_h, d_h), lower triangular, from its rows."""
        assert self.tril is not None
        width = self.config.dim // self.config.num_heads
        flat = self.tril.new_zeros(self.config.num_heads, width * width)
        return flat.index_copy(1, self.rows * width + self.columns, self.tril).view(-1, width, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)

    def scores(self, x: Tensor) -> Tensor:
        """Scaled scores (batch, heads, length, length)."""
        if self.tril is not None:
            query = key = self._split(x) @ self.triangle()
        elif self.qk is not None:
            query, key = self._split(self.qk(x)), self._split(x)
        else:
            assert self.query is not None
            assert self.key is not None
            query, key = self._split(self.query(x)), self._split(self.key(x))
        return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``.
        """
        batch, length, _ = x.shape
        shape = {"batch": batch, "heads": self.config.num_heads, "queries": length, "keys": length}
        mask = expand_mask(attn_mask, **shape, causal=self.config.causal, device=x.device)
        weights = self.drop(masked_softmax(self.scores(x), mask))
        value = x if self.value is None else self.value(x)
        output = (weights @ self._split(value)).transpose(1, 2).flatten(2)
        return output if self.out is None else self.out(output)


class MinimalLayer(nn.Module):
    """Attention and, where configured, an MLP, each with residual and norm; the second norm is always there."""

    def __init__(self, config: MinimalTransformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.norm_first = config.norm_first
        self.attn = MinimalAttention(
            MinimalAttentionConfig(dim, config.num_heads, config.variant, dropout=config.dropout)
        )
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        width = int(dim * config.mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, dim)) if config.mlp else None
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, dim) to the same shape."""
        if self.norm_first:
            x = x + self.drop(self.attn(self.norm1(x)))
            return x if self.mlp is None else x + self.drop(self.mlp(self.norm2(x)))
        x = self.norm1(x + self.drop(self.attn(x)))
        return x if self.mlp is None else self.norm2(x + self.drop(self.mlp(x)))


class MinimalTransformer(nn.Module):
    """Images (batch, channels, side, side) in [0, 1] to logits (batch, num_classes), read off a class token."""

    def __init__(self, config: MinimalTransformerConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        tokens = (config.image_size // config.patch_size) ** 2 + 1
        self.patch = nn.Conv2d(config.in_channels, config.dim, config.patch_size, stride=config.patch_size)
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.dim))
        self.position_embeddings = nn.Parameter(torch.empty(tokens, config.dim))
        self.drop = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(MinimalLayer(config) for _ in range(config.num_layers))
        self.head = nn.Linear(config.dim, config.num_classes)
        nn.init.normal_(self.cls_token)
        nn.init.normal_(self.position_embeddings)

    def forward(self, images: Tensor) -> Tensor:
        """Logits.

        Raises:
            InputError: the image is not of the configured size.
        """
        if images.shape[-2:] != (self.image_size, self.image_size):
            raise InputError(f"image of {tuple(images.shape[-2:])} pixels; expected side {self.image_size}")
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1) + self.position_embeddings
        x = self.drop(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


def overdetermination(samples: int, outputs: int, parameters: int) -> float:
    """Q = samples * outputs / parameters; above 1 the training loss is comparable to the test loss."""
    return samples * outputs / parameters


def example(config: MinimalAttentionConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random tokens of length 7."""
    return {"x": torch.randn(batch_size, 7, config.dim, generator=torch.Generator().manual_seed(seed))}


def image_example(config: MinimalTransformerConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images in [0, 1]."""
    shape = (batch_size, config.in_channels, config.image_size, config.image_size)
    return {"images": torch.rand(shape, generator=torch.Generator().manual_seed(seed))}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Component ``attention``: every variant that the number of heads allows, from one state."""
    outputs = {}
    for variant in VARIANTS:
        if variant.startswith("wqk") and config["heads"] > 1:
            continue
        layer = MinimalAttention(MinimalAttentionConfig(config["d_model"], config["heads"], variant)).eval()
        wanted = layer.state_dict().keys()
        zoo.fill(layer, {name: tensor for name, tensor in state.items() if name in wanted})
        outputs[variant.replace("-", "_")] = layer(inputs["x"])
    return outputs


def _single(variant: str, dim: int = 12) -> MinimalAttention:
    return MinimalAttention(MinimalAttentionConfig(dim, 1, variant)).double().eval()


def check_merged_queries_and_keys() -> Measurement:
    """One head with W = W_Q W_K' and b = W_K b_Q against separate projections."""
    torch.manual_seed(0)
    full, merged = _single("unchanged"), _single("wqk")
    assert full.query is not None
    assert full.key is not None
    assert merged.qk is not None
    x = torch.randn(3, 9, 12, dtype=torch.float64)
    with torch.no_grad():
        merged.qk.weight.copy_(full.key.weight.T @ full.query.weight)
        merged.qk.bias.copy_(full.query.bias @ full.key.weight)
        difference = float((full.scores(x).softmax(-1) - merged.scores(x).softmax(-1)).abs().max())
    return Measurement(f"maps differ by {difference:.1e}", difference < 1e-5)


def check_merged_values_and_output() -> Measurement:
    """One head with W_V W_O as one matrix against both."""
    torch.manual_seed(0)
    full, merged = _single("unchanged"), _single("unchanged")
    merged.load_state_dict(full.state_dict())
    assert full.value is not None
    assert full.out is not None
    assert merged.value is not None
    assert merged.out is not None
    x = torch.randn(3, 9, 12, dtype=torch.float64)
    with torch.no_grad():
        merged.value.weight.copy_(full.out.weight @ full.value.weight)
        merged.value.bias.copy_(full.out(full.value.bias))
        merged.out.weight.copy_(torch.eye(12))
        merged.out.bias.zero_()
        difference = float((full(x) - merged(x)).abs().max())
    return Measurement(f"outputs differ by {difference:.1e}", difference < 1e-5)


def check_convexity() -> Measurement:
    """Outputs without V and O against the range of the inputs, feature by feature."""
    torch.manual_seed(0)
    outside = 0.0
    for variant in ("wqk-no-vo", "symmetric-no-vo"):
        layer, x = _single(variant), torch.randn(50, 9, 12, dtype=torch.float64)
        with torch.no_grad():
            output = layer(x)
        over = (output - x.amax(1, keepdim=True)).clamp(min=0)
        under = (x.amin(1, keepdim=True) - output).clamp(min=0)
        outside = max(outside, float(over.max()), float(under.max()))
    return Measurement(f"at most {outside:.1e} outside the range of the inputs", outside < 1e-12)


def check_semidefinite() -> Measurement:
    """Eigenvalues of T T' for random T."""
    layer = MinimalAttention(MinimalAttentionConfig(16, 2, "symmetric")).double()
    assert layer.tril is not None
    torch.manual_seed(0)
    lowest, asymmetry = math.inf, 0.0
    with torch.no_grad():
        for _ in range(20):
            layer.tril.normal_()
            matrix = layer.triangle() @ layer.triangle().transpose(-1, -2)
            lowest = min(lowest, float(torch.linalg.eigvalsh(matrix).min()))
            asymmetry = max(asymmetry, float((matrix - matrix.transpose(-1, -2)).abs().max()))
    return Measurement(
        f"smallest eigenvalue {lowest:.1e}, asymmetry {asymmetry:.1e}", lowest >= -1e-6 and asymmetry < 1e-12
    )


def check_savings() -> Measurement:
    """Parameters of the whole network, unchanged and at its smallest, with 6 and 12 layers."""

    def count(layers: int, variant: str, mlp: bool) -> int:
        with torch.device("meta"):
            model = MinimalTransformer(MinimalTransformerConfig(num_layers=layers, variant=variant, mlp=mlp))
        return sum(parameter.numel() for parameter in model.parameters())

    full, least = count(6, "unchanged", True), count(6, "wqk-no-vo", False)
    deep = 1 - count(12, "wqk-no-vo", False) / count(12, "unchanged", True)
    quality = overdetermination(60_000, 10, full)
    return Measurement(
        f"{full} to {least}: {1 - least / full:.0%} with 6 layers, {deep:.0%} with 12; Q = {quality:.2f} on MNIST",
        (full, least) == (156_298, 31_498),
        "the paper's 90% counts larger MLPs",
    )
