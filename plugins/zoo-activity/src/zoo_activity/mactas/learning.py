"""Double Q-learning of a team, and how it explores."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_activity.mactas.config import EXPLORATIONS
from zoo_activity.mactas.environments import Environment, Step
from zoo_activity.mactas.network import Mactas
from zoo_activity.mactas.replay import Replay

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}


@dataclass(frozen=True)
class Recipe:
    """How a team learns.

    Args:
        updates: gradient steps.
        episodes_per_update: played before each.
        batch, capacity: episodes of an update and of the replay.
        gamma: discount of a step.
        rate: the optimiser's.
        optimiser: "adam" or "rmsprop".
        clip: largest norm of a gradient.
        target_every: updates between copies to the target network.
        exploration: "epsilon" (uniform over available actions), "epsilon_boltzmann" (by softmax(values / tau)), or
            "joint_epsilon" (one coin for the team, not one for each agent).
        epsilon, epsilon_end, epsilon_steps: falls linearly over so many steps of the environment.
        tau, tau_end: temperature, along with epsilon.
    """

    updates: int = 1000
    episodes_per_update: int = 1
    batch: int = 32
    capacity: int = 5000
    gamma: float = 0.99
    rate: float = 5e-4
    optimiser: str = "adam"
    clip: float = 10.0
    target_every: int = 200
    exploration: str = "epsilon_boltzmann"
    epsilon: float = 1.0
    epsilon_end: float = 0.05
    epsilon_steps: int = 50_000
    tau: float = 1.0
    tau_end: float = 0.1


def explore(
    values: Tensor,
    available: Tensor,
    epsilon: float,
    tau: float,
    exploration: str = "epsilon_boltzmann",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Actions (..., n) of values (..., n, A): the best available, or with probability epsilon one that is drawn."""
    if exploration not in EXPLORATIONS:
        raise InputError(f"exploration={exploration!r} is not one of {', '.join(EXPLORATIONS)}")
    hidden = torch.finfo(values.dtype).min
    values = values.masked_fill(~available, hidden)
    logits = values / tau if exploration == "epsilon_boltzmann" else torch.zeros_like(values)
    chances = logits.masked_fill(~available, -torch.inf).softmax(-1)
    drawn = torch.multinomial(chances.flatten(0, -2), 1, generator=generator).view(values.shape[:-1])
    coins = (*values.shape[:-2], 1) if exploration == "joint_epsilon" else values.shape[:-1]
    exploring = torch.rand(coins, generator=generator, device=values.device) < epsilon
    return torch.where(exploring, drawn, values.argmax(-1))


def play(
    team: Mactas, environment: Environment, seed: int, choose: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    """One episode, as ``Replay.add`` takes it.

    Args:
        choose: values (1, n, A) and available actions of that shape to actions (1, n).
    """
    seen: list[Step] = [environment.reset(seed)]
    agents = len(seen[0]["observations"])
    last, hidden, done = torch.full((1, 1, agents), -1), None, False
    actions, rewards, ends, lasts = [], [], [], [last[0, 0]]
    while not done:
        now = {name: torch.from_numpy(value)[None, None] for name, value in seen[-1].items()}
        with torch.no_grad():
            found = team(now["observations"], last, now["available"], now["alive"], hidden=hidden)
        hidden = found.hidden
        chosen = choose(found.values[:, 0], now["available"][:, 0])
        step, reward, done = environment.step(chosen[0].numpy())
        seen.append(step)
        actions.append(chosen[0])
        rewards.append([reward])
        ends.append([float(done and not environment.broken_off)])
        last = chosen[:, None]
        lasts.append(chosen[0])
    episode = {name: torch.stack([torch.from_numpy(step[name]) for step in seen]) for name in seen[0]}
    return episode | {
        "actions": torch.stack(actions),
        "reward": torch.tensor(rewards),
        "done": torch.tensor(ends),
        "last_actions": torch.stack(lasts),
    }


def temporal_difference(team: Mactas, target: Mactas, batch: Mapping[str, Tensor], gamma: float) -> Tensor:
    """Mean over real steps of (total - (r + gamma (1 - done) target total of the online network's best actions))^2.

    Args:
        batch: of ``Replay.sample``. Without a mixer every agent has the team's reward.
    """
    given = (batch["observations"], batch["last_actions"], batch["available"].bool(), batch["alive"].bool())
    online = team(*given)
    with torch.no_grad():
        best = online.values.argmax(-1)
        ahead = target(*given, actions=best, state=batch["state"]).total
        assert ahead is not None
        wanted = batch["reward"] + gamma * (1 - batch["done"]) * ahead[:, 1:]
    chosen = online.values[:, :-1].gather(-1, batch["actions"][..., None])[..., 0]
    error = (team.mixer(chosen, batch["state"][:, :-1]) - wanted) * batch["filled"]
    return error.square().sum() / (batch["filled"].sum() * error.shape[-1])


def learn(
    team: Mactas,
    environment: Environment,
    recipe: Recipe | None = None,
    *,
    seed: int = 0,
    log: Callable[[str], None] | None = None,
) -> Mactas:
    """Play, keep, and learn from what is kept; the same team, trained."""
    recipe = recipe or Recipe()
    random = torch.Generator().manual_seed(seed)
    replay, target = Replay(recipe.capacity), copy.deepcopy(team)
    if recipe.optimiser not in OPTIMISERS:
        raise InputError(f"optimiser={recipe.optimiser!r} is not one of {', '.join(OPTIMISERS)}")
    optimiser = OPTIMISERS[recipe.optimiser](team.parameters(), lr=recipe.rate)
    steps = episodes = 0
    for update in range(recipe.updates):
        for _ in range(recipe.episodes_per_update):
            done = min(1.0, steps / recipe.epsilon_steps)
            epsilon = recipe.epsilon + done * (recipe.epsilon_end - recipe.epsilon)
            tau = recipe.tau + done * (recipe.tau_end - recipe.tau)

            def choose(values: Tensor, available: Tensor, epsilon: float = epsilon, tau: float = tau) -> Tensor:
                return explore(values, available, epsilon, tau, recipe.exploration, random)

            replay.add(play(team, environment, seed * 1_000_003 + episodes, choose))
            episodes += 1
            steps += len(replay.episodes[(replay.next - 1) % recipe.capacity]["actions"])
        value = temporal_difference(team, target, replay.sample(recipe.batch, random), recipe.gamma)
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(team.parameters(), recipe.clip)
        optimiser.step()
        if update % recipe.target_every == recipe.target_every - 1:
            target.load_state_dict(team.state_dict())
        if log is not None and update % 100 == 99:
            log(f"update {update + 1}: loss {float(value.detach()):.4f}")
    return team
