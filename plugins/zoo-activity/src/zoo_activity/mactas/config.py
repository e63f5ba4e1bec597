"""The schemas of the agents, of the module alone, and of the task."""

from __future__ import annotations

from dataclasses import dataclass

import zoo
from zoo.nn.heads import require_equal_slices

MIXERS = ("vdn", "qmix", "none")
EXPLORATIONS = ("epsilon", "epsilon_boltzmann", "joint_epsilon")


@dataclass
class CommunicationConfig:
    """Config of the communication module alone."""

    dim: int = zoo.field(64, "width of an agent's state", minimum=1)
    num_layers: int = zoo.field(1, "layers", minimum=1)
    num_heads: int = zoo.field(4, "attention heads", minimum=1)
    hidden_dim: int = zoo.field(128, "width of the feed-forward networks", minimum=1)
    init_scale: float = zoo.field(1e-2, "factor on the initial weights that end a branch", minimum=0.0)

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class MactasConfig:
    """Config of the agents and their mixer."""

    num_agents: int = zoo.field(3, "agents; QMIX and agents' names are bound to it, all else is not", minimum=1)
    obs_dim: int = zoo.field(30, "values of an observation", minimum=1)
    num_actions: int = zoo.field(9, "actions of an agent", minimum=1)
    state_dim: int = zoo.field(48, "values of the global state, for QMIX", minimum=1)
    dim: int = zoo.field(64, "width of an agent's state", minimum=1)
    communicate: bool = zoo.field(True, "whether agents exchange their states")
    num_layers: int = zoo.field(1, "layers of the communication", minimum=1)
    num_heads: int = zoo.field(4, "its attention heads", minimum=1)
    hidden_dim: int = zoo.field(128, "width of its feed-forward networks", minimum=1)
    init_scale: float = zoo.field(1e-2, "factor on the initial weights that end its branches", minimum=0.0)
    mixer: str = zoo.field("vdn", "how the team's value comes of its agents'", choices=MIXERS)
    mixer_dim: int = zoo.field(32, "width of QMIX's hidden layer", minimum=1)
    hyper_dim: int = zoo.field(64, "width of the networks that make QMIX's weights", minimum=1)
    last_action: bool = zoo.field(True, "whether agents are told their last action")
    agent_id: bool = zoo.field(False, "whether agents are told which one they are")
    state: str = zoo.field(
        "pre", "what is remembered: the state before or after communication", choices=("pre", "post")
    )

    def __post_init__(self) -> None:
        require_equal_slices(self.dim, self.num_heads)


@dataclass
class CuesConfig:
    """Config of the task in which each agent sees one cue and all need their sum."""

    num_agents: int = zoo.field(2, "agents", minimum=1)
    num_cues: int = zoo.field(3, "cues, and actions", minimum=2)
    length: int = zoo.field(1, "steps of an episode, each with new cues", minimum=1)
    num_episodes: int = zoo.field(256, "episodes that are asked", minimum=1)
    seed: int = zoo.field(0, "of the episodes", minimum=0)
