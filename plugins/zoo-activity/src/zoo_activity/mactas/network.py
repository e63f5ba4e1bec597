"""The agents: an observation and a memory each, an exchange, values of actions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_activity.mactas.communication import Communication
from zoo_activity.mactas.config import CommunicationConfig, MactasConfig
from zoo_activity.mactas.mixers import mixer


@dataclass
class Values:
    """What the agents think.

    Args:
        values: (B, T, n, A); the least number of the type where an action is not available.
        hidden: (B, n, dim), what a later call goes on from.
        total: (B, T, 1), the team's value of the given actions ((B, T, n) without a mixer), or None.
    """

    values: Tensor
    hidden: Tensor
    total: Tensor | None


class Agent(nn.Module):
    """What all agents share: e = ReLU(Linear(inputs)), h = GRU(e, h), values = Linear(h)."""

    def __init__(self, config: MactasConfig) -> None:
        super().__init__()
        told = config.obs_dim + config.num_actions * config.last_action + config.num_agents * config.agent_id
        self.fc1 = nn.Linear(told, config.dim)
        self.rnn = nn.GRUCell(config.dim, config.dim)
        self.q = nn.Linear(config.dim, config.num_actions)


class Mactas(nn.Module):
    """A team that exchanges its agents' states before they choose."""

    def __init__(self, config: MactasConfig) -> None:
        super().__init__()
        self.config = config
        self.agent = Agent(config)
        self.comm: Communication | None = None
        if config.communicate:
            self.comm = Communication(
                CommunicationConfig(
                    config.dim, config.num_layers, config.num_heads, config.hidden_dim, config.init_scale
                )
            )
        self.mixer = mixer(config)

    def forward(
        self,
        observations: Tensor,
        last_actions: Tensor | None = None,
        available: Tensor | None = None,
        alive: Tensor | None = None,
        *,
        hidden: Tensor | None = None,
        actions: Tensor | None = None,
        state: Tensor | None = None,
    ) -> Values:
        """Values of all actions, and of the team.

        Args:
            observations: (B, T, n, obs_dim).
            last_actions: (B, T, n) int64, what each agent did before a step, -1 for nothing yet; nothing by default.
            available: (B, T, n, A) boolean; all by default.
            alive: (B, T, n) boolean; all by default.
            hidden: ``Values.hidden`` of an earlier call, which this one goes on from; zeros by default.
            actions: (B, T, n) int64, the chosen ones, where the team's value is wanted.
            state: (B, T, state_dim), for QMIX.
        """
        told = self._inputs(observations, last_actions)
        batch, length, agents = observations.shape[:3]
        h = observations.new_zeros(batch, agents, self.config.dim) if hidden is None else hidden
        embedded = self.agent.fc1(told).relu()
        thoughts = []
        for time in range(length):
            h = self.agent.rnn(embedded[:, time].flatten(0, 1), h.flatten(0, 1)).unflatten(0, (batch, agents))
            z = h if self.comm is None else self.comm(h, None if alive is None else alive[:, time])
            thoughts.append(z)
            if self.config.state == "post":
                h = z
        values = self.agent.q(torch.stack(thoughts, 1))
        total = None
        if actions is not None:
            total = self.mixer(values.gather(-1, actions[..., None])[..., 0], state)
        if available is not None:
            values = values.masked_fill(~available, torch.finfo(values.dtype).min)
        return Values(values, h, total)

    def _inputs(self, observations: Tensor, last_actions: Tensor | None) -> Tensor:
        config = self.config
        if observations.ndim != 4 or observations.shape[1] == 0 or observations.shape[3] != config.obs_dim:
            raise InputError(
                f"observations {list(observations.shape)}; expected (batch, steps, agents, {config.obs_dim}), "
                "one step at least"
            )
        parts = [observations]
        if config.last_action:
            if last_actions is None:
                last_actions = torch.full(observations.shape[:3], -1, device=observations.device)
            # -1 becomes the first of A + 1 classes, which is left out: zeros.
            known = functional.one_hot(last_actions + 1, config.num_actions + 1)[..., 1:]
            parts.append(known.to(observations.dtype))
        if config.agent_id:
            if observations.shape[2] != config.num_agents:
                raise InputError(f"{observations.shape[2]} agents; agent_id=True has names for {config.num_agents}")
            names = torch.eye(config.num_agents, dtype=observations.dtype, device=observations.device)
            parts.append(names.expand(*observations.shape[:2], -1, -1))
        return torch.cat(parts, -1)


def example(config: MactasConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Four random steps."""
    random = torch.Generator().manual_seed(seed)
    shape = (batch_size, 4, config.num_agents)
    return {
        "observations": torch.randn(*shape, config.obs_dim, generator=random),
        "last_actions": torch.randint(config.num_actions, shape, generator=random),
        "actions": torch.randint(config.num_actions, shape, generator=random),
        "state": torch.randn(*shape[:2], config.state_dim, generator=random),
    }
