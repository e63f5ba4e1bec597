"""One recipe for all lifters: captured motions, random cameras, flips, Adam; and the baselines beside them.

Keypoints are what a perfect detector finds. Clips of other movements are held out; figures are in millimetres, by
``lifting.lift``, averaged with the mirrored pass, over all frames, joints and four cameras for each held-out clip.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo import Measurement
from zoo.evidence.plots import saved_small
from zoo.nn.descent import descend, one_cycle
from zoo_pose import drawing, lifting, metrics, motions, skeletons
from zoo_pose.lifting import Output, Track
from zoo_pose.motions import HEIGHT, WIDTH, Split
from zoo_pose.skeletons import HUMAN36M

Loss = Callable[[Tensor, Tensor], Tensor]


def batches(split: Split, window: int, count: int, batch_size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Normalised windows (batch, window, 17, 2), half of them mirrored, and joints (batch, window, 17, 3) in metres."""
    generator = torch.Generator().manual_seed(seed + 1)
    for pixels, joints in motions.windows(split, window, count, batch_size, seed):
        keypoints = skeletons.normalise(pixels, WIDTH, HEIGHT)
        turned = (torch.rand(batch_size, generator=generator) < 0.5)[:, None, None, None]
        yield (
            torch.where(turned, skeletons.flip(keypoints, HUMAN36M), keypoints),
            torch.where(turned, skeletons.flip(joints, HUMAN36M), joints),
        )


def without_biases(model: nn.Module) -> nn.Module:
    """The same model with all biases at 0: keypoints are small numbers, which random biases of their size drown."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return model


def position_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of the joints, metres."""
    return metrics.mpjpe(predicted, truth).mean()


def fit(
    model: nn.Module,
    window: int,
    output: Output,
    *,
    steps: int,
    batch_size: int,
    seed: int,
    log: Callable[[str], None],
    rate: float = 2e-3,
    loss: Loss = position_loss,
) -> nn.Module:
    """Train a lifter in place by AdamW with one cycle of rates; it comes back in eval mode."""

    def loss_of(batch: tuple[Tensor, Tensor]) -> Tensor:
        keypoints, joints = batch
        truth = joints[:, window // 2 : window // 2 + 1] if output == "centre" else joints
        return loss(model(keypoints), truth)

    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-2)
    rates = one_cycle(optimizer, steps)
    drawn = batches("train", window, steps, batch_size, seed)
    descend(model, drawn, loss_of, optimizer, rates=rates, clip=1.0, log=log, log_every=200)
    return model


def evaluate(model: nn.Module, window: int, output: Output) -> dict[str, float]:
    """MPJPE, P-MPJPE (millimetres) and velocity error (millimetres per frame) on the held-out clips."""
    found: dict[str, list[Tensor]] = {"mpjpe_mm": [], "p_mpjpe_mm": [], "velocity_mm": []}
    for pixels, truth in motions.sequences("held-out"):
        joints = lifting.lift(model, Track(pixels, WIDTH, HEIGHT), window, output)
        found["mpjpe_mm"].append(metrics.mpjpe(joints, truth))
        found["p_mpjpe_mm"].append(metrics.p_mpjpe(joints, truth))
        found["velocity_mm"].append(metrics.velocity_error(joints, truth)[None].expand(len(joints)))
    return {name: 1000 * float(torch.cat(values).mean()) for name, values in found.items()}


class LinearLifter(nn.Module):
    """One linear map of a pose's keypoints, root-relative and whole, to its joints: the first baseline."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(2 * len(HUMAN36M), 3 * len(HUMAN36M))

    def forward(self, keypoints: Tensor) -> Tensor:
        """(batch, frames, 17, 2) to (batch, frames, 17, 3)."""
        return self.map(keypoints.flatten(-2)).unflatten(-1, (-1, 3))


class MLPLifter(nn.Module):
    """Two residual blocks of two linear layers with batch norm, ReLU and dropout, pose by pose: the second baseline.

    Martinez et al., "A simple yet effective baseline for 3d human pose estimation", with 256 channels for 1024.
    """

    def __init__(self, dim: int = 256, dropout: float = 0.1) -> None:
        super().__init__()

        def layer(before: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(before, dim), nn.BatchNorm1d(dim), nn.ReLU(), nn.Dropout(dropout))

        self.embed = layer(2 * len(HUMAN36M))
        self.blocks = nn.ModuleList(nn.Sequential(layer(dim), layer(dim)) for _ in range(2))
        self.head = nn.Linear(dim, 3 * len(HUMAN36M))

    def forward(self, keypoints: Tensor) -> Tensor:
        """(batch, frames, 17, 2) to (batch, frames, 17, 3)."""
        x = self.embed(keypoints.flatten(-2).flatten(0, 1))
        for block in self.blocks:
            x = x + block(x)
        return self.head(x).unflatten(-1, (-1, 3)).unflatten(0, keypoints.shape[:2])


@functools.cache
def linear_baseline() -> LinearLifter:
    """The map of least squares on 60,000 training poses."""
    pairs = list(batches("train", 1, 60, 1000, seed=3))
    x = torch.cat([keypoints for keypoints, _ in pairs]).flatten(1).double()
    y = torch.cat([joints for _, joints in pairs]).flatten(1).double()
    x = torch.cat((x, torch.ones(len(x), 1, dtype=x.dtype)), 1)
    # The ridge only makes the system solvable.
    solution = torch.linalg.solve(x.T @ x + 1e-6 * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y).float()
    model = LinearLifter()
    with torch.no_grad():
        model.map.weight.copy_(solution[:-1].T)
        model.map.bias.copy_(solution[-1])
    return model.eval()


@functools.cache
def mlp_baseline(seed: int = 0, steps: int = 1000) -> nn.Module:
    """The residual network of linear layers, by the same recipe, twenty seconds on one core."""
    torch.manual_seed(seed)
    return fit(MLPLifter(), 1, "all", steps=steps, batch_size=256, seed=seed, log=lambda _: None)


def rounded_metrics(model: nn.Module, window: int, output: Output) -> dict[str, float]:
    """What ``train`` of a lifter returns: ``evaluate``, and the linear map's MPJPE, rounded."""
    found = evaluate(model, window, output)
    found["linear_mpjpe_mm"] = evaluate(linear_baseline(), 1, "all")["mpjpe_mm"]
    return {name: round(value, 1) for name, value in found.items()}


def beside_baselines(found: dict[str, float]) -> Measurement:
    """The measurement of a lifter's claim: ``evaluate``'s figures beside the baselines' on the same sequences."""
    linear = evaluate(linear_baseline(), 1, "all")["mpjpe_mm"]
    mlp = evaluate(mlp_baseline(), 1, "all")["mpjpe_mm"]
    return Measurement(
        f"MPJPE {found['mpjpe_mm']:.1f} mm, P-MPJPE {found['p_mpjpe_mm']:.1f} mm; linear map {linear:.1f} mm, residual "
        f"network of single frames {mlp:.1f} mm",
        found["mpjpe_mm"] < min(linear, mlp),
        "true keypoints of four held-out captured clips, four cameras each; networks trained for minutes on eleven "
        "clips: not the paper's data",
    )


def held_out_picture(model: nn.Module, window: int, output: Output, path: Path) -> None:
    """Draw four frames of a held-out dance: keypoints, the network's joints, the true ones."""
    *_, (pixels, truth) = itertools.islice(motions.sequences("held-out"), 9)
    joints = lifting.lift(model, Track(pixels, WIDTH, HEIGHT), window, output)
    shown = torch.linspace(0, len(joints) - 1, 4).round().long()
    error = 1000 * metrics.mpjpe(joints, truth).mean()
    poses = {f"lifted ({error:.0f} mm off)": joints[shown], "captured": truth[shown]}
    saved_small(drawing.lifted_figure(pixels[shown], poses, HUMAN36M), path, colours=96)
