"""Image classifiers at 224 x 224 pixels, each beside a ViT of equal cost from transformers.

Images per second of every preset that counts its cost at that size, in eval mode on the CPU, and of a plain ViT
(patches of 16 pixels, 12 layers, heads of 32 features, fused attention) whose width brings it nearest to the same
number of floating-point operations. Measured one after the other, so that both see the same machine.

Then DynamicVis, which scans the tokens that matter, as images grow from 512 to 2048 pixels, beside a ViT that costs the
same at 512.

``python -m benchmarks.vision growth`` measures the second alone, in five minutes; ``classifiers`` the first.
"""

from __future__ import annotations

import sys
from functools import cache, partial

import torch
from torch import nn
from transformers import ViTConfig, ViTForImageClassification

import zoo
from benchmarks.measuring import table
from zoo.counting import flops
from zoo.evidence.measuring import PeakMemory, quickest

SIDE, BATCH, REPEAT = 224, 4, 3
WIDTHS = range(64, 1600, 32)


def classifiers() -> list[str]:
    """Presets of the vision plugin that classify images of this size, each config once and no preset for tests."""
    names = []
    for offer in zoo.entries(kind="model", plugin="vision", tag="classification"):
        if not offer.entry.paper_input:
            continue
        once = {repr(config): preset for preset, config in reversed(offer.entry.presets.items()) if preset != "test"}
        names += [f"{offer.entry.id}/{preset}" for preset in offer.entry.presets if preset in once.values()]
    return [name for name in names if list(zoo.info(name).flops.inputs.values()) == [[1, 3, SIDE, SIDE]]]


def vit(width: int, side: int = SIDE) -> nn.Module:
    """A plain vision transformer."""
    config = ViTConfig(
        hidden_size=width,
        num_hidden_layers=12,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
        image_size=side,
        patch_size=16,
        num_labels=1000,
    )
    return ViTForImageClassification._from_config(config, attn_implementation="sdpa").eval()


@cache
def cost_of_vit(width: int, side: int = SIDE) -> int:
    """Its floating-point operations for one image."""
    with torch.device("meta"):
        return flops(vit(width, side), torch.empty(1, 3, side, side))


def nearest_width(total: int, side: int = SIDE) -> int:
    """Width of the ViT that comes nearest to a number of floating-point operations."""
    return min(WIDTHS, key=lambda width: abs(cost_of_vit(width, side) - total))


def images_per_second(model: nn.Module) -> float:
    """At the batch size of this benchmark."""
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return BATCH / quickest(torch.no_grad()(partial(model, images)), REPEAT)


def growth() -> None:
    """Print seconds and peak memory of tensors of one forward pass over growing images."""
    ours = zoo.load("dynamicvis/base", weights=None)
    with torch.device("meta"):
        small = flops(zoo.load("dynamicvis/base", weights=None, device="meta"), torch.empty(1, 3, 512, 512))
    width = nearest_width(small, 512)
    rows = []
    for side in (512, 1024, 2048):
        images = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        found = []
        for model in (ours, vit(width, side)):
            with PeakMemory() as memory:
                seconds = quickest(torch.no_grad()(partial(model, images)), 1)
            found.append((seconds, memory.peak / 2**20))
        (time, peak), (their_time, their_peak) = found
        rows.append(
            [
                *(f"{side:,}", f"{time:.1f} s", f"{peak:,.0f} MiB", f"{their_time:.1f} s", f"{their_peak:,.0f} MiB"),
                *(f"{their_time / time:.2f}", f"{their_peak / peak:.2f}"),
            ]
        )
        print(f"{side} pixels: {time:.1f} s, the ViT {their_time:.1f} s", flush=True)
    print(f"\nDynamicVis base, one image, one pass, one thread, beside a ViT {width} wide:\n")
    names = ["DynamicVis", "memory", "ViT", "its memory", "ViT's time over ours", "its memory over ours"]
    print(table(["pixels a side", *names], rows))


def compare_classifiers() -> None:
    """Print the speed of every classifier beside its ViT's."""
    rows = []
    for name in classifiers():
        info = zoo.info(name)
        total = info.flops.total
        width = nearest_width(total)
        ours = images_per_second(zoo.load(name, weights=None))
        theirs = images_per_second(vit(width))
        cost = f"{total / 2e9:.2f}"
        beside = f"{width} wide, {cost_of_vit(width) / 2e9:.2f}"
        rows.append([f"`{name}`", f"{info.parameters / 1e6:.1f}", cost, f"{ours:.1f}", beside, f"{ours / theirs:.2f}"])
        print(f"{name}: {ours:.1f} images a second, {ours / theirs:.2f} of the ViT's", flush=True)
    columns = ["preset", "million parameters", "G multiply-adds", "images a second", "ViT", "speed over the ViT's"]
    print(f"\nClassifiers at {SIDE} x {SIDE}, batches of {BATCH}, {torch.get_num_threads()} threads:\n")
    print(table(columns, rows))


def main() -> None:
    parts = {"classifiers": compare_classifiers, "growth": growth}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
