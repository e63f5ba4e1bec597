"""What the paper promises and a machine can check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_vision import panels
from zoo_vision.firm import training
from zoo_vision.firm.config import FIRMConfig, GuidanceConfig
from zoo_vision.firm.guidance import GuidanceBlock
from zoo_vision.firm.network import FIRM

_SMALL = FIRMConfig(width=4, encoder_blocks=[1, 1, 1], decoder_blocks=[1, 1, 1], hidden_dim=16)


def _random(config: FIRMConfig, seed: int = 0) -> FIRM:
    """A network none of whose scales is zero, so that every part matters."""
    torch.manual_seed(seed)
    model = FIRM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("beta", "gamma")):
                parameter.normal_()
    return model


def check_parameters() -> Measurement:
    """Count the network and one block."""
    with torch.device("meta"):
        whole, block = count_parameters(FIRM(FIRMConfig())), count_parameters(GuidanceBlock(GuidanceConfig()))
    return Measurement(f"{whole:,}; one guidance block {block:,}", (whole, block) == (61_973_763, 4_728_064))


def check_no_guidance() -> Measurement:
    """What attention brings to each position when nothing is marked, and when something is."""
    torch.manual_seed(0)
    block = GuidanceBlock(GuidanceConfig(64, 8, 16)).eval()
    features = torch.randn(2, 64, 9, 7)
    mask = (torch.rand(2, 1, 9, 7) > 0.5).float()
    with torch.no_grad():
        empty, marked = (block.attended(features, m) for m in (torch.zeros_like(mask), mask))
    spread, other = (float((x - x[:, :1]).abs().max()) for x in (empty, marked))
    return Measurement(
        f"positions differ by {spread:.1e} without guidance, by {other:.1e} with", spread < 1e-6 < 1e-4 < other
    )


def check_shared_decoder() -> Measurement:
    """Both answers of a network whose two guidance blocks have equal weights, without guidance."""
    model = _random(_SMALL)
    images_, guidance = torch.rand(1, 3, 32, 40), torch.zeros(1, 1, 32, 40)
    with torch.no_grad():
        before = model(images_, guidance)
        apart = float((before.transmission - before.reflection).abs().max())
        model.crossattn1.load_state_dict(model.crossattn.state_dict())
        after = model(images_, guidance)
    difference = float((after.transmission - after.reflection).abs().max())
    return Measurement(
        f"difference {difference:g} with equal blocks, {apart:.2g} with different ones", difference == 0 < apart
    )


def check_tokens() -> Measurement:
    """Positions that the guidance blocks attend over at 224 x 224, in a network of full depth and a width of 8."""
    with torch.device("meta"):
        model = FIRM(FIRMConfig(width=8))
        seen: list[int] = []
        model.crossattn.register_forward_hook(lambda block, args, output: seen.append(output[0, 0].numel()))
        model(torch.empty(1, 3, 224, 224), torch.empty(1, 1, 224, 224))
    return Measurement(f"{seen[0]} tokens at 224 x 224", seen == [196])


def check_local_statistics() -> Measurement:
    """The converted network against the plain one, on an image of 1.5 times the training size and a larger one."""
    plain = _random(_SMALL)
    local = FIRM(replace(_SMALL, local_train_size=[32, 32])).eval()
    local.load_state_dict(plain.state_dict())
    found = []
    with torch.no_grad():
        for side in (48, 80):
            image, guidance = torch.rand(1, 3, side, side), torch.zeros(1, 1, side, side)
            found.append(float((plain(image, guidance).transmission - local(image, guidance).transmission).abs().max()))
    return Measurement(
        f"difference {found[0]:.1e} at 1.5 times the training size, {found[1]:.1e} at 2.5 times",
        found[0] < 1e-6 < found[1],
    )


def check_beats_one_gain() -> Measurement:
    """The bundled network on reflections over photographs that it never learned from, beside those of its recipe."""
    model = zoo.load("firm/photographs")
    found, chosen = training.evaluate(model), training.evaluate(model, "held-out")
    return Measurement(
        f"{found['psnr']:.2f} dB guided, {found['unguided']:.2f} dB without guidance; one gain "
        f"{found['one_gain']:.2f} dB, unchanged {found['unchanged']:.2f} dB (on those that were watched "
        f"while the recipe was chosen {chosen['psnr']:.2f}, {chosen['unguided']:.2f}; {chosen['one_gain']:.2f}, "
        f"{chosen['unchanged']:.2f} dB)",
        found["psnr"] > max(found["one_gain"], found["unchanged"]),
        "a small network; 64 windows of photographs kept for tests under reflections that were laid over them",
    )


def picture(path: Path) -> None:
    """A held-out photograph behind a reflection that was laid over it, the guidance (bright: reflection, dim: scene),
    the scene and the reflection that the bundled network finds, and the true scene.
    """
    model = zoo.load("firm/photographs")
    batch = next(training.batches("held-out", 1, 8, seed=4))
    with torch.no_grad():
        found = model(batch.images, batch.guidance)
    chosen = int(batch.guidance.flatten(1).std(1).argmax())
    shown = {
        "through glass": batch.images[chosen],
        "guidance": batch.guidance[chosen, 0],
        "scene (bundled FIRM)": found.transmission[chosen],
        "reflection": found.reflection[chosen],
        "true scene": batch.transmission[chosen],
    }
    panels.save_row(shown, path)
