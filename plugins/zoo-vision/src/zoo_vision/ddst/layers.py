"""The four layers. Maps are (batch, C, H, W), the question is (batch, Cq); each gives a map of the same shape."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_vision.ddst.config import DDSTConfig

_KERNELS = (3, 5, 7)
_TEMPERATURE = 0.1
_DECAY = 0.8
_DIRECTIONS = 8


def per_token(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer of the last axis on a map's channels."""
    mixed: Tensor = layer(x.permute(0, 2, 3, 1))
    return mixed.permute(0, 3, 1, 2)


class Proximity(nn.Module):
    """Near things belong together: neighbourhoods of three sizes, in shares that the question decides."""

    def __init__(self, config: DDSTConfig) -> None:
        super().__init__()
        dim = config.dim
        self.near = nn.ModuleList(nn.Conv2d(dim, dim, side, padding=side // 2, groups=dim) for side in _KERNELS)
        self.shares = nn.Linear(config.question_dim, len(_KERNELS))
        self.mix = nn.Linear(dim, dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights fall with the distance as a Gaussian of deviation k / 3 and sum to 1."""
        for layer in self.near.children():
            assert isinstance(layer, nn.Conv2d)
            side, weight = layer.kernel_size[0], layer.weight
            line = torch.arange(side, dtype=weight.dtype, device=weight.device) - side // 2
            bell = torch.exp(-(line[:, None].square() + line.square()) / (2 * (side / 3) ** 2))
            with torch.no_grad():
                layer.weight.copy_((bell / bell.sum()).expand_as(layer.weight))
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, question: Tensor) -> Tensor:
        """Mix neighbourhoods."""
        shares = self.shares(question).softmax(-1)
        maps = [layer(x) * shares[:, index, None, None, None] for index, layer in enumerate(self.near)]
        return functional.gelu(per_token(self.mix, torch.stack(maps).sum(0)))


class Grouping(nn.Module):
    """Soft membership of every token in learned groups, and what the groups are like on average."""

    def __init__(self, config: DDSTConfig) -> None:
        super().__init__()
        self.project = nn.Linear(config.dim, config.dim, bias=False)
        self.prototypes = nn.Parameter(torch.empty(config.num_groups, config.dim))
        self.log_temperature = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Random directions; temperature 0.1."""
        nn.init.normal_(self.prototypes)
        nn.init.constant_(self.log_temperature, math.log(_TEMPERATURE))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Memberships (batch, G, H, W), which sum to 1 over groups, and group means (batch, G, C)."""
        tokens = functional.normalize(self.project(x.flatten(2).mT), dim=-1)
        cosines = tokens @ functional.normalize(self.prototypes, dim=-1).mT
        members = (cosines / self.log_temperature.exp()).softmax(-1).to(x.dtype)
        means = members.mT @ x.flatten(2).mT / (members.sum(1)[..., None] + 1e-6)
        return members.mT.unflatten(2, x.shape[2:]), means


def spread(members: Tensor, means: Tensor) -> Tensor:
    """What groups are like, handed to their members: (batch, G, H, W) and (batch, G, C) to (batch, H, W, C)."""
    return (members.flatten(2).mT @ means).unflatten(1, members.shape[2:])


class Similarity(nn.Module):
    """Like things belong together: every token hears what its groups are like."""

    def __init__(self, config: DDSTConfig, grouping: Grouping) -> None:
        super().__init__()
        self.grouping = grouping
        self.mix = nn.Linear(config.dim, config.dim)

    def forward(self, x: Tensor, question: Tensor) -> Tensor:
        """Hand out group means."""
        return self.mix(spread(*self.grouping(x))).permute(0, 3, 1, 2)


class Closure(nn.Module):
    """Incomplete outlines are completed: tokens in the gaps of a group hear what the group is like."""

    def __init__(self, config: DDSTConfig, grouping: Grouping) -> None:
        super().__init__()
        self.grouping = grouping
        self.element = nn.Parameter(torch.zeros(9))
        self.mix = nn.Linear(config.dim, config.dim)

    def gaps(self, members: Tensor) -> Tensor:
        """What a soft closing adds to membership, not negative: (batch, G, H, W) to the same shape."""
        return (closing(members, self.element) - members).relu()

    def forward(self, x: Tensor, question: Tensor) -> Tensor:
        """Hand out group means in gaps."""
        members, means = self.grouping(x)
        return self.mix(spread(self.gaps(members), means)).permute(0, 3, 1, 2)


def closing(maps: Tensor, element: Tensor, temperature: float = _TEMPERATURE) -> Tensor:
    """Dilation, then erosion, where the largest and the smallest are log-sum-exp.

    Args:
        maps: (batch, G, H, W); beyond the border values are those at it.
        element: (9,) structuring element of 3 x 3, added to values before the largest is taken.
        temperature: towards 0 this is the closing of grey-scale morphology.
    """
    largest = _soft_largest(maps, element.flip(0), temperature)
    return -_soft_largest(-largest, element, temperature)


def _soft_largest(maps: Tensor, element: Tensor, temperature: float) -> Tensor:
    height, width = maps.shape[2:]
    # Not torch's padding: the gradient of its replication has strides that a compiled program does not expect.
    rows = torch.cat((maps[..., :1, :], maps, maps[..., -1:, :]), -2)
    padded = torch.cat((rows[..., :1], rows, rows[..., -1:]), -1)
    shifted = [
        padded[..., row : row + height, column : column + width] + element[3 * row + column]
        for row in range(3)
        for column in range(3)
    ]
    return temperature * (torch.stack(shifted) / temperature).logsumexp(0)


class Continuity(nn.Module):
    """Good continuation: running means along lines in eight directions, in shares that every token decides."""

    def __init__(self, config: DDSTConfig) -> None:
        super().__init__()
        self.decay = nn.Parameter(torch.empty(_DIRECTIONS, config.dim))
        self.shares = nn.Linear(config.dim, _DIRECTIONS)
        self.mix = nn.Linear(config.dim, config.dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A share of 0.8 of what came before."""
        nn.init.constant_(self.decay, math.log(_DECAY / (1 - _DECAY)))

    def forward(self, x: Tensor, question: Tensor) -> Tensor:
        """Mix what comes along the lines."""
        tokens = x.permute(0, 2, 3, 1)
        shares = self.shares(tokens).softmax(-1)
        along = (shares[..., None] * lines(tokens, self.decay.sigmoid()).permute(1, 2, 3, 0, 4)).sum(3)
        return self.mix(along).permute(0, 3, 1, 2)


def lines(tokens: Tensor, decay: Tensor) -> Tensor:
    """h = decay h_before + (1 - decay) x along eight directions; before the border h is zero.

    Args:
        tokens: (batch, H, W, C).
        decay: (8, C) in (0, 1): down, down to the right, down to the left, the three opposite ones (up, up to the left,
            up to the right), right, left.

    Returns:
        (8, batch, H, W, C). The loop takes H + W steps, and the arithmetic is linear in the tokens.
    """
    rows = torch.stack((tokens, tokens, tokens, *[tokens.flip(1)] * 3))
    columns = torch.stack((tokens, tokens.flip(2))).transpose(2, 3)
    falling = _scan(rows, decay[:6], shifts=(0, 1, -1, 0, -1, 1))
    across = _scan(columns, decay[6:], shifts=(0, 0)).transpose(2, 3)
    return torch.cat((falling[:3], falling[3:].flip(2), across[:1], across[1:].flip(3)))


def _scan(lanes: Tensor, decay: Tensor, shifts: tuple[int, ...]) -> Tensor:
    """Along axis 2 of (directions, batch, steps, width, C); what came before is moved along the width by the shift."""
    factor = decay[:, None, None]
    fed = lanes * (1 - factor[:, :, None])
    state = torch.zeros_like(fed[:, :, 0])
    found = []
    for step in range(lanes.shape[2]):
        if any(shifts):
            state = torch.stack([_moved(part, shift) for part, shift in zip(state, shifts, strict=True)])
        state = factor * state + fed[:, :, step]
        found.append(state)
    return torch.stack(found, 2)


def _moved(state: Tensor, shift: int) -> Tensor:
    """(batch, width, C) moved along the width by one place or none, zeros coming in."""
    if shift == 0:
        return state
    return functional.pad(state[:, :-1] if shift > 0 else state[:, 1:], (0, 0, max(shift, 0), max(-shift, 0)))
