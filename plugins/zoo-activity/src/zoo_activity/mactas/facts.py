"""The facts of MACTAS."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

SPEAKER_LISTENER = {
    "num_agents": 2,
    "obs_dim": 11,
    "num_actions": 5,
    "state_dim": 14,
    "dim": 32,
    "hidden_dim": 64,
    "agent_id": True,
    "init_scale": 1.0,
}

PAPER = Paper(
    id="mactas",
    title="MACTAS: Self-Attention-Based Module for Inter-Agent Communication in Multi-Agent Reinforcement Learning",
    arxiv="2508.13661",
    year=2025,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "No code was published: depth, heads and widths are choices, sized like PyMARL's agents.",
        "Only a command's worth of training is here: the task of cues, and speaker and listener of the particle "
        "environments; StarCraft is not here.",
    ),
    entries=(
        Entry(
            id="mactas",
            kind="model",
            summary="a team of Q-learning agents that exchange their states by self-attention; VDN, QMIX or neither",
            tags=("multi-agent", "reinforcement-learning", "communication", "recurrent", "self"),
            build="network:Mactas",
            config="config:MactasConfig",
            example="network:example",
            ours=(
                "Whether memory keeps the state before or after communication is not known: `state=pre` is the "
                "default.",
                "Exploration beyond epsilon-greedy: the paper's own is not known; `epsilon_boltzmann` draws by "
                "softmax(values / tau) with probability epsilon, `joint_epsilon` tosses one coin for the team.",
                "Without a mixer every agent learns from the team's reward.",
            ),
            presets={
                "vdn": {},
                "qmix": {"mixer": "qmix"},
                "iql": {"mixer": "none"},
                "speaker-listener": SPEAKER_LISTENER,
                "tiny": {
                    "dim": 16,
                    "num_heads": 2,
                    "hidden_dim": 32,
                    "obs_dim": 6,
                    "num_actions": 4,
                    "state_dim": 8,
                    "mixer_dim": 8,
                    "hyper_dim": 8,
                },
            },
            train="training:train",
            picture="pictures:curve",
            weights={
                "speaker-listener": Weights(
                    "package://zoo_activity/weights/mactas-speaker-listener.safetensors",
                    sha256="4b67d10f58fd0ddc1cf53b63d074dd4beeeb015170ad4bfe916604b0bc60ce7e",
                    size=64_300,
                    license="Apache-2.0",
                    metric="mean return -12.7; 62% of episodes end nearest to the landmark that is meant, chance 33%",
                    command="zoo train mactas/speaker-listener",
                    note="Learnt by playing simple_speaker_listener of the package mpe2 (MIT).",
                ),
            },
            claims=(
                Claim(
                    "the number of parameters does not depend on the number of agents",
                    figure="exact",
                    check="claims:check_any_number",
                ),
                Claim(
                    "fully differentiable: one agent's value trains what another says",
                    figure="a gradient that is not zero",
                    check="claims:check_differentiable",
                ),
                Claim(
                    "it extends any decomposition of values: with silent messages the base method is recovered",
                    figure="exact",
                    check="claims:check_recovers_base",
                ),
                Claim(
                    "communication solves what agents cannot alone",
                    figure="near 100% against chance, on the task of cues",
                    check="claims:check_cues",
                    slow=True,
                ),
                Claim(
                    "in a real cooperative environment it learns what independent learners do not",
                    figure="no figure outside StarCraft",
                    check="claims:check_speaker_listener",
                    slow=True,
                ),
                Claim(
                    "best on several maps of the StarCraft multi-agent challenge",
                    figure="state of the art",
                    needs="StarCraft II and days of training",
                ),
            ),
        ),
        Entry(
            id="mactas-communication",
            kind="model",
            summary="the communication alone: states of any number of agents to states with messages",
            tags=("multi-agent", "communication", "self", "layer"),
            build="communication:Communication",
            picture="pictures:messages",
            config="config:CommunicationConfig",
            example="communication:example",
            presets={"tiny": {"dim": 16, "num_heads": 2, "hidden_dim": 32}},
            claims=(
                Claim(
                    "agents are exchangeable: permuting agents permutes the messages",
                    figure="1e-6",
                    check="claims:check_exchangeable",
                ),
            ),
        ),
        Entry(
            id="mactas-cues",
            kind="benchmark",
            summary="each agent sees one cue and all must play the sum: near 1 with communication, 1/K without",
            tags=("multi-agent", "communication", "synthetic"),
            build="benchmark:CueTask",
            picture="pictures:cues",
            config="config:CuesConfig",
            example="benchmark:example",
            presets={"tiny": {"num_episodes": 8}},
            ours=("The task is this zoo's.",),
        ),
    ),
)
