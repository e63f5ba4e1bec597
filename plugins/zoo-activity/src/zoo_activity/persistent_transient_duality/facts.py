"""The facts of the persistent-transient duality."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

PAPER = Paper(
    id="persistent-transient-duality",
    title="Persistent-Transient Duality: A Multi-mechanism Approach for Modeling Human-Object Interaction",
    arxiv="2307.12729",
    year=2023,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "No code was published. What is known is the structure: a persistent graph over all entities, an egocentric "
        "transient graph for each human, a switch that starts and stops it, a link from parent to child; the "
        "equations, the widths and the switch's parametrisation are ours.",
        "Joints and values of objects' states in the presets (18 and 6; 1 and 6 for hands) are choices.",
        "In training the weight of teacher-forced steps falls to 0 and the switch's temperature to a half.",
        "Only the claim on the task trains a network; whole-body and bimanual motion captures are not here.",
    ),
    entries=(
        Entry(
            id="persistent-transient-duality",
            kind="model",
            summary="forecasts people and objects by a lasting process and one that starts and stops",
            tags=("activity", "forecasting", "graph", "recurrent", "self", "hard"),
            build="network:PersistentTransientDuality",
            picture="pictures:forecast",
            config="config:DualityConfig",
            example="network:example",
            aliases=("ptd",),
            train="training:train",
            presets={
                "wbhm": {},
                "bimanual": {
                    "dim": 128,
                    "transient_dim": 128,
                    "num_humans": 2,
                    "num_objects": 12,
                    "num_joints": 1,
                },
                "switching": {
                    "dim": 24,
                    "transient_dim": 24,
                    "num_joints": 1,
                    "object_dim": 3,
                    "num_objects": 2,
                    "observed": 8,
                    "horizon": 6,
                },
                "tiny": {
                    "dim": 16,
                    "transient_dim": 16,
                    "num_humans": 2,
                    "num_objects": 3,
                    "num_joints": 5,
                    "num_classes": 2,
                    "observed": 4,
                    "horizon": 3,
                },
            },
            weights={
                "switching": Weights(
                    "package://zoo_activity/weights/persistent-transient-duality-switching.safetensors",
                    sha256="c18f975b2d955a31319fef7944e5c9b160d30f836371218bdaa3fa22c7cf006e",
                    size=134_628,
                    license="Apache-2.0",
                    metric="0.216 m mean error on other walkers; their last velocity 0.251 m; F1 of the switch 0.09",
                    command="zoo train persistent-transient-duality/switching",
                    note="Trained on the synthetic walkers of persistent-transient-duality-switching, without labels.",
                ),
            },
            claims=(
                Claim(
                    "transient processes start and end discretely",
                    figure="the switch is 0 or 1; its gradient is finite and not zero",
                    check="claims:check_discrete",
                ),
                Claim(
                    "with the switch off the model is the persistent channel alone",
                    figure="exact",
                    check="claims:check_switched_off",
                ),
                Claim(
                    "a transient process forgets: it is born of the persistent state when it is switched on",
                    figure="exact",
                    check="claims:check_forgets",
                ),
                Claim(
                    "the transient channel is invariant to moving the whole scene",
                    figure="1e-5",
                    check="claims:check_egocentric",
                ),
                Claim(
                    "where the mode of motion switches, it forecasts better than the persistent channel alone",
                    figure="lower error; no figure in the paper for this task",
                    check="claims:check_switching",
                    slow=True,
                ),
                Claim(
                    "forecasts better than graph-attention baselines on two data sets",
                    figure="lower position errors at all horizons",
                    needs="the whole-body and the bimanual motion captures",
                ),
            ),
        ),
        Entry(
            id="persistent-transient-duality-switching",
            kind="benchmark",
            summary="walkers who stop to circle objects: forecast error, and F1 of who circles when",
            tags=("activity", "forecasting", "synthetic"),
            build="switching:Switching",
            picture="pictures:task",
            config="config:SwitchingConfig",
            example="switching:example",
            presets={"tiny": {"num_episodes": 8}},
            ours=("The task is that of this zoo; the paper has none like it.",),
        ),
    ),
)
