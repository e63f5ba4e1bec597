"""What the paper promises and a machine can check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo import Measurement, catalogue, configuration
from zoo.evidence.measuring import count_parameters
from zoo.nn import digits
from zoo_vision.counting import multiply_adds
from zoo_vision.images import upsample_digits
from zoo_vision.shiftvit.config import ShiftViTConfig
from zoo_vision.shiftvit.network import ShiftBlock, ShiftViT
from zoo_vision.shiftvit.shift import shift


class _Operations(TorchDispatchMode):
    """The names of all tensor operations that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def check_mixer_is_free() -> Measurement:
    """Every operation of the shift, and what a block's parameters are."""
    block = ShiftBlock(96, ShiftViTConfig(), 0.0)
    own = count_parameters(block) - count_parameters(block.norm2) - count_parameters(block.mlp)
    x = torch.randn(1, 96, 14, 14)
    with _Operations() as operations:
        shift(x, 12)
    arithmetic = operations.names - {"zeros_like", "slice", "copy_"}
    return Measurement(
        f"{own} parameters beside norm and MLP; operations: {', '.join(sorted(operations.names))}, "
        f"{len(arithmetic)} of them arithmetic",
        own == 0 and not arithmetic,
    )


def _published() -> Iterator[tuple[str, ShiftViT]]:
    """The sizes whose figures the paper gives, on the meta device."""
    entry = catalogue.current().find("vision:shiftvit").offer.entry
    for preset in ("light-tiny", "tiny", "light-small", "base"):
        with torch.device("meta"):
            yield preset, ShiftViT(configuration.merge(entry, preset).instance)


def check_parameters() -> Measurement:
    """Learnable numbers of real networks."""
    found = {preset: count_parameters(model) for preset, model in _published()}
    rounded = [round(count / 1e6) for count in found.values()]
    return Measurement(", ".join(f"{name} {count:,}" for name, count in found.items()), rounded == [20, 29, 34, 89])


def check_multiply_adds() -> Measurement:
    """Multiply-adds of convolutions and linear layers."""
    image = torch.empty(1, 3, 224, 224, device="meta")
    found = {preset: multiply_adds(model, image) / 1e9 for preset, model in _published()}
    paper = [3.0, 4.5, 5.7, 15.6]
    furthest = max(abs(count / figure - 1) for count, figure in zip(found.values(), paper, strict=True))
    return Measurement(
        ", ".join(f"{name} {count:.2f}G" for name, count in found.items()),
        [round(count, 1) for count in found.values()] == paper,
        f"at most {furthest:.1%} from the paper's figures, of which some round differently; convolutions and the head, "
        "not normalisations, activations and additions",
    )


def check_share_of_moving_channels() -> Measurement:
    """Which channels differ after the shift."""
    x = torch.randn(1, 96, 9, 9, generator=torch.Generator().manual_seed(0))
    moved = (shift(x, 12) != x).flatten(2).any(-1).sum().item()
    return Measurement(f"{moved} of 96 channels move, the others are bit-identical", moved == 32)


def check_permutation() -> Measurement:
    """A left and a right shift of one group undo each other away from the border."""
    x = torch.zeros(1, 4, 7, 7)
    x[:, :, 3, 3] = 1.0
    once = shift(x, 4)
    mirrored = once[:, [1, 0, 3, 2]]
    back = shift(mirrored, 4)[:, [1, 0, 3, 2]]
    difference = float((back - x).abs().max())
    return Measurement(f"difference {difference:g}", difference == 0.0)


def check_receptive_field() -> Measurement:
    """Farthest pixel that the centre depends on after 1 to 4 blocks, with the norm's statistics frozen."""
    reaches = {depth: _reach(depth) for depth in range(1, 5)}
    return Measurement(
        ", ".join(f"L1 distance {reach} after {depth}" for depth, reach in reaches.items()),
        all(reach == depth for depth, reach in reaches.items()),
        "from the centre's gradient; batch norm in eval mode, because group norm couples all pixels",
    )


def _reach(depth: int) -> int:
    """L1 distance from the centre at which the gradient of ``depth`` blocks of one stage ends."""
    torch.manual_seed(0)
    config = ShiftViTConfig(embed_dim=24, norm="batch", mlp_ratio=1.0)
    blocks = nn.Sequential(*(ShiftBlock(24, config, 0.0) for _ in range(depth))).eval()
    centre = depth + 2
    x = torch.randn(1, 24, 2 * centre + 1, 2 * centre + 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(blocks(x)[:, :, centre, centre].sum(), x)
    rows, columns = gradient[0].abs().sum(0).nonzero(as_tuple=True)
    return int(((rows - centre).abs() + (columns - centre).abs()).max())


def check_translation() -> Measurement:
    """Shifting a rolled image equals rolling the shifted one, with zero margins."""
    x = torch.zeros(1, 24, 12, 12)
    x[:, :, 4:8, 4:8] = torch.randn(1, 24, 4, 4, generator=torch.Generator().manual_seed(0))
    difference = (shift(x.roll((1, 2), (2, 3)), 6) - shift(x, 6).roll((1, 2), (2, 3))).abs().max().item()
    return Measurement(f"difference {difference:g}", difference == 0.0)


def check_digits() -> Measurement:
    """The bundled classifier on 360 held-out digits, beside a linear model of the same pixels."""
    ours = digits.measure(zoo.load("shiftvit/digits"), view=upsample_digits).accuracy
    baseline = digits.linear_accuracy()
    return Measurement(f"{ours:.1%} of 360 held-out digits; a linear model {baseline:.1%}", ours > baseline)
