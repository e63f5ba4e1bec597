"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo.counting import flops
from zoo.evidence.measuring import PeakMemory, quickest
from zoo.nn import digits
from zoo_vision.dynamicvis.config import DynamicVisConfig, MixerConfig
from zoo_vision.dynamicvis.mamba import Mamba, ScanBlock
from zoo_vision.dynamicvis.mixer import DynamicRegionMixer
from zoo_vision.dynamicvis.network import DynamicVis
from zoo_vision.images import upsample_digits


def _mixer(**fields: Any) -> DynamicRegionMixer:
    torch.manual_seed(0)
    return DynamicRegionMixer(MixerConfig(dim=16, **fields)).eval()


def check_scanned_tokens() -> Measurement:
    """Lengths of what Mamba is given at 512 x 512 in the four stages, and of the stages' maps; nothing is computed."""
    config = DynamicVisConfig(depths=[1, 1, 1, 1])
    with torch.device("meta"):
        model = DynamicVis(config)
    scanned: list[int] = []
    tokens: list[int] = []
    for module in model.modules():
        if isinstance(module, Mamba):
            module.register_forward_pre_hook(lambda module, args: scanned.append(args[0].shape[1]))
        if isinstance(module, DynamicRegionMixer):
            module.register_forward_pre_hook(lambda module, args: tokens.append(args[0].shape[1]))
    flops(model, torch.empty(1, 3, 512, 512))
    extra = [128, 64, 32, 16]
    pairs = ", ".join(
        f"{read - more} + {more} of {total}" for read, more, total in zip(scanned, extra, tokens, strict=True)
    )
    expected = [2048, 1024, 512, 256]
    return Measurement(
        pairs, [read - more for read, more in zip(scanned, extra, strict=True)] == expected and tokens[0] == 16384
    )


def check_linear_growth() -> Measurement:
    """Time and peak memory (forward and backward) of the first stage's mixer at the sizes of 256 and 512 images.

    Beside it time of softmax attention's two products over the same tokens, which the paper replaces.
    """
    torch.manual_seed(0)
    mixer = DynamicRegionMixer(MixerConfig(dim=32)).eval()
    times, memory, attention = [], [], []
    for side in (64, 128):
        x = torch.randn(1, side * side, 32)

        def run(x: Tensor = x, side: int = side) -> None:
            mixer(x, side).square().mean().backward()

        with torch.no_grad():
            times.append(quickest(lambda x=x, side=side: mixer(x, side), repeat=5))  # type: ignore[misc]
        with PeakMemory() as peak:
            run()
        memory.append(peak.peak)
        if side == 64:
            with torch.no_grad():
                attention.append(quickest(lambda x=x: (x @ x.mT).softmax(-1) @ x))  # type: ignore[misc]
    time_ratio, memory_ratio = times[1] / times[0], memory[1] / memory[0]
    return Measurement(
        f"{time_ratio:.1f} times the time and {memory_ratio:.1f} times the memory for 4 times the pixels; at 256 x 256 "
        f"{times[0] * 1e3:.0f} ms, two products of attention {attention[0] * 1e3:.0f} ms",
        2.5 < time_ratio < 6 and 3 < memory_ratio < 5,
        "width 32, ratio 8, on the CPU",
    )


def check_rescaling() -> Measurement:
    """Tokens that are not scanned against x (1 + w)."""
    mixer = _mixer(reduction_ratio=4)
    x = torch.randn(2, 36, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, logits = mixer(x, 6), mixer.scores(x)
        plain = x + x * logits.softmax(1)[..., None]
        difference = (found - plain).abs().amax(-1)
        scanned = torch.zeros(2, 36, dtype=torch.bool).scatter(1, mixer.select(logits), True)
    kept, moved = float(difference[~scanned].max()), float(difference[scanned].min())
    return Measurement(
        f"{int((~scanned).sum())} of 72 tokens differ by {kept:g}, the scanned ones by at least {moved:.2g}",
        kept == 0 and moved > 1e-4 and int(scanned.sum()) == 18,
    )


def check_reversal() -> Measurement:
    """The bare scan block on a sequence and on its reversal; one direction alone beside it."""
    x = torch.randn(2, 19, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = {}
    for path in ("forward_reverse_mean", "forward"):
        torch.manual_seed(0)
        block = ScanBlock(MixerConfig(dim=16, path=path)).double()
        with torch.no_grad():
            moved[path] = float((block(x.flip(1)) - block(x).flip(1)).abs().max())
    return Measurement(
        f"differs by {moved['forward_reverse_mean']:.1e}; one direction alone by {moved['forward']:.1e}",
        moved["forward_reverse_mean"] < 1e-6 < 1e-4 < moved["forward"],
    )


def check_gradient_of_selection() -> Measurement:
    """The gate's gradient, and the largest one once the softmax weights are cut off from it.

    With ``softmax_on_x`` off and the chosen weights scaled to 1 by a ratio that chooses a single token, only the choice
    depends on the gate: it must give no gradient.
    """
    x = torch.randn(1, 36, 16, generator=torch.Generator().manual_seed(0))
    whole = _mixer(reduction_ratio=4)
    whole(x, 6).square().mean().backward()
    through = whole.spatial_gate.weight.grad
    lone = _mixer(reduction_ratio=36, softmax_on_x=False, norm_topk=True)
    lone(x, 6).square().mean().backward()
    choice = lone.spatial_gate.weight.grad
    assert through is not None
    assert choice is not None
    size, rest = float(through.abs().max()), float(choice.abs().max())
    return Measurement(
        f"{size:.1e} through the weights, {rest:.0e} through the choice", size > 1e-8 and rest < 1e-3 * size
    )


def check_digits() -> Measurement:
    """The bundled classifier on 360 held-out digits, beside a linear model of the same pixels."""
    ours = digits.measure(zoo.load("dynamicvis-classifier/digits"), view=upsample_digits).accuracy
    baseline = digits.linear_accuracy()
    return Measurement(f"{ours:.1%} of 360 held-out digits; a linear model {baseline:.1%}", ours > baseline)
