"""Triplet attention: three almost free gates that let channels, rows and columns talk to each other.

Source: "Rotate to Attend: Convolutional Triplet Attention Module" (WACV 2021), arXiv 2010.03045.

Z-pool over an axis stacks the maximum and the mean over it. A gate on t (B, A, P, Q) is

    gate(t) = t * sigmoid(BN(conv_kxk(Zpool_A(t))))          2 -> 1 channel, k = 7, no bias

The module applies three gates with weights of their own to x (B, C, H, W): one with H in the pooled place (it
convolves over the C-W plane), one with W there (the H-C plane), one with C there (the H-W plane), and averages the
three results. With k = 7 that is 3 * (2 * 49 + 2) = 300 parameters whatever the number of channels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo.nn.resnet import ResidualBlock, ResNet
from zoo_vision import digits, images
from zoo_vision.counting import multiply_adds, parameters

# Blocks per stage of the published depths, and the depths made of bottlenecks.
RESNETS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}
BOTTLENECKS = (50, 101)
# Expansion t, channels c, repeats n, stride s of the first repeat.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass
class TripletConfig:
    """Config of the module."""

    kernel_size: int = zoo.field(7, "side k of the gates' convolutions, odd", unit="pixels", minimum=1)
    no_spatial: bool = zoo.field(False, "leave out the gate over the H-W plane")

    def __post_init__(self) -> None:
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"kernel_size={self.kernel_size} is even; gates need an odd one", field="kernel_size")


@dataclass
class TripletResNetConfig(TripletConfig):
    """Config of the ResNets."""

    depth: int = zoo.field(18, "18 or 34 (basic blocks), 50 or 101 (bottlenecks)", choices=tuple(RESNETS))
    depths: list[int] = zoo.field([], "blocks of the four stages; empty: those of depth", minimum=1)
    width: int = zoo.field(64, "planes of the first stage", unit="channels", minimum=1)
    network_type: str = zoo.field(
        "ImageNet",
        "the data set: ImageNet has the 7x7 stem with pooling, the small images a 3x3 stem",
        choices=("ImageNet", "CIFAR10", "CIFAR100", "digits"),
    )
    num_classes: int = zoo.field(1000, "classes", minimum=1)
    triplet: bool = zoo.field(True, "whether blocks carry the module; False is the plain network")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.depths) not in (0, 4):
            raise ConfigError(f"{len(self.depths)} depths; expected one for each of 4 stages", field="depths")


@dataclass
class TripletMobileNetConfig(TripletConfig):
    """Config of MobileNetV2."""

    num_classes: int = zoo.field(1000, "classes", minimum=1)
    width_mult: float = zoo.field(1.0, "factor on all widths", minimum=0.05)
    dropout: float = zoo.field(0.25, "before the classifier", minimum=0.0, maximum=1.0)
    triplet: bool = zoo.field(True, "whether blocks carry the module; False is the plain network")


class Conv(nn.Module):
    """Convolution 2 -> 1 and batch norm, under the module file's names."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=(kernel_size - 1) // 2, bias=False)
        self.bn = nn.BatchNorm2d(1, eps=1e-5, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, P, Q) to (batch, 1, P, Q)."""
        return self.bn(self.conv(x))


class Gate(nn.Module):
    """Attention over the plane of the last two axes."""

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.conv = Conv(kernel_size)

    def weights(self, x: Tensor) -> Tensor:
        """(batch, A, P, Q) to gate values (batch, 1, P, Q) in (0, 1)."""
        pooled = torch.stack((x.amax(1), x.mean(1)), dim=1)
        return self.conv(pooled).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, A, P, Q) to the same shape."""
        return x * self.weights(x)


class TripletAttention(nn.Module):
    """(batch, channels, height, width) to the same shape, for any sizes."""

    def __init__(self, config: TripletConfig) -> None:
        super().__init__()
        self.cw = Gate(config.kernel_size)
        self.hc = Gate(config.kernel_size)
        self.hw = None if config.no_spatial else Gate(config.kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Average of the gated inputs.

        Raises:
            InputError: ``x`` has no four axes.
        """
        if x.ndim != 4:
            raise InputError(f"shape {tuple(x.shape)}; expected (batch, channels, height, width)")
        total = self.cw(x.transpose(1, 2)).transpose(1, 2) + self.hc(x.transpose(1, 3)).transpose(1, 3)
        return total / 2 if self.hw is None else (total + self.hw(x)) / 3


class TripletBlock(ResidualBlock):
    """A residual block with the module between the last batch norm and the addition."""

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        bottleneck: bool,
        project: bool = False,
        *,
        triplet: TripletConfig,
    ) -> None:
        super().__init__(in_channels, width, stride, bottleneck, project)
        self.triplet_attention = TripletAttention(triplet)

    def branch(self, x: Tensor) -> Tensor:
        """Convolutions, then the module."""
        return self.triplet_attention(super().branch(x))


class TripletResNet(ResNet):
    """Images (batch, 3, H, W) to logits (batch, num_classes)."""

    def __init__(self, config: TripletResNetConfig) -> None:
        super().__init__(
            config.depths or RESNETS[config.depth],
            width=config.width,
            bottleneck=config.depth in BOTTLENECKS,
            small_stem=config.network_type != "ImageNet",
            num_classes=config.num_classes,
            block=partial(TripletBlock, triplet=config) if config.triplet else ResidualBlock,
        )

    def reset_parameters(self) -> None:
        """Kaiming normal for convolutions and the head; the H-W gates start at sigmoid(0) = 1/2."""
        super().reset_parameters()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, TripletAttention) and module.hw is not None:
                nn.init.zeros_(module.hw.conv.bn.weight)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project, the module; plus the input where shapes agree."""

    def __init__(self, in_planes: int, planes: int, stride: int, ratio: int, triplet: TripletConfig | None) -> None:
        super().__init__()
        hidden = in_planes * ratio
        layers: list[nn.Module] = []
        if ratio != 1:
            layers += [nn.Conv2d(in_planes, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, planes, 1, bias=False),
            nn.BatchNorm2d(planes),
        ]
        if triplet is not None:
            layers.append(TripletAttention(triplet))
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and in_planes == planes

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, H, W) to (batch, planes, H / stride, W / stride)."""
        return x + self.conv(x) if self.residual else self.conv(x)


class TripletMobileNet(nn.Module):
    """MobileNetV2 with the module after every linear projection; images (batch, 3, H, W) to logits."""

    def __init__(self, config: TripletMobileNetConfig) -> None:
        super().__init__()
        triplet = config if config.triplet else None
        planes = _divisible(32 * config.width_mult)
        last = _divisible(1280 * max(1.0, config.width_mult))
        layers: list[nn.Module] = [_conv_bn(3, planes, 3, 2)]
        for ratio, channels, repeats, stride in MOBILENET_V2:
            out_planes = _divisible(channels * config.width_mult)
            for index in range(repeats):
                layers.append(InvertedResidual(planes, out_planes, stride if index == 0 else 1, ratio, triplet))
                planes = out_planes
        layers.append(_conv_bn(planes, last, 1, 1))
        self.features = nn.Sequential(*layers)
        head = nn.Linear(last, config.num_classes)
        self.classifier = nn.Sequential(nn.Dropout(config.dropout), head)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.normal_(head.weight, std=0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.classifier(self.features(images).mean((-2, -1)))


def _divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of 8, never more than 10% below."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def _conv_bn(in_planes: int, planes: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(in_planes, planes, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(planes), nn.ReLU6())


def example(config: TripletConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map."""
    return {"x": torch.randn(batch_size, 6, 9, 7, generator=torch.Generator().manual_seed(seed))}


def image_example(config: Any, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images of 32 x 32 pixels."""
    return {"images": torch.randn(batch_size, 3, 32, 32, generator=torch.Generator().manual_seed(seed))}


def preprocess(config: TripletResNetConfig | TripletMobileNetConfig) -> Callable[[Any], dict[str, Tensor]]:
    """From a path, a PIL image or an array to ``forward``'s arguments."""
    return images.preprocessor(config.network_type if isinstance(config, TripletResNetConfig) else "ImageNet")


def predict(
    model: nn.Module, config: TripletResNetConfig | TripletMobileNetConfig, source: Any
) -> dict[str, list[dict[str, Any]]]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["images"])


def attention_maps(model: nn.Module, inputs: Tensor, block: int = 0) -> Tensor:
    """Where one block's gate over the H-W plane looks.

    Args:
        model: a network with the module, or the module itself.
        inputs: what the model takes.
        block: number of the module in the network, from the input; negative from the output.

    Returns:
        Gate values in (0, 1): (batch, height / stride, width / stride).

    Raises:
        InputError: there is no such gate.
    """
    gates = [part.hw for part in model.modules() if isinstance(part, TripletAttention) and part.hw is not None]
    if not -len(gates) <= block < len(gates):
        raise InputError(f"block={block}: the model has {len(gates)} gates over the H-W plane")
    gate, found = gates[block], []

    def keep(module: nn.Module, args: tuple[Tensor]) -> None:
        found.append(gate.weights(args[0])[:, 0])

    handle = gate.register_forward_pre_hook(keep)
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        handle.remove()
    return found[0]


def train(
    config: TripletResNetConfig, *, preset: str | None, seed: int, log: Callable[[str], None]
) -> tuple[nn.Module, dict[str, float]]:
    """The handwritten digits; a minute or two on one core."""
    model = TripletResNet(config)
    return model, digits.fit(model, epochs=25, seed=seed, log=log)


_OLD_GATES = {
    "ChannelGateH.spatial.": "cw.conv.",
    "ChannelGateW.spatial.": "hc.conv.",
    "SpatialGate.spatial.": "hw.conv.",
}


def convert(state: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Older gate names to the module file's; ``module.`` and ``state_dict.`` prefixes go."""
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r"^(state_dict\.)?(module\.)?", "", name)
        for old, new in _OLD_GATES.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


def replay(
    component: str,
    config: Mapping[str, Any],
    call: Mapping[str, Any],
    state: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Components ``triplet-module`` and ``resnet-block``."""
    triplet = TripletConfig(config.get("kernel_size", 7), config.get("no_spatial", False))
    module: nn.Module
    if component == "triplet-module":
        module = TripletAttention(triplet)
    elif component == "resnet-block":
        module = _recorded_block(config, triplet)
    else:
        raise InputError(f"no component {component!r}; there are: triplet-module, resnet-block")
    zoo.fill(module.eval(), convert(state, config))
    return {"y": module(inputs["x"])}


def _recorded_block(config: Mapping[str, Any], triplet: TripletConfig) -> ResidualBlock:
    """From the constructor arguments of the authors' blocks, with their defaults."""
    make = partial(TripletBlock, triplet=triplet) if config.get("use_triplet_attention", False) else ResidualBlock
    bottleneck = {"BasicBlock": False, "Bottleneck": True}[config["block"]]
    project = config.get("downsample", False)
    return make(config["inplanes"], config["planes"], config.get("stride", 1), bottleneck, project)


def _resnet(depth: int, triplet: bool) -> TripletResNet:
    with torch.device("meta"):
        return TripletResNet(TripletResNetConfig(depth=depth, triplet=triplet))


def check_parameters() -> Measurement:
    """Parameters with and without the module, on real networks."""
    module = parameters(TripletAttention(TripletConfig()))
    plain = {depth: parameters(_resnet(depth, triplet=False)) for depth in (18, 50)}
    extra = {depth: parameters(_resnet(depth, triplet=True)) - plain[depth] for depth in plain}
    share = extra[50] / plain[50]
    return Measurement(
        f"{module} per block; +{extra[18]} on ResNet-18, +{extra[50]} on ResNet-50 ({share:+.3%})",
        (module, extra[18], extra[50], round(100 * share, 3)) == (300, 2400, 4800, 0.019),
    )


def check_multiply_adds() -> Measurement:
    """Multiply-adds at 224 x 224 with and without the module, by hooks; batch norm counts 2 per output element."""
    image = torch.empty(1, 3, 224, 224, device="meta")
    texts, found = [], []
    for depth in (18, 50):
        ours, plain = (multiply_adds(_resnet(depth, triplet), image, per_norm_output=2) for triplet in (True, False))
        found += [round(ours / 1e9, 4), round(plain / 1e9, 4)]
        texts.append(f"ResNet-{depth}: {ours / 1e9:.4f}e9 against {plain / 1e9:.4f}e9 ({ours / plain - 1:+.2%})")
    return Measurement("; ".join(texts), found == [1.8256, 1.8190, 4.1587, 4.1114])


def check_any_shape() -> Measurement:
    """One instance on two shapes."""
    module = TripletAttention(TripletConfig()).eval()
    shapes = [(1, 16, 12, 10), (1, 64, 7, 9)]
    kept = [tuple(module(torch.randn(shape)).shape) == shape for shape in shapes]
    return Measurement(f"{sum(kept)} of {len(kept)} shapes preserved by one instance", all(kept))


def check_rotation() -> Measurement:
    """Transposed input and gates give the transposed output."""
    torch.manual_seed(0)
    module, turned = (TripletAttention(TripletConfig()).double().eval() for _ in range(2))
    # Under a swap of H and W the C-W plane becomes the C-H plane, that is hc's with its axes exchanged.
    with torch.no_grad():
        for target, source in (("cw", "hc"), ("hc", "cw"), ("hw", "hw")):
            kernel = module.get_parameter(f"{source}.conv.conv.weight")
            turned.get_parameter(f"{target}.conv.conv.weight").copy_(kernel.transpose(-1, -2))
    x = torch.randn(2, 5, 8, 6, dtype=torch.float64)
    difference = float((turned(x.transpose(-1, -2)) - module(x).transpose(-1, -2)).abs().max().detach())
    return Measurement(f"difference {difference:.1e} in float64", difference < 1e-12)
