"""The facts of Cross-Attention is Half Explanation in Speech-to-Text Models."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

_TINY = {"num_masks": 12, "num_segments": [10, 20]}

PAPER = Paper(
    id="s2t-cross-attention",
    title="Cross-Attention is Half Explanation in Speech-to-Text Models",
    arxiv="2509.18010",
    year=2025,
    code=__package__,
    license="Apache-2.0",
    repo="hlt-mt/FBK-fairseq",
    commit="4cd7c6dc",
    fidelity="paper",
    replay="conversion:replay",
    differences=("Probabilities are clamped at 1e-12 before their logarithm; the code does not.",),
    ours=(
        "Any speech encoder-decoder of transformers that takes input_features (Whisper, Speech2Text); the paper's "
        "Conformers are not to be had.",
        "Hidden cells get the utterance's mean, which is zero in the paper's normalised features (fill=zero).",
        "Padding behind the frames that are real is never hidden and has no part in the maps.",
    ),
    entries=(
        Entry(
            id="s2t-cross-attention",
            kind="probe",
            summary="correlates cross-attention of a speech model, head by head and together, with occlusion saliency",
            tags=("speech", "interpretability", "cross-attention", "saliency"),
            build="probe:CrossAttentionProbe",
            config="config:CrossAttentionConfig",
            example="probe:example",
            picture="claims:picture",
            aliases=("s2t-cross-attention-probe",),
            ours=(
                "The comparison's details (frequency maximum, linear interpolation to the encoder's length, "
                "standardisation off) are the specification's reading; reduce, to and standardise choose.",
            ),
            presets={"paper": {"num_masks": 20_000}, "tiny": _TINY},
            claims=(
                Claim(
                    "attention averaged over heads and layers goes with saliency better than a typical single head",
                    figure="corr(all) > median over heads",
                    check="claims:check_aggregates_correlate_best",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "attention goes with encoder-output saliency at 52 to 75%, less with that of the input",
                    figure="0.52 to 0.75",
                    check="claims:check_half_explanation",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "Pearson correlation of a map with a positive affine image of itself is 1",
                    figure="1.0",
                    check="claims:check_affine_images",
                ),
            ),
        ),
        Entry(
            id="s2t-cross-attention-spes",
            kind="probe",
            summary="saliency of a speech model by hiding segments of the spectrogram, encoder states and tokens",
            tags=("speech", "interpretability", "saliency"),
            build="probe:Spes",
            config="config:SpesConfig",
            example="probe:example",
            picture="claims:hidden_speech",
            aliases=("spes",),
            presets={
                "released": {},
                "paper": {"num_masks": 20_000},
                "tokens": {"token_probability": 0.5},
                "tiny": _TINY,
            },
            claims=(
                Claim(
                    "SPES relevance is 0 for a region the model ignores",
                    figure="about 0",
                    check="claims:check_ignored_regions",
                ),
                Claim(
                    "relevance per cell is a masked mean, bounded by the largest score",
                    figure="max(relevance) <= max(KL)",
                    check="claims:check_bounded",
                ),
            ),
        ),
    ),
)
