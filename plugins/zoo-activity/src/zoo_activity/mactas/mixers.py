"""From the values of the chosen actions (B, T, n) to the team's (B, T, 1)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_activity.mactas.config import MactasConfig


class VDN(nn.Module):
    """The sum."""

    def forward(self, chosen: Tensor, state: Tensor | None = None) -> Tensor:
        """(B, T, n) to (B, T, 1); the state is not used."""
        return chosen.sum(-1, keepdim=True)


class Independent(nn.Module):
    """No mixing: each agent learns on its own."""

    def forward(self, chosen: Tensor, state: Tensor | None = None) -> Tensor:
        """(B, T, n), unchanged."""
        return chosen


def _hypernetwork(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


class QMIX(nn.Module):
    """A network whose weights come of the state and are not negative: no agent's value can hurt the team's.

    w1 = |Hyp1(s)| (n, E), b1 = Linear(s), w2 = |Hyp2(s)| (E), b2 = Linear-ReLU-Linear(s),
    total = elu(q w1 + b1) w2 + b2.
    """

    def __init__(self, config: MactasConfig) -> None:
        super().__init__()
        self.num_agents, self.dim = config.num_agents, config.mixer_dim
        size, hidden, dim = config.state_dim, config.hyper_dim, config.mixer_dim
        self.hyper1 = _hypernetwork(size, hidden, config.num_agents * dim)
        self.bias1 = nn.Linear(size, dim)
        self.hyper2 = _hypernetwork(size, hidden, dim)
        self.bias2 = _hypernetwork(size, dim, 1)

    def forward(self, chosen: Tensor, state: Tensor | None = None) -> Tensor:
        """(B, T, n) and the state (B, T, state_dim) to (B, T, 1)."""
        if state is None:
            raise InputError("QMIX mixes by the global state: give state (batch, steps, state_dim)")
        if chosen.shape[-1] != self.num_agents:
            raise InputError(f"values of {chosen.shape[-1]} agents; this QMIX is of {self.num_agents}")
        first = self.hyper1(state).abs().unflatten(-1, (self.num_agents, self.dim))
        hidden = functional.elu((chosen[..., None, :] @ first)[..., 0, :] + self.bias1(state))
        return (hidden * self.hyper2(state).abs()).sum(-1, keepdim=True) + self.bias2(state)


def mixer(config: MactasConfig) -> nn.Module:
    """The one that the config names."""
    if config.mixer == "qmix":
        return QMIX(config)
    return VDN() if config.mixer == "vdn" else Independent()
