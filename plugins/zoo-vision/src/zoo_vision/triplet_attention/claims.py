"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo.nn import digits
from zoo_vision.counting import multiply_adds
from zoo_vision.images import upsample_digits
from zoo_vision.triplet_attention.config import TripletConfig, TripletResNetConfig
from zoo_vision.triplet_attention.gates import TripletAttention
from zoo_vision.triplet_attention.networks import TripletResNet


def _resnet(depth: int, triplet: bool) -> TripletResNet:
    with torch.device("meta"):
        return TripletResNet(TripletResNetConfig(depth=depth, triplet=triplet))


def check_parameters() -> Measurement:
    """Parameters with and without the module, on real networks."""
    module = count_parameters(TripletAttention(TripletConfig()))
    plain = {depth: count_parameters(_resnet(depth, triplet=False)) for depth in (18, 50)}
    extra = {depth: count_parameters(_resnet(depth, triplet=True)) - plain[depth] for depth in plain}
    share = extra[50] / plain[50]
    return Measurement(
        f"{module} per block; +{extra[18]} on ResNet-18, +{extra[50]} on ResNet-50 ({share:+.3%})",
        (module, extra[18], extra[50], round(100 * share, 3)) == (300, 2400, 4800, 0.019),
    )


def check_multiply_adds() -> Measurement:
    """Multiply-adds at 224 x 224 with and without the module; batch norm counts 2 per output element."""
    image = torch.empty(1, 3, 224, 224, device="meta")
    texts, found = [], []
    for depth in (18, 50):
        ours, plain = (multiply_adds(_resnet(depth, triplet), image, per_norm_output=2) for triplet in (True, False))
        found += [round(ours / 1e9, 4), round(plain / 1e9, 4)]
        texts.append(f"ResNet-{depth}: {ours / 1e9:.4f}e9 against {plain / 1e9:.4f}e9 ({ours / plain - 1:+.2%})")
    return Measurement("; ".join(texts), found == [1.8256, 1.8190, 4.1587, 4.1114])


def check_published_multiply_adds() -> Measurement:
    """Multiply-adds of the presets 18 and 50 at 224 x 224, beside the paper's figures; norms count as above."""
    image = torch.empty(1, 3, 224, 224, device="meta")
    counted = [multiply_adds(_resnet(depth, True), image, per_norm_output=2) / 1e9 for depth in (18, 50)]
    off = [ours / paper - 1 for ours, paper in zip(counted, (1.825, 4.169), strict=True)]
    return Measurement(
        f"ResNet-18 {counted[0]:.3f}G ({off[0]:+.2%}), ResNet-50 {counted[1]:.3f}G ({off[1]:+.2%})",
        max(map(abs, off)) < 0.02,
    )


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


def check_digits() -> Measurement:
    """The bundled classifier on 360 held-out digits, beside a linear model of the same pixels."""
    ours = digits.measure(zoo.load("triplet-attention-resnet/digits"), view=upsample_digits).accuracy
    baseline = digits.linear_accuracy()
    return Measurement(f"{ours:.1%} of 360 held-out digits; a linear model {baseline:.1%}", ours > baseline)
