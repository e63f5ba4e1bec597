"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_vision import panels
from zoo_vision.counting import multiply_adds
from zoo_vision.mccl import training
from zoo_vision.mccl.config import MCCLConfig, MemoryConfig
from zoo_vision.mccl.memory import MemoryContrast
from zoo_vision.mccl.network import MCCL

_SMALL = {
    "embed_dims": [8, 12, 16, 24],
    "num_heads": [1, 2, 2, 4],
    "depths": [1, 1, 1, 1],
    "mlp_ratios": [2, 2, 2, 2],
    "decoder_mid_channels": 8,
}


def _small() -> MCCL:
    torch.manual_seed(0)
    model = MCCL(MCCLConfig(**_SMALL))  # type: ignore[arg-type]
    # Running statistics as after some training, the mean over batches: without them maps hardly depend on the group.
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    for _ in range(3):
        model(torch.randn(2, 3, 3, 64, 64))
    return model.eval()


def _maps(model: MCCL, group: Tensor) -> Tensor:
    with torch.no_grad():
        return model(group)


def _group(count: int) -> Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def check_size() -> Measurement:
    """Parameters, and multiply-adds of one 256 x 256 image."""
    with torch.device("meta"):
        model = MCCL(MCCLConfig())
        products = multiply_adds(model, torch.empty(1, 3, 256, 256))
    count = count_parameters(model)
    rest = count - count_parameters(model.bb)
    return Measurement(
        f"{products / 1e9:.3f}e9 multiply-adds ({100 * (products / 5.927e9 - 1):+.2f}%); {count:,} parameters, "
        f"{rest:,} of them outside the backbone, {4 * count / 2**20:.1f} MiB in float32",
        abs(products / 5.927e9 - 1) < 0.02 and (count, rest) == (27_036_609, 2_186_753),
    )


def check_group_matters() -> Measurement:
    """Change of the other images' maps where the last of four images is replaced."""
    model, group = _small(), _group(4)
    changed = group.clone()
    changed[3] = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(2))
    before, after = _maps(model, group)[:3], _maps(model, changed)[:3]
    difference = (after - before).abs().amax((1, 2, 3))
    return Measurement(
        f"each of the other three maps changes by {float(difference.min()):.2g} at least",
        bool((difference > 1e-4).all()),
    )


def check_order() -> Measurement:
    """Maps of a permuted group against the permuted maps."""
    model, group = _small(), _group(5)
    order = torch.tensor([3, 0, 4, 2, 1])
    difference = float((_maps(model, group[order]) - _maps(model, group)[order]).abs().max())
    return Measurement(f"largest difference {difference:.1e}", difference < 1e-5)


def check_copies() -> Measurement:
    """Maps of a group of four copies against the map of a group of one."""
    model, image = _small(), _group(1)
    difference = float((_maps(model, image.expand(4, -1, -1, -1)) - _maps(model, image)).abs().max())
    return Measurement(f"largest difference {difference:.1e}", difference < 1e-5)


def check_memory() -> Measurement:
    """The loss on the way from another class's slot to a group's own, and gradient descent on a consensus."""
    generator = torch.Generator().manual_seed(0)
    memory = MemoryContrast(MemoryConfig(dim=16, num_classes=6))
    memory.update(torch.randn(5, 16, generator=generator), torch.arange(5))
    own, other = memory.slots[2], memory.slots[4]
    steps = torch.linspace(0, 1, 11)[:, None]
    with torch.no_grad():
        losses = memory((1 - steps) * other + steps * own, torch.full((11,), 2))
    consensus = torch.randn(1, 16, generator=generator, requires_grad=True)
    before = float(torch.cosine_similarity(consensus[0], own, dim=0).detach())
    for _ in range(50):
        (gradient,) = torch.autograd.grad(memory(consensus, torch.tensor([2])).sum(), consensus)
        consensus = (consensus - 0.01 * gradient).detach().requires_grad_()
    after = float(torch.cosine_similarity(consensus[0], own, dim=0).detach())
    return Measurement(
        f"from {float(losses[0]):.2f} to {float(losses[-1]):.2f}, falling at every step; descent turns a consensus "
        f"from cosine {before:.2f} to {after:.2f} with its slot",
        bool((losses.diff() < 0).all()) and after > before,
    )


def check_common_things() -> Measurement:
    """The bundled network on groups of cut-outs kept for tests, and of those that were watched with its recipe."""
    model = zoo.load("mccl/stamps")
    found, chosen = training.evaluate(model), training.evaluate(model, "held-out")
    return Measurement(
        f"S-measure {found['s']:.3f}, F-measure {found['f']:.3f}; mean mask {found['mean_s']:.3f} and "
        f"{found['mean_f']:.3f}; mean answer on the common thing {found['common']:.2f}, "
        f"on the other {found['other']:.2f} (pictures that were watched while the recipe was chosen: "
        f"{chosen['s']:.3f}, {chosen['f']:.3f}; {chosen['common']:.2f} and {chosen['other']:.2f})",
        found["s"] > found["mean_s"] and found["f"] > found["mean_f"] and found["common"] > found["other"],
        "a small network, which finds what was pasted more than what is common; 32 groups of four scenes, none of the "
        "paper's images",
    )


def picture(path: Path) -> None:
    """A group of held-out scenes, each with a thing of one category and one of another; the bundled network's maps."""
    model = zoo.load("mccl/stamps")
    batch = next(training.groups("held-out", 1, 2, seed=9))
    with torch.no_grad():
        maps = model(batch.inputs).sigmoid()
    shown = {"scene": batch.pictures[0, :3], "found": maps[0, :3, 0], "truth": batch.masks[0, :3, 0].float()}
    panels.save_columns(shown, path)
