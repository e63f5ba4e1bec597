"""ShiftViT: a vision transformer whose attention is replaced by moving channels by one pixel.

Source: "When Shift Operation Meets Vision Transformer: An Extremely Simple Alternative to Attention Mechanism"
(AAAI 2022), arXiv 2201.10801.

The shift of x (B, C, H, W) with g = C // n_div moves the first g channels one pixel to the left, the next g to the
right, the next up, the next down; pixels that move in are zero, and channels from 4g on stay. It has no parameters
and no arithmetic. A block is

    x = shift(x),   x = x + drop_path(MLP(norm(x)))

so the shortcut starts after the shift. Four stages of widths E, 2E, 4E, 8E follow a 4 x 4 patch embedding; between
stages norm and a 2 x 2 convolution merge patches. The receptive field grows through the shifts alone, by one pixel
a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo import Measurement, catalogue, configuration
from zoo.errors import ConfigError, InputError
from zoo.nn.drop_path import DropPath, linear_rates
from zoo_vision import digits, images
from zoo_vision.counting import multiply_adds, parameters


@dataclass
class ShiftConfig:
    """Config of the bare operator."""

    n_div: int = zoo.field(12, "channels // n_div move in each of the four directions", minimum=1)


@dataclass
class ShiftViTConfig:
    """Config of the network."""

    embed_dim: int = zoo.field(96, "width E of the first stage", unit="channels", minimum=1)
    depths: list[int] = zoo.field([6, 8, 18, 6], "blocks of the four stages", minimum=1)
    mlp_ratio: float = zoo.field(2.0, "MLP width over stage width", minimum=0.0)
    n_div: int = zoo.field(12, "channels // n_div move in each of the four directions", minimum=1)
    drop_path: float = zoo.field(0.2, "stochastic depth of the last block", minimum=0.0, maximum=1.0)
    dropout: float = zoo.field(0.0, "after both layers of an MLP", minimum=0.0, maximum=1.0)
    norm: str = zoo.field("group", "group: GroupNorm of one group; batch: BatchNorm2d", choices=("group", "batch"))
    patch_norm: bool = zoo.field(True, "whether a norm follows the patch embedding")
    num_classes: int = zoo.field(1000, "classes; 0 leaves the head out", minimum=0)
    image_size: int = zoo.field(224, "side that raw images are brought to", unit="pixels", minimum=32)
    dataset: str = zoo.field("ImageNet", "whose preprocessing raw images get", choices=("ImageNet", "digits"))

    def __post_init__(self) -> None:
        if len(self.depths) != 4:
            raise ConfigError(f"{len(self.depths)} depths; expected one for each of 4 stages", field="depths")
        if int(self.embed_dim * self.mlp_ratio) < 1:
            raise ConfigError(
                f"mlp_ratio={self.mlp_ratio} leaves no hidden channel at embed_dim={self.embed_dim}", field="mlp_ratio"
            )
        if self.image_size % 32:
            raise ConfigError(f"image_size={self.image_size} is not a multiple of 32", field="image_size")


def shift(x: Tensor, n_div: int) -> Tensor:
    """Move four groups of C // n_div channels one pixel left, right, up and down; zeros move in.

    Args:
        x: (batch, channels, height, width).
        n_div: see the module's text.

    Returns:
        The same shape.
    """
    group = x.shape[1] // n_div
    out = torch.zeros_like(x)
    out[:, :group, :, :-1] = x[:, :group, :, 1:]
    out[:, group : 2 * group, :, 1:] = x[:, group : 2 * group, :, :-1]
    out[:, 2 * group : 3 * group, :-1] = x[:, 2 * group : 3 * group, 1:]
    out[:, 3 * group : 4 * group, 1:] = x[:, 3 * group : 4 * group, :-1]
    out[:, 4 * group :] = x[:, 4 * group :]
    return out


class Shift(nn.Module):
    """The operator as a module; (batch, channels, height, width) to the same shape."""

    def __init__(self, config: ShiftConfig) -> None:
        super().__init__()
        self.n_div = config.n_div

    def forward(self, x: Tensor) -> Tensor:
        """Shift.

        Raises:
            InputError: ``x`` has no four axes.
        """
        if x.ndim != 4:
            raise InputError(f"shape {tuple(x.shape)}; expected (batch, channels, height, width)")
        return shift(x, self.n_div)


class ConvMLP(nn.Module):
    """Two 1 x 1 convolutions with GELU between them."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(hidden, dim, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to the same shape."""
        return self.drop(self.fc2(self.drop(self.act(self.fc1(x)))))


class ShiftBlock(nn.Module):
    """Shift, then a residual MLP; the only norm keeps the name it has in published checkpoints."""

    def __init__(self, dim: int, config: ShiftViTConfig, drop_path: float) -> None:
        super().__init__()
        self.n_div = config.n_div
        self.norm2 = _norm(dim, config)
        self.mlp = ConvMLP(dim, int(dim * config.mlp_ratio), config.dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to the same shape."""
        x = shift(x, self.n_div)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchMerging(nn.Module):
    """Halve the resolution and double the width."""

    def __init__(self, dim: int, config: ShiftViTConfig) -> None:
        super().__init__()
        self.norm = _norm(dim, config)
        self.reduction = nn.Conv2d(dim, 2 * dim, 2, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, height, width) to (batch, 2 dim, height / 2, width / 2)."""
        return self.reduction(self.norm(x))


class Stage(nn.Module):
    """Blocks of one width, then patch merging in all stages but the last."""

    def __init__(self, dim: int, config: ShiftViTConfig, rates: list[float], last: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ShiftBlock(dim, config, rate) for rate in rates)
        self.downsample = None if last else PatchMerging(dim, config)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map after the blocks, and the input of the next stage."""
        for block in self.blocks:
            x = block(x)
        return x, x if self.downsample is None else self.downsample(x)


class Embedding(nn.Module):
    """4 x 4 patches to vectors."""

    def __init__(self, config: ShiftViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.embed_dim, 4, stride=4)
        self.norm = _norm(config.embed_dim, config) if config.patch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) to (batch, E, height / 4, width / 4)."""
        return self.norm(self.proj(x))


class ShiftViT(nn.Module):
    """Images (batch, 3, height, width), sides multiples of 32, to logits (batch, num_classes)."""

    def __init__(self, config: ShiftViTConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = Embedding(config)
        rates = linear_rates(config.drop_path, sum(config.depths))
        stages = []
        for index, depth in enumerate(config.depths):
            stages.append(Stage(config.embed_dim * 2**index, config, rates[:depth], last=index == 3))
            rates = rates[depth:]
        self.layers = nn.ModuleList(stages)
        self.norm = _norm(config.embed_dim * 8, config)
        self.head = nn.Linear(config.embed_dim * 8, config.num_classes) if config.num_classes else nn.Identity()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Truncated normal of deviation 0.02 for weights, zero biases, norms at 1 and 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def stage_maps(self, images: Tensor) -> list[Tensor]:
        """The maps after the blocks of each stage: strides 4, 8, 16, 32, widths E, 2E, 4E, 8E.

        Raises:
            InputError: a side is not a multiple of 32.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[-1] % 32 or images.shape[-2] % 32:
            raise InputError(f"images of shape {tuple(images.shape)}; expected (batch, 3, height, width), sides in 32s")
        x = self.patch_embed(images)
        maps = []
        for stage in self.layers:
            stage_map, x = stage(x)
            maps.append(stage_map)
        return maps

    def features(self, images: Tensor) -> Tensor:
        """Pooled features (batch, 8E)."""
        return self.norm(self.stage_maps(images)[-1]).mean((-2, -1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, or the features where the head is left out."""
        return self.head(self.features(images))


def _norm(dim: int, config: ShiftViTConfig) -> nn.Module:
    return nn.GroupNorm(1, dim) if config.norm == "group" else nn.BatchNorm2d(dim)


def shift_example(config: ShiftConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map with two groups' worth of channels that stay."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch_size, 2 * config.n_div, 6, 5, generator=generator)}


def example(config: ShiftViTConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 64 x 32 pixels."""
    generator = torch.Generator().manual_seed(seed)
    return {"images": torch.randn(batch_size, 3, 64, 32, generator=generator)}


def preprocess(config: ShiftViTConfig) -> Callable[[Any], dict[str, Tensor]]:
    """From a path, a PIL image or an array to ``forward``'s arguments."""
    return images.preprocessor(config.dataset, config.image_size)


def predict(model: nn.Module, config: ShiftViTConfig, source: Any) -> dict[str, list[dict[str, Any]]]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["images"])


def attention_maps(model: ShiftViT, inputs: Tensor, stage: int = 0) -> Tensor:
    """How strongly a stage answers at every place; without attention, the mean square of its features says that.

    Args:
        model: the network.
        inputs: images (batch, 3, height, width).
        stage: 0 to 3, of stride 4, 8, 16 and 32.

    Returns:
        (batch, height / stride, width / stride), each example scaled to [0, 1].
    """
    with torch.no_grad():
        energy = model.stage_maps(inputs)[stage].square().mean(1)
    low, high = energy.amin((1, 2), keepdim=True), energy.amax((1, 2), keepdim=True)
    return (energy - low) / (high - low).clamp(min=torch.finfo(energy.dtype).tiny)


def train(
    config: ShiftViTConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The handwritten digits; a minute or two on one core."""
    model = ShiftViT(config)
    return model, digits.fit(model, epochs=40, seed=seed, log=log)


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Official names are ours; a ``model.`` prefix (from a wrapped checkpoint) goes."""
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Components ``shift`` and ``shiftvit``."""
    if component == "shift":
        return {"y": shift(inputs["x"], config["n_div"])}
    if component != "shiftvit":
        raise InputError(f"no component {component!r}; there are: shift, shiftvit")
    # The recorded img_size is bookkeeping: the network is convolutional up to the pool.
    names = ("embed_dim", "depths", "mlp_ratio", "n_div", "num_classes")
    own = ShiftViTConfig(**{name: config[name] for name in names if name in config})
    model = ShiftViT(own).eval()
    zoo.fill(model, convert(state, own))
    features = model.features(inputs["x"])
    return {"features": features, "logits": model.head(features)}


class _Operations(TorchDispatchMode):
    """The names of all tensor operations that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def check_mixer_is_free() -> Measurement:
    """Every operation of the shift, and what a block's parameters are."""
    block = ShiftBlock(96, ShiftViTConfig(), 0.0)
    own = parameters(block) - parameters(block.norm2) - parameters(block.mlp)
    x = torch.randn(1, 96, 14, 14)
    with _Operations() as operations:
        shift(x, 12)
    arithmetic = operations.names - {"zeros_like", "slice", "copy_"}
    return Measurement(
        f"{own} parameters beside norm and MLP; operations: {', '.join(sorted(operations.names))}, "
        f"{len(arithmetic)} of them arithmetic",
        own == 0 and not arithmetic,
    )


def _published() -> Iterator[tuple[str, ShiftViT]]:
    """The sizes whose figures the paper gives, on the meta device."""
    entry = catalogue.current().find("vision:shiftvit").offer.entry
    for preset in ("light-tiny", "tiny", "light-small", "base"):
        with torch.device("meta"):
            yield preset, ShiftViT(configuration.merge(entry, preset).instance)


def check_parameters() -> Measurement:
    """Learnable numbers of real networks."""
    found = {preset: parameters(model) for preset, model in _published()}
    rounded = [round(count / 1e6) for count in found.values()]
    return Measurement(", ".join(f"{name} {count:,}" for name, count in found.items()), rounded == [20, 29, 34, 89])


def check_multiply_adds() -> Measurement:
    """Multiply-adds of convolutions and linear layers, counted by hooks on real networks."""
    image = torch.empty(1, 3, 224, 224, device="meta")
    found = {preset: multiply_adds(model, image) / 1e9 for preset, model in _published()}
    return Measurement(
        ", ".join(f"{name} {count:.2f}G" for name, count in found.items()),
        [round(count, 1) for count in found.values()] == [3.0, 4.5, 5.7, 15.6],
        "convolutions and the head; normalisations, activations and additions are not counted",
    )


def check_share_of_moving_channels() -> Measurement:
    """Which channels differ after the shift."""
    x = torch.randn(1, 96, 9, 9, generator=torch.Generator().manual_seed(0))
    moved = (shift(x, 12) != x).flatten(2).any(-1).sum().item()
    return Measurement(f"{moved} of 96 channels move, the others are bit-identical", moved == 32)


def check_permutation() -> Measurement:
    """A left and a right shift of one group undo each other away from the border."""
    x = torch.zeros(1, 4, 7, 7)
    x[:, :, 3, 3] = 1.0
    once = shift(x, 4)
    mirrored = once[:, [1, 0, 3, 2]]
    back = shift(mirrored, 4)[:, [1, 0, 3, 2]]
    difference = float((back - x).abs().max())
    return Measurement(f"difference {difference:g}", difference == 0.0)


def check_receptive_field() -> Measurement:
    """Farthest pixel that the centre depends on after 1 to 4 blocks, with the norm's statistics frozen."""
    reaches = {depth: _reach(depth) for depth in range(1, 5)}
    return Measurement(
        ", ".join(f"L1 distance {reach} after {depth}" for depth, reach in reaches.items()),
        all(reach == depth for depth, reach in reaches.items()),
        "from the centre's gradient; batch norm in eval mode, because group norm couples all pixels",
    )


def _reach(depth: int) -> int:
    """L1 distance from the centre at which the gradient of ``depth`` blocks of one stage ends."""
    torch.manual_seed(0)
    config = ShiftViTConfig(embed_dim=24, norm="batch", mlp_ratio=1.0)
    blocks = nn.Sequential(*(ShiftBlock(24, config, 0.0) for _ in range(depth))).eval()
    centre = depth + 2
    x = torch.randn(1, 24, 2 * centre + 1, 2 * centre + 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(blocks(x)[:, :, centre, centre].sum(), x)
    rows, columns = gradient[0].abs().sum(0).nonzero(as_tuple=True)
    return int(((rows - centre).abs() + (columns - centre).abs()).max())


def check_translation() -> Measurement:
    """Shifting a rolled image equals rolling the shifted one, with zero margins."""
    x = torch.zeros(1, 24, 12, 12)
    x[:, :, 4:8, 4:8] = torch.randn(1, 24, 4, 4, generator=torch.Generator().manual_seed(0))
    difference = (shift(x.roll((1, 2), (2, 3)), 6) - shift(x, 6).roll((1, 2), (2, 3))).abs().max().item()
    return Measurement(f"difference {difference:g}", difference == 0.0)
