"""The facts of From Black Boxes to Transparent Minds: theory of mind in multimodal language models."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="gridtom",
    title="From Black Boxes to Transparent Minds: Evaluating and Enhancing the Theory of Mind in Multimodal Large "
    "Language Models",
    arxiv="2506.14224",
    year=2025,
    code=__package__,
    repo="Annaisavailable/GridToM",
    commit="c27026f",
    fidelity="paper",
    replay="conversion:replay",
    entries=(
        Entry(
            id="gridtom",
            kind="benchmark",
            summary="clips of a grid world that ask what an agent believes, and score what a multimodal model answers",
            tags=("interpretability", "theory-of-mind", "multimodal", "video", "evaluation"),
            build="benchmark:GridTom",
            config="config:GridTomConfig",
            example="benchmark:example",
            picture="benchmark:picture",
            ours=(
                "The generator: map, script, rooms, captions and what is seen through doors are made up to have the "
                "published annotation fields. The published clips are not used.",
                "Beliefs of second order: the other agent sees the protagonist's door.",
                "Clips are written as PNG and GIF.",
            ),
            presets={
                "paper": {"num_samples": 1000},
                "second-order": {"order": "second"},
                "tiny": {"num_samples": 4, "cell": 4},
            },
            claims=(
                Claim(
                    "labels: the protagonist's says whether the agent believes the statement, the oracle's whether it "
                    "is so in the world",
                    figure="they differ exactly on false-belief clips",
                    check="claims:check_labels",
                ),
                Claim(
                    "what only sees the world is right about true beliefs and wrong about all false ones",
                    figure="100% and 0%",
                    check="claims:check_systems",
                ),
                Claim(
                    "multimodal models lag behind people",
                    figure="no figure known to us",
                    needs="the weights of the paper's models",
                ),
            ),
        ),
        Entry(
            id="gridtom-probe",
            kind="probe",
            summary="logistic probes of a belief in every block of every decoder layer",
            tags=("interpretability", "theory-of-mind", "probe", "decoder", "multimodal", "truthfulness-head"),
            build="probe:GridTomProbe",
            requires=("sklearn",),
            config="config:TomProbeConfig",
            example="probe:example",
            picture="pictures:probes",
            differences=(
                "What the code calls heads are equal blocks of the residual stream after a layer, the last after the "
                "final norm; the paper speaks of heads' outputs. The code's form is the default, `features` chooses.",
            ),
            presets={
                "llava-next-video-7b": {"topk": 32},
                "qwen2-vl-7b": {"topk": 28},
                "tiny": {"topk": 4},
            },
            claims=(
                Claim(
                    "a direction planted in one block is found first, and its direction recovered",
                    figure="first of all blocks",
                    check="claims:check_planted_block",
                ),
                Claim(
                    "probes separate beliefs in a trained language model (SmolLM2-135M on captions; the paper: LLaVA "
                    "and Qwen2-VL on clips)",
                    figure="they do; accuracies are in plots",
                    check="claims:check_beliefs_in_a_trained_model",
                    slow=True,
                    real=True,
                ),
            ),
        ),
        Entry(
            id="gridtom-steering",
            kind="method",
            summary="push attention outputs along probes' directions while a model writes",
            tags=("interpretability", "theory-of-mind", "intervention", "steering", "training-free", "decoder"),
            build="steering:GridTomSteering",
            config="config:TomSteeringConfig",
            example="steering:example",
            picture="pictures:steering",
            differences=(
                "The code pushes the first example of a batch alone; here all are.",
                "Probes read the layer's output, steering writes to its attention's: as in the code.",
            ),
            ours=("Without a probe's directions, `attach` takes random ones, the paper's control.",),
            presets={"paper": {}, "away": {"alpha": -5.0}, "strong": {"alpha": 10.0}, "tiny": {"topk": 4}},
            claims=(
                Claim(
                    "alpha = 0 leaves the model unchanged, and the effect is linear in alpha at the hooked output",
                    figure="exact",
                    check="claims:check_steering",
                ),
                Claim(
                    "steering along a belief's directions moves a trained language model's answers more than random "
                    "directions do (SmolLM2-135M on captions)",
                    figure="no figure known to us",
                    check="claims:check_steering_a_trained_model",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "steering improves exhibited theory of mind",
                    figure="no figure known to us",
                    needs="the weights of the paper's models",
                ),
            ),
        ),
    ),
)
