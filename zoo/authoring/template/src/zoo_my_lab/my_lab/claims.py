"""What the paper promises, measured. A check must be able to fail: no figure in it is copied from the paper."""

import torch
from torch import nn

import zoo
from zoo import Measurement
from zoo.datasets import handwritten_digits
from zoo_my_lab.my_lab.config import MyLabConfig
from zoo_my_lab.my_lab.conversion import convert
from zoo_my_lab.my_lab.layer import MyLabAttention, example


def check_temperature_one() -> Measurement:
    """Compare with torch's own layer, given the same weights."""
    config = MyLabConfig(dim=16, num_heads=2)
    theirs = nn.MultiheadAttention(config.dim, config.num_heads, bias=False, batch_first=True).eval()
    ours = MyLabAttention(config).eval()
    zoo.fill(ours, convert(theirs.state_dict(), config))
    x = example(config)["x"]
    difference = float((ours(x) - theirs(x, x, x)[0]).abs().max().detach())
    return Measurement(f"difference {difference:.1e}", difference < 1e-5)


def check_sharpness() -> Measurement:
    """The entropy of attention at a low, the middle and a high temperature."""
    config = MyLabConfig(dim=16, num_heads=1)
    layer = MyLabAttention(config).eval()
    x = example(config)["x"]
    query, key, _ = layer.qkv(x).chunk(3, dim=-1)
    entropies = []
    for temperature in (0.1, 1.0, 10.0):
        weights = (query @ key.mT / (temperature * config.dim**0.5)).softmax(-1)
        entropies.append(float(torch.special.entr(weights).sum(-1).mean().detach()))
    shown = ", ".join(f"{entropy:.2f}" for entropy in entropies)
    return Measurement(f"{shown} nats at 0.1, 1, 10", entropies == sorted(entropies))


def check_digits() -> Measurement:
    """The accuracy of the bundled weights on digits that they were not trained on."""
    model = zoo.load("my-lab-classifier/digits")
    _, _, images, labels = handwritten_digits()
    with torch.no_grad():
        accuracy = float((model(images).argmax(-1) == labels).float().mean())
    return Measurement(f"{accuracy:.1%} of {len(labels)}", accuracy > 0.9)
