"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo.counting import flops
from zoo.evidence.measuring import count_parameters
from zoo.evidence.plots import saved_small
from zoo_vision import panels
from zoo_vision.att_swin_unet import training
from zoo_vision.att_swin_unet.config import AttSwinUNetConfig, CrossContextualConfig
from zoo_vision.att_swin_unet.cross_contextual import CrossContextualAttention
from zoo_vision.att_swin_unet.network import AttSwinUNet

_SMALL = {"image_size": 64, "embed_dim": 8, "depths": [2, 1, 1, 1], "num_heads": [1, 2, 2, 4], "window_size": 4}


def _counted(**fields: object) -> int:
    with torch.device("meta"):
        return count_parameters(AttSwinUNet(AttSwinUNetConfig(**fields)))  # type: ignore[arg-type]


def check_one_token() -> Measurement:
    """Which tokens the module changes and what moves them, and its operations at 400 and 1600 tokens."""
    torch.manual_seed(0)
    attention = CrossContextualAttention(CrossContextualConfig(dim=16, num_heads=2, head_dim=8)).eval()
    x, skip = torch.randn(2, 1, 25, 16).unbind()
    with torch.no_grad():
        before = attention(x, skip)
        moved = skip.clone()
        moved[:, 7] += 1
        after = attention(x, moved)
    passed = all(torch.equal(new[:, 1:], old[:, 1:]) for new, old in zip(before, (x, skip), strict=True))
    exchanged = not torch.equal(before[0][:, 0], after[0][:, 0]) and torch.equal(before[0][:, 1:], after[0][:, 1:])
    replaced = not any(torch.allclose(new[:, 0], old[:, 0]) for new, old in zip(before, (x, skip), strict=True))
    with torch.device("meta"):
        large = CrossContextualAttention(CrossContextualConfig(96))
        few, many = (flops(large, torch.empty(1, n, 96), torch.empty(1, n, 96)) for n in (400, 1600))
    return Measurement(
        f"tokens 1..N-1 {'unchanged' if passed else 'changed'}, token 0 of X reads all of S: {exchanged and replaced}; "
        f"{many / few:.3f} times the operations for 4 times the tokens",
        passed and exchanged and replaced and abs(many / few - 4) < 0.05,
    )


def check_cost_of_skips() -> Measurement:
    """Parameters with cross-contextual attention and without."""
    cross, plain = _counted(), _counted(mode="swin")
    added = cross - plain
    return Measurement(
        f"+{added:,} of {plain:,} (+{100 * added / plain:.1f}%), {cross:,} in all",
        (cross, plain, added) == (46_901_892, 41_388_804, 5_513_088),
    )


def _logits(spatial_attention: str) -> Tensor:
    torch.manual_seed(0)
    fields = {**_SMALL, "spatial_attention": spatial_attention}
    model = AttSwinUNet(AttSwinUNetConfig(**fields)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        return model(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))


def check_published_transfer() -> Measurement:
    """Logits of one network with the transfer off, as published, and as the paper describes it."""
    off, code, paper = (_logits(name) for name in ("off", "code", "paper"))
    same, changed = torch.equal(off, code), float((paper - off).abs().max())
    return Measurement(
        f"as published {'bit-identical' if same else 'different'}; the paper's rule changes logits by up to "
        f"{changed:.2g}",
        same and changed > 1e-4,
    )


def check_resolution() -> Measurement:
    """Shapes of the answers at the published size, on the meta device, and at an odd size."""
    with torch.device("meta"):
        full = tuple(AttSwinUNet(AttSwinUNetConfig())(torch.empty(1, 3, 224, 224)).shape)
        odd = tuple(AttSwinUNet(AttSwinUNetConfig(**_SMALL))(torch.empty(2, 3, 45, 70)).shape)  # type: ignore[arg-type]
    return Measurement(f"{full} and {odd}", full == (1, 9, 224, 224) and odd == (2, 9, 45, 70))


def check_segments_what_was_pasted() -> Measurement:
    """The bundled network and the best fixed mask, by Dice with masks of pictures that chose nothing of the recipe."""
    model = zoo.load("att-swin-unet/scenes")
    ours, fixed = training.evaluate(model)
    chosen, _ = training.evaluate(model, "held-out")
    return Measurement(
        f"Dice {ours:.3f}; the best fixed mask {fixed:.3f} (128 scenes of pictures kept for tests; {chosen:.3f} with "
        "those that the recipe was chosen by)",
        ours > fixed,
        "a small network; cut-outs on photographs, no skin lesions",
    )


def picture(path: Path) -> None:
    """Held-out cut-outs on held-out photographs, the bundled network's probabilities, and the true masks."""
    model = zoo.load("att-swin-unet/scenes")
    scenes, masks = next(training.batches("held-out", 1, 5, seed=5))
    with torch.no_grad():
        maps = model(scenes).sigmoid()
    figure, axes = panels.grid(3, len(scenes))
    for column, (scene, found, mask) in enumerate(zip(scenes, maps, masks, strict=True)):
        panels.show(axes[0, column], scene)
        panels.show(axes[1, column], found[0], low=0, high=1)
        panels.show(axes[2, column], mask[0].float(), colours="gray", low=0, high=1)
    for axis, name in zip(axes[:, 0], ("scene", "probability", "true mask"), strict=True):
        axis.set_ylabel(name, fontsize=9)
    saved_small(figure, path)
