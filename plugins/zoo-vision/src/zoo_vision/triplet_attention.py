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
from typing import Any

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.errors import ConfigError, InputError
from zoo_vision import digits, images

RESNETS = {
    18: ("basic", [2, 2, 2, 2]),
    34: ("basic", [3, 4, 6, 3]),
    50: ("bottleneck", [3, 4, 6, 3]),
    101: ("bottleneck", [3, 4, 23, 3]),
}
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

    depth: int = zoo.field(18, "18, 34, 50 or 101; ignored where depths are given", minimum=1)
    depths: list[int] = zoo.field([], "blocks of the four stages; empty: those of depth", minimum=1)
    block: str = zoo.field("auto", "residual block", choices=("auto", "basic", "bottleneck"))
    width: int = zoo.field(64, "planes of the first stage", unit="channels", minimum=1)
    network_type: str = zoo.field("imagenet", "stem and pooling", choices=("imagenet", "cifar"))
    num_classes: int = zoo.field(1000, "classes", minimum=1)
    triplet: bool = zoo.field(True, "whether blocks carry the module; False is the plain network")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.depths and self.depth not in RESNETS:
            raise ConfigError(f"depth={self.depth} is not one of {', '.join(map(str, RESNETS))}", field="depth")
        if self.depths and len(self.depths) != 4:
            raise ConfigError(f"{len(self.depths)} depths; expected one for each of 4 stages", field="depths")

    @property
    def shape(self) -> tuple[str, list[int]]:
        """Kind of block and blocks per stage."""
        block, depths = RESNETS.get(self.depth, ("basic", []))
        return (block if self.block == "auto" else self.block), self.depths or depths


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


class BasicBlock(nn.Module):
    """conv3x3-BN-ReLU-conv3x3-BN, the module, the shortcut, ReLU."""

    expansion = 1

    def __init__(self, in_planes: int, planes: int, stride: int, shortcut: bool, triplet: TripletConfig | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.downsample = _projection(in_planes, planes, stride) if shortcut else None
        self.triplet_attention = TripletAttention(triplet) if triplet else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, H, W) to (batch, planes, H / stride, W / stride)."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return _join(self, x, out)


class Bottleneck(nn.Module):
    """1x1-BN-ReLU-3x3-BN-ReLU-1x1-BN, the module, the shortcut, ReLU; four times ``planes`` come out."""

    expansion = 4

    def __init__(self, in_planes: int, planes: int, stride: int, shortcut: bool, triplet: TripletConfig | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.relu = nn.ReLU()
        self.downsample = _projection(in_planes, planes * 4, stride) if shortcut else None
        self.triplet_attention = TripletAttention(triplet) if triplet else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_planes, H, W) to (batch, 4 planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        return _join(self, x, out)


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


def _projection(in_planes: int, out_planes: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_planes, out_planes, 1, stride, bias=False), nn.BatchNorm2d(out_planes))


def _join(block: BasicBlock | Bottleneck, x: Tensor, out: Tensor) -> Tensor:
    if block.triplet_attention is not None:
        out = block.triplet_attention(out)
    return block.relu(out + (x if block.downsample is None else block.downsample(x)))


class TripletResNet(nn.Module):
    """Images (batch, 3, H, W) to logits (batch, num_classes); torchvision's layout and names."""

    def __init__(self, config: TripletResNetConfig) -> None:
        super().__init__()
        kind, depths = config.shape
        self.imagenet = config.network_type == "imagenet"
        width = config.width
        if self.imagenet:
            self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        else:
            self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if self.imagenet else nn.Identity()
        self.in_planes = width
        stages = [
            self._stage(config, kind, width * 2**index, depth, 1 + (index > 0)) for index, depth in enumerate(depths)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.fc = nn.Linear(self.in_planes, config.num_classes)
        self.reset_parameters()

    def _stage(self, config: TripletResNetConfig, kind: str, planes: int, depth: int, stride: int) -> nn.Sequential:
        block = BLOCKS[kind]
        triplet = TripletConfig(config.kernel_size, config.no_spatial) if config.triplet else None
        blocks = []
        for index in range(depth):
            step = stride if index == 0 else 1
            shortcut = step != 1 or self.in_planes != planes * block.expansion
            blocks.append(block(self.in_planes, planes, step, shortcut, triplet))
            self.in_planes = planes * block.expansion
        return nn.Sequential(*blocks)

    def reset_parameters(self) -> None:
        """Kaiming normal for convolutions and the head; the H-W gates start at sigmoid(0) = 1/2."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, TripletAttention) and module.hw is not None:
                nn.init.zeros_(module.hw.conv.bn.weight)
        nn.init.kaiming_normal_(self.fc.weight)

    def maps(self, x: Tensor) -> Tensor:
        """The last stage's map."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.fc(self.maps(x).mean((-2, -1)))


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
        triplet = TripletConfig(config.kernel_size, config.no_spatial) if config.triplet else None
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

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classifier(self.features(x).mean((-2, -1)))


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
    return {"x": torch.randn(batch_size, 3, 32, 32, generator=torch.Generator().manual_seed(seed))}


def preprocess(config: TripletResNetConfig | TripletMobileNetConfig) -> Callable[[Any], dict[str, Tensor]]:
    """From a path, a PIL image or an array to ``forward``'s arguments; digits for the small-image network."""
    if isinstance(config, TripletResNetConfig) and config.network_type == "cifar":
        return lambda source: {"x": images.digits_tensor(source)}
    return lambda source: {"x": images.imagenet_tensor(source, 224)}


def predict(model: nn.Module, config: TripletResNetConfig, source: Any) -> dict[str, Any]:
    """The five likeliest classes of an image."""
    return images.top_classes(model, preprocess(config)(source)["x"])


def spatial_attention(model: nn.Module, inputs: Tensor) -> Tensor:
    """H-W gate values (batch, h, w) of the first block that has such a gate, for inputs of the model."""
    gate = next((m.hw for m in model.modules() if isinstance(m, TripletAttention) and m.hw is not None), None)
    if gate is None:
        raise InputError("the model has no gate over the H-W plane")
    found: list[Tensor] = []
    handle = gate.register_forward_hook(lambda module, args, output: found.append(module.weights(args[0])[:, 0]))
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
    """The bare module, and one residual block."""
    module: nn.Module
    if "block" in config:
        triplet = TripletConfig() if config.get("use_triplet_attention", True) else None
        block = BasicBlock if config["block"] == "BasicBlock" else Bottleneck
        module = block(
            config["inplanes"],
            config["planes"],
            config.get("stride", 1),
            config.get("downsample", any(name.startswith("downsample.") for name in state)),
            triplet,
        )
    else:
        module = TripletAttention(TripletConfig(config.get("kernel_size", 7), config.get("no_spatial", False)))
    zoo.fill(module.eval(), convert(state, config))
    return {"y": module(next(iter(inputs.values())))}


def multiply_adds(model: nn.Module, inputs: Tensor) -> int:
    """Multiply-adds of convolutions and linear layers, batch norm counted as 2 per output element."""
    total = 0

    def count(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        else:
            total += 2 * output.numel()

    counted = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)
    handles = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, counted)]
    try:
        with torch.no_grad():
            model.eval()(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return total


def _resnet(depth: int, triplet: bool) -> TripletResNet:
    with torch.device("meta"):
        return TripletResNet(TripletResNetConfig(depth=depth, triplet=triplet))


def check_parameters() -> Measurement:
    """Parameters with and without the module."""
    module = sum(p.numel() for p in TripletAttention(TripletConfig()).parameters())
    extra, share = {}, {}
    for depth in (18, 50):
        plain, ours = (sum(p.numel() for p in _resnet(depth, triplet).parameters()) for triplet in (False, True))
        extra[depth], share[depth] = ours - plain, (ours - plain) / plain
    return Measurement(
        f"{module} per block; +{extra[18]} on ResNet-18, +{extra[50]} on ResNet-50 ({share[50]:+.3%})",
        (module, extra[18], extra[50]) == (300, 2400, 4800),
    )


def check_multiply_adds() -> Measurement:
    """Multiply-adds at 224 x 224 with and without the module."""
    found = {}
    for depth in (18, 50):
        image = torch.empty(1, 3, 224, 224, device="meta")
        plain, ours = (multiply_adds(_resnet(depth, triplet), image) for triplet in (False, True))
        found[depth] = (ours, plain, ours / plain - 1)
    text = "; ".join(
        f"ResNet-{depth}: {ours / 1e9:.4f}e9 against {plain / 1e9:.4f}e9 ({share:+.2%})"
        for depth, (ours, plain, share) in found.items()
    )
    return Measurement(text, abs(found[18][2] - 0.0036) < 1e-4 and abs(found[50][2] - 0.0115) < 1e-4)


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
    assert module.hw is not None
    assert turned.hw is not None
    # Under a swap of H and W the C-W plane becomes the C-H plane, that is hc's with its axes exchanged.
    with torch.no_grad():
        for target, source in ((turned.cw, module.hc), (turned.hc, module.cw), (turned.hw, module.hw)):
            target.conv.conv.weight.copy_(source.conv.conv.weight.transpose(-1, -2))
    x = torch.randn(2, 5, 8, 6, dtype=torch.float64)
    difference = float((turned(x.transpose(-1, -2)) - module(x).transpose(-1, -2)).abs().max().detach())
    return Measurement(f"difference {difference:.1e} in float64", difference < 1e-12)
