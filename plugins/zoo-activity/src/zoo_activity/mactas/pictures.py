"""The pictures of the cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.plots import new_figure, saved
from zoo_activity.mactas.benchmark import CueTask, team_system
from zoo_activity.mactas.config import CuesConfig, MactasConfig
from zoo_activity.mactas.environments import Cues
from zoo_activity.mactas.facts import SPEAKER_LISTENER
from zoo_activity.mactas.learning import Recipe, explore, learn, play
from zoo_activity.mactas.network import Mactas
from zoo_activity.mactas.training import EVERY, speaker_listener, teach

_UPDATES = 800


def curve(path: Path) -> None:
    """Returns in PettingZoo's speaker and listener as agents learn: with MACTAS, by VDN alone, each for itself."""
    figure = new_figure(figsize=(8, 4.6))
    axis = figure.subplots()
    for label, colour, marker, options in (
        ("MACTAS: communication and VDN", "#0072b2", "o", {}),
        ("VDN without communication", "#e69f00", "s", {"communicate": False}),
        ("independent learners", "#d55e00", "^", {"communicate": False, "mixer": "none"}),
    ):
        shape: dict[str, Any] = {**SPEAKER_LISTENER, **options}
        found = teach(MactasConfig(**shape), updates=_UPDATES).curve
        axis.plot([EVERY * index for index in range(len(found))], found, marker=marker, color=colour, label=label)
    axis.set(
        xlabel="updates (two episodes before each)",
        ylabel="mean return of 40 episodes, higher is better",
        title="simple_speaker_listener, one seed",
    )
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    saved(figure, path)


def cues(path: Path) -> None:
    """Two agents, three cues: share of right actions of teams that do and that do not communicate, as they learn."""
    task, updates = CuesConfig(num_agents=2, num_cues=3), range(0, 501, 100)
    figure = new_figure(figsize=(7.5, 4.2))
    axis = figure.subplots()
    for label, colour, marker, communicate in (
        ("with communication", "#0072b2", "o", True),
        ("without", "#d55e00", "^", False),
    ):
        torch.manual_seed(0)
        shape: dict[str, Any] = {
            "num_agents": 2,
            "obs_dim": 3,
            "num_actions": 3,
            "state_dim": 6,
            "dim": 32,
            "hidden_dim": 64,
        }
        team = Mactas(MactasConfig(communicate=communicate, **shape))
        rewards: list[float] = []

        def noted(line: str, team: Mactas = team, rewards: list[float] = rewards) -> None:
            rewards.append(CueTask(task).run(team_system(team.eval()))["reward"])
            team.train()

        noted("")
        recipe = Recipe(
            updates=updates[-1],
            episodes_per_update=2,
            batch=128,
            rate=5e-3,
            gamma=0.0,
            epsilon_steps=600,
        )
        learn(team, Cues(task), recipe, log=noted)
        axis.plot(list(updates), rewards, marker=marker, color=colour, label=label)
    axis.axhline(1 / 3, color="grey", linestyle=":", label="chance")
    axis.set(xlabel="updates", ylabel="share of right actions", ylim=(0, 1.05), title="each agent sees one cue of two")
    axis.legend(loc="center right")
    saved(figure, path)


def messages(path: Path) -> None:
    """Ways of the bundled team's listener to the landmark that only the speaker sees, and with messages silenced."""
    loud, silent = zoo.load("mactas/speaker-listener"), zoo.load("mactas/speaker-listener")
    silent.comm.silence()
    figure = new_figure(figsize=(10, 4.2))
    for seed, axis in zip((10**8, 10**8 + 1, 10**8 + 2), figure.subplots(1, 3), strict=True):
        for team, colour, label in ((loud, "#0072b2", "with messages"), (silent, "#d55e00", "silenced")):
            world, way = _walk(team, seed)
            axis.plot(*zip(*way, strict=True), color=colour, label=label, linewidth=2)
            axis.plot(*way[-1], marker="o", color=colour)
        goal = world.agents[0].goal_b
        for landmark in world.landmarks:
            meant = landmark is goal
            axis.plot(*landmark.state.p_pos, marker="*" if meant else "x", color="black", markersize=14 if meant else 8)
        axis.plot(*way[0], marker="s", color="grey", markersize=9)
        axis.set(aspect="equal", xlabel="x", ylabel="y", xlim=(-1.4, 1.4), ylim=(-1.4, 1.4))
        axis.set_title(f"episode {seed - 10**8 + 1}", fontsize=10)
    figure.axes[0].legend(fontsize=8, loc="upper right")
    figure.suptitle("start: square; the landmark that is meant: star", fontsize=11)
    saved(figure, path)


def _walk(team: Mactas, seed: int) -> tuple[Any, list[tuple[float, float]]]:
    """The particles' world after an episode, and where the listener was."""
    environment = speaker_listener()
    way: list[tuple[float, float]] = []

    def choose(values: Tensor, able: Tensor) -> Tensor:
        way.append(tuple(environment.parallel.unwrapped.world.agents[1].state.p_pos.tolist()))
        return explore(values, able, 0.0, 1.0)

    play(team, environment, seed, choose)
    return environment.parallel.unwrapped.world, way
