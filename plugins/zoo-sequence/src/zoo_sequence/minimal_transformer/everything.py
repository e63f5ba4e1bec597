"""Minimal transformers: which parts of attention can go?

Source: "Reducing the Transformer Architecture to a Minimum" (2024), arXiv 2410.13732; sizes from a third-party
reproduction. Tokens X (N, d), heads of width d_h, scale d_h^-0.5 in every variant, softmax over keys:

    unchanged         Q, K, V and O with biases
    wqk               score x_i' (W x_j) with one matrix for W_Q and W_K; one head, else it saves nothing
    wqk-no-vo         the same, and the output is A X: no V, no O
    symmetric         score x_i T T' x_j with T lower triangular, per head on its slice of the features
    symmetric-no-vo   the same, and the output is A X

With one head W_Q W_K' and W_V W_O are single matrices already, so merging them loses nothing. Without V and O an
attention output is a convex combination of its inputs (with several heads, of each head's slice of them). T T' is
positive semidefinite: no token is less similar to itself than zero.

The network is post-norm: x = LN1(x + A), x = LN2(x + MLP(x)). Its MLP can be left out too; layers are then steps of the
recursion x + A(x) x W_V W_O. Q, the ratio of training samples times outputs to parameters, says how far the data
determine the network: above 1 the loss on new data is comparable to that in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.building import build_on_meta
from zoo.errors import ConfigError, InputError
from zoo.nn import digits
from zoo.nn.attention import dense_attention
from zoo.nn.heads import require_equal_slices

VARIANTS = ("unchanged", "wqk", "wqk-no-vo", "symmetric", "symmetric-no-vo")
EPOCHS = 50


@dataclass
class MinimalAttentionConfig:
    """Config of the layer."""

    dim: int = zoo.field(64, "model width", unit="features", minimum=1)
    num_heads: int = zoo.field(1, "heads", minimum=1)
    variant: str = zoo.field("unchanged", "what is left of attention", choices=VARIANTS)
    causal: bool = zoo.field(False, "whether a token sees only those before it")
    dropout: float = zoo.field(0.0, "of attention weights", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        _require_heads(self.dim, self.num_heads, self.variant)


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
        _require_heads(self.dim, self.num_heads, self.variant)
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size={self.image_size} is not a multiple of patch_size={self.patch_size}", field="image_size"
            )
        if self.mlp and self.hidden_dim < 1:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} of dim={self.dim} leaves the MLP no unit", field="mlp_ratio")

    @property
    def hidden_dim(self) -> int:
        """Width of the MLPs."""
        return int(self.dim * self.mlp_ratio)


def _require_heads(dim: int, num_heads: int, variant: str) -> None:
    require_equal_slices(dim, num_heads)
    if variant.startswith("wqk") and num_heads > 1:
        raise ConfigError(
            "with several heads each needs a (dim, dim) matrix for queries and keys, which saves nothing: "
            "wqk variants have one head",
            field="num_heads",
        )


def lower_triangle(rows: Tensor) -> Tensor:
    """Lower-triangular matrices (n, width, width) from their entries (n, width (width + 1) / 2), row by row."""
    count, entries = rows.shape
    width = (math.isqrt(8 * entries + 1) - 1) // 2
    row, column = torch.tril_indices(width, width, device=rows.device)
    return rows.new_zeros(count, width**2).index_copy(1, row * width + column, rows).view(count, width, width)


class MinimalAttention(nn.Module):
    """The layer, (batch, length, dim) to the same shape; a projection that the variant lacks is the identity."""

    has_positions = False

    def __init__(self, config: MinimalAttentionConfig) -> None:
        super().__init__()
        self.config = config
        dim, width = config.dim, config.dim // config.num_heads
        similarity, _, rest = config.variant.partition("-")

        def projection(exists: bool) -> nn.Module:
            return nn.Linear(dim, dim) if exists else nn.Identity()

        self.query = projection(similarity == "unchanged")
        self.key = projection(similarity == "unchanged")
        self.qk = projection(similarity == "wqk")
        triangles = torch.empty(config.num_heads, width * (width + 1) // 2)
        self.tril = nn.Parameter(triangles) if similarity == "symmetric" else None
        self.value = projection(not rest)
        self.out = projection(not rest)
        if self.tril is not None:
            # The identity and a little noise: with standard normal T the scores grow like dim ** 1.5.
            nn.init.normal_(self.tril, std=0.02)
            row, column = torch.tril_indices(width, width)
            with torch.no_grad():
                self.tril.add_((row == column).to(self.tril))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.config.num_heads, -1)).transpose(1, 2)

    def queries_and_keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is compared, each (batch, heads, length, d_h)."""
        query, key = self._split(self.query(self.qk(x))), self._split(self.key(x))
        if self.tril is None:
            return query, key
        projected = query @ lower_triangle(self.tril)
        return projected, projected

    def scores(self, x: Tensor) -> Tensor:
        """Scaled scores (batch, heads, length, length), which ``forward`` never holds all at once."""
        query, key = self.queries_and_keys(x)
        return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, length, dim).
            attn_mask: see ``zoo.nn.masks``.
        """
        query, key = self.queries_and_keys(x)
        dropout = self.config.dropout if self.training else 0.0
        value = self._split(self.value(x))
        output = dense_attention(query, key, value, attn_mask, causal=self.config.causal, dropout=dropout)
        return self.out(output.transpose(1, 2).flatten(2))


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
        width = config.hidden_dim
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
        self.config = config
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
            InputError: the images are not of the configured size and channels.
        """
        expected = (self.config.in_channels, self.config.image_size, self.config.image_size)
        if images.ndim != 4 or tuple(images.shape[1:]) != expected:
            raise InputError(
                f"images of shape {tuple(images.shape)}; expected (batch, {', '.join(map(str, expected))})"
            )
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1) + self.position_embeddings
        x = self.drop(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0])


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


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


def train(
    config: MinimalTransformerConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """Learn scikit-learn's handwritten digits as configured, and with every variant in equal settings.

    Returns:
        The network as configured, and of each variant its parameters, Q, held-out accuracy and losses in nats.

    Raises:
        ConfigError: the network is not one of ten classes and one head for images of 8 x 8 grey pixels.
    """
    if (config.image_size, config.in_channels, config.num_classes, config.num_heads) != (8, 1, 10, 1):
        raise ConfigError(
            "the digits are grey images of 8 x 8 pixels in ten classes, and some variants have one head only: take "
            "minimal-transformer/digits",
            field="image_size",
        )
    models: list[MinimalTransformer] = []
    metrics: dict[str, float] = {}
    settings = [(variant, False) for variant in VARIANTS] + [("unchanged", True), ("wqk-no-vo", True)]
    for variant, mlp in dict.fromkeys([(config.variant, config.mlp), *settings]):
        torch.manual_seed(seed)
        models.append(MinimalTransformer(replace(config, variant=variant, mlp=mlp)))
        digits.fit(models[-1], epochs=EPOCHS, seed=seed)
        result, parameters = digits.measure(models[-1]), count_parameters(models[-1])
        name = f"{variant}{' with MLP' if mlp else ''}"
        log(f"{name}: {parameters} parameters, {result.accuracy:.2%} of the held-out digits")
        metrics |= {
            f"{name}, parameters": parameters,
            f"{name}, Q": overdetermination(digits.SAMPLES, config.num_classes, parameters),
            f"{name}, held-out accuracy": result.accuracy,
            f"{name}, training loss": result.training_loss,
            f"{name}, held-out loss": result.held_out_loss,
        }
    return models[0], metrics


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
    state = full.state_dict()
    kept = {name: tensor for name, tensor in state.items() if name.partition(".")[0] in ("value", "out")}
    key = state["key.weight"]
    joint = {"qk.weight": key.T @ state["query.weight"], "qk.bias": state["query.bias"] @ key}
    zoo.fill(merged, kept | joint)
    x = torch.randn(3, 9, 12, dtype=torch.float64)
    with torch.no_grad():
        maps = float((full.scores(x).softmax(-1) - merged.scores(x).softmax(-1)).abs().max())
        outputs = float((full(x) - merged(x)).abs().max())
    return Measurement(f"maps differ by {maps:.1e}, outputs by {outputs:.1e}", max(maps, outputs) < 1e-5)


def check_merged_values_and_output() -> Measurement:
    """One head with W_V W_O as one matrix against both."""
    torch.manual_seed(0)
    full, merged = _single("unchanged"), _single("unchanged")
    state = full.state_dict()
    output, identity = state["out.weight"], torch.eye(12, dtype=torch.float64)
    joint = {
        "value.weight": output @ state["value.weight"],
        "value.bias": output @ state["value.bias"] + state["out.bias"],
        "out.weight": identity,
        "out.bias": torch.zeros(12, dtype=torch.float64),
    }
    zoo.fill(merged, state | joint)
    x = torch.randn(3, 9, 12, dtype=torch.float64)
    with torch.no_grad():
        difference = float((full(x) - merged(x)).abs().max())
    return Measurement(f"outputs differ by {difference:.1e}", difference < 1e-5)


def check_convexity() -> Measurement:
    """Weights without V and O, read off one-hot tokens, and outputs against the range of the inputs."""
    torch.manual_seed(0)
    outside, lowest, total = 0.0, math.inf, 0.0
    for variant in ("wqk-no-vo", "symmetric-no-vo"):
        layer, x = _single(variant), torch.randn(50, 9, 12, dtype=torch.float64)
        with torch.no_grad():
            output = layer(x)
            weights = layer(torch.eye(12, dtype=torch.float64)[None])
        over = (output - x.amax(1, keepdim=True)).clamp(min=0)
        under = (x.amin(1, keepdim=True) - output).clamp(min=0)
        outside = max(outside, float(over.max()), float(under.max()))
        lowest, total = min(lowest, float(weights.min())), max(total, float((weights.sum(-1) - 1).abs().max()))
    return Measurement(
        f"at most {outside:.1e} outside the inputs' range; weights from {lowest:.3f}, sums within {total:.1e} of 1",
        outside < 1e-12 and lowest >= 0 and total < 1e-12,
    )


def check_semidefinite() -> Measurement:
    """Eigenvalues of T T' for random T, and the similarity of random tokens to themselves."""
    layer = MinimalAttention(MinimalAttentionConfig(16, 2, "symmetric")).double()
    torch.manual_seed(0)
    lowest, asymmetry, least = math.inf, 0.0, math.inf
    with torch.no_grad():
        for _ in range(20):
            layer.get_parameter("tril").normal_()
            triangles = lower_triangle(layer.get_parameter("tril"))
            matrix = triangles @ triangles.transpose(-1, -2)
            lowest = min(lowest, float(torch.linalg.eigvalsh(matrix).min()))
            scores = layer.scores(torch.randn(4, 30, 16, dtype=torch.float64))
            asymmetry = max(asymmetry, float((scores - scores.transpose(-1, -2)).abs().max()))
            least = min(least, float(scores.diagonal(dim1=-2, dim2=-1).min()))
    return Measurement(
        f"smallest eigenvalue {lowest:.1e}; scores asymmetric by {asymmetry:.1e}, x'T T'x at least {least:.2f}",
        lowest >= -1e-6 and asymmetry < 1e-12 and least >= 0,
    )


def check_savings() -> Measurement:
    """Parameters of the whole network, unchanged and at its smallest, with 6 layers and with 12."""

    def count(layers: int, variant: str, mlp: bool, mlp_ratio: float = 1.0) -> int:
        config = MinimalTransformerConfig(num_layers=layers, variant=variant, mlp=mlp, mlp_ratio=mlp_ratio)
        return count_parameters(build_on_meta(lambda: MinimalTransformer(config)))

    full, least = count(6, "unchanged", True), count(6, "wqk-no-vo", False)
    deep = count(12, "wqk-no-vo", False)
    same, wide = (1 - deep / count(12, "unchanged", True, ratio) for ratio in (1.0, 4.0))
    return Measurement(
        f"{full} to {least}: {1 - least / full:.0%} with 6 layers; with 12 layers {same:.0%}, and {wide:.0%} of a "
        f"network with the usual MLPs of 4 d",
        (full, least) == (156_298, 31_498) and f"{1 - least / full:.0%}" == "80%" and wide >= 0.9,
        f"Q on MNIST is {overdetermination(60_000, 10, full):.2f} and {overdetermination(60_000, 10, least):.2f}",
    )
