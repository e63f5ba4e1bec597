"""The facts of Linking In-context Learning in Transformers to Human Episodic Memory."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="cmr-heads",
    title="Linking In-context Learning in Transformers to Human Episodic Memory",
    arxiv="2405.14992",
    year=2024,
    code=__package__,
    license="MIT",
    repo="corxyz/icl-cmr",
    commit="3e9a10b",
    fidelity="reference",
    replay="conversion:replay",
    differences=("The paper fits scores before the softmax; `curve=weights` fits attention weights.",),
    ours=(
        "Head scores follow the paper's definitions; the notebook that computes them was not readable.",
        "All simulated recalls of a point of the grid run at once; the default grid is coarser than the paper's, which "
        "is the preset `paper` and takes hours.",
        "A curve without variance has an infinite distance; with g = 1 recall of the first item brings nothing back.",
        "Scores are queries times keys after positions, scaled; biases that an architecture adds are not in them.",
    ),
    entries=(
        Entry(
            id="cmr-heads",
            kind="probe",
            summary="heads fitted by a model of human free recall, with induction, copying and ablation scores",
            tags=(
                "interpretability",
                "language-model",
                "induction-head",
                "previous-head",
                "duplicate-head",
                "training-free",
            ),
            build="heads:CmrHeads",
            config="config:CmrHeadsConfig",
            example="heads:example",
            picture="pictures:heads",
            presets={
                "paper": {
                    "items": 100,
                    "runs": 1000,
                    "samples": 100,
                    "starts": 20,
                    "encoding_steps": 20,
                    "retrieval_steps": 20,
                    "pre_experimental_steps": 10,
                },
                "tiny": {
                    "repeat_length": 12,
                    "items": 12,
                    "runs": 4,
                    "samples": 8,
                    "starts": 2,
                    "encoding_steps": 2,
                    "retrieval_steps": 2,
                    "pre_experimental_steps": 1,
                },
            },
            claims=(
                Claim(
                    "CMR with b_rec = 1 and g = 0 only moves forward",
                    figure="CRP zero for lags <= 0",
                    check="claims:check_forward",
                ),
                Claim(
                    "CMR with b_rec = 0 and g = 0 is symmetric around lag 0",
                    figure="crp(d) = crp(-d)",
                    check="claims:check_symmetric",
                ),
                Claim(
                    "b_enc = b_rec = 1 and g = 0 is an ideal induction head",
                    figure="CRP = 1 at lag +1",
                    check="claims:check_ideal",
                ),
                Claim(
                    "the published curve at b_enc = 0.55, b_rec = 0.5, g = 0",
                    figure="0.105 at lag 0, 0.281 at +1, 0.148 at +2, 0.0094 at +8",
                    check="claims:check_published_curve",
                    slow=True,
                ),
                Claim(
                    "an ideal induction head has distance near 0, a uniform head does not fit",
                    figure="no figure stated",
                    check="claims:check_planted_heads",
                    slow=True,
                ),
                Claim(
                    "CMR-like heads concentrate in middle layers",
                    figure="GPT-2 small: heads with distance < 0.5 mostly in middle layers",
                    check="claims:check_depth",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "ablating the 10% most CMR-like heads hurts in-context learning more than random heads",
                    figure="significant paired t-test on 1000 C4 texts",
                    check="claims:check_ablation",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "fitted b values rise with training while the loss falls",
                    figure="over Pythia's checkpoints; no figure stated",
                    needs="checkpoints of Pythia",
                ),
            ),
        ),
    ),
)
