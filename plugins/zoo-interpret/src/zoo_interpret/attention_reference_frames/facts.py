"""The facts of What are you sinking? A geometric approach on attention sink."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

PAPER = Paper(
    id="attention-reference-frames",
    title="What are you sinking? A geometric approach on attention sink",
    arxiv="2508.02546",
    year=2025,
    code=__package__,
    fidelity="reconstruction",
    replay="conversion:replay",
    ours=(
        "Measures are reconstructed from the abstract and a summary; thresholds are ours, and so is the rule that "
        "tells frames apart.",
        "Topology is that of the graph: triangles are not filled. The paper's Fisher information is not known to us.",
    ),
    entries=(
        Entry(
            id="attention-reference-frames",
            kind="probe",
            summary="attention maps as graphs: sinks, degrees, topology, and the reference frame that a model builds",
            tags=("interpretability", "attention-sink", "topology", "geometry", "self", "encoder", "decoder"),
            build="probe:AttentionReferenceFrames",
            config="config:ReferenceFramesConfig",
            example="probe:example",
            picture="pictures:frames",
            presets={
                "paper": {},
                "strict": {"sink_percentile": 0.95},
                "tiny": {"betti_thresholds": [0.01, 0.05, 0.1, 0.2]},
            },
            claims=(
                Claim(
                    "a star has centralisation 1, star-likeness 1, Gini 1 - 1/T, Fiedler value 0.5, one component and "
                    "no cycle",
                    figure="exact",
                    check="claims:check_star",
                ),
                Claim(
                    "two equal anchors have star-likeness 0.5, Fiedler value 0.5 and T - 2 cycles",
                    figure="exact",
                    check="claims:check_two_anchors",
                ),
                Claim("a uniform map has centralisation 0 and Gini 0", figure="exact", check="claims:check_uniform"),
                Claim(
                    "planted frames of each kind are told apart",
                    figure="centralised, distributed and bidirectional",
                    check="claims:check_frames",
                ),
                Claim(
                    "first tokens get 30 to 40% of the attention of trained decoders (here SmolLM2-135M)",
                    figure="30 to 40%",
                    check="claims:check_first_token_in_a_trained_decoder",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "encoders with absolute positions have bidirectional frames (here all-MiniLM-L6-v2)",
                    figure="qualitative",
                    check="claims:check_anchors_in_a_trained_encoder",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "standard RoPE decoders form centralised frames, NTK-scaled ones distributed frames",
                    figure="qualitative",
                    needs="weights of Llama 3, Qwen2.5, Phi-2 and others",
                ),
                Claim(
                    "sinks appear in the first few thousand steps of training",
                    figure="qualitative",
                    needs="checkpoints of Pythia",
                ),
            ),
        ),
    ),
)
