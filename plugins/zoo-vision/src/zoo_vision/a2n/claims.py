"""What the paper promises and a machine can check."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo.evidence.measuring import count_parameters
from zoo_vision import panels, restoration
from zoo_vision.a2n import training
from zoo_vision.a2n.block import AttentionInAttention, leaky
from zoo_vision.a2n.config import A2NConfig
from zoo_vision.a2n.network import A2N


def check_saved_parameters() -> Measurement:
    """Count both networks."""
    with torch.device("meta"):
        full, small = (count_parameters(A2N(A2NConfig(plain_kernel=kernel))) for kernel in (3, 1))
    return Measurement(
        f"{full - small:,} fewer of {full:,} parameters (-{(full - small) / full:.1%})", full - small == 204_800
    )


def check_convex_combination() -> Measurement:
    """Weights of an untrained network for ten images."""
    torch.manual_seed(0)
    model = A2N(A2NConfig(num_blocks=4, value_range=1.0)).eval()
    with torch.no_grad():
        weights = model.branch_weights(torch.rand(10, 3, 24, 24))
    off = float((weights.sum(-1) - 1).abs().max())
    spread = float(weights[..., 0].std(0).min())
    return Measurement(
        f"sums within {off:.1e} of 1; smallest deviation between images in a block {spread:.1e}",
        off < 1e-6 and spread > 0 and bool((weights >= 0).all()),
    )


def check_limits() -> Measurement:
    """A block with its weights forced against the branch alone, written out."""
    torch.manual_seed(0)
    block = AttentionInAttention(A2NConfig(dim=16)).eval()
    residual = torch.randn(2, 16, 10, 8)
    with torch.no_grad():
        x = leaky(block.conv_first(residual))
        differences = []
        for pair, branch in (((1.0, 0.0), block.attention), ((0.0, 1.0), block.non_attention)):
            alone = block.conv_last(leaky(branch(x))) + residual
            forced, _ = block(residual, torch.tensor([pair, pair]))
            differences.append(float((forced - alone).abs().max()))
    return Measurement(f"largest difference {max(differences):.1e}", max(differences) < 1e-6)


def check_start() -> Measurement:
    """The largest deviation from one half over seeds, blocks and images in [0, 1]."""
    largest = 0.0
    with torch.no_grad():
        for seed in range(5):
            torch.manual_seed(seed)
            weights = A2N(A2NConfig(value_range=1.0)).branch_weights(torch.rand(4, 3, 12, 12))
            largest = max(largest, float((weights - 0.5).abs().max()))
    return Measurement(f"|w - 0.5| at most {largest:.4f} (5 seeds, 16 blocks, 4 images)", largest < 0.05)


def check_beats_bicubic() -> Measurement:
    """The bundled x2 network on windows of photographs that it never learned from; those of its recipe beside them."""
    model = zoo.load("a2n/photographs")
    ours, bicubic = training.evaluate(model, model.config)
    chosen, chosen_bicubic = training.evaluate(model, model.config, "held-out")
    return Measurement(
        f"{ours:.2f} dB, bicubic {bicubic:.2f} dB (luma, 64 windows of 8 photographs kept for tests; {chosen:.2f} and "
        f"{chosen_bicubic:.2f} dB on the 12 that were watched while the recipe was chosen)",
        ours > bicubic,
        "a small network trained on 41 photographs, not the paper's network or data",
    )


def picture(path: Path) -> None:
    """A window of a held-out photograph: reduced to a half, enlarged bicubically, by A2N x2, and as it was."""
    model = zoo.load("a2n/photographs")
    truth = next(restoration.patches("held-out", 96, 1, 6, seed=1))[[0]]
    small = restoration.resized(truth, 48, 48)
    with torch.no_grad():
        answer = model(small)
    shown = {
        "reduced": small,
        "bicubic": restoration.resized(small, 96, 96),
        "A2N x2 (bundled)": answer.clamp(0, 1),
        "original": truth,
    }
    panels.save_row(shown, path, notes={name: _decibels(image, truth) for name, image in shown.items()})


def _decibels(image: Tensor, truth: Tensor) -> str:
    if image.shape != truth.shape or torch.equal(image, truth):
        return ""
    return f"{float(restoration.psnr(restoration.luma(image), restoration.luma(truth))):.1f} dB"
