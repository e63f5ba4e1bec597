"""The facts of Skim-Attention: Learning to Focus via Document Layout."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_CONTEXTUALISED = {"num_layout_layers": 2}

_SMALL = {
    "vocab_size": 61,
    "dim": 32,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_dim": 40,
    "layout_dim": 24,
    "max_2d_positions": 128,
    "max_length": 32,
}

_TINY = _SMALL | {"skim_head_dim": 6, "num_layout_layers": 1, "num_layout_heads": 3}

_LAYOUT_ANALYSIS = {
    "vocab_size": 128,
    "dim": 64,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_dim": 128,
    "layout_dim": 64,
    "skim_head_dim": 16,
    "num_layout_layers": 1,
    "num_layout_heads": 4,
    "max_2d_positions": 256,
    "head": "token-classification",
}

_PADDING = (
    "The authors' layout encoder sees padding: with one, the padding of a batch changes the attention of real tokens. "
    "Kept here."
)
_CENTRES = "With degrade_2d_positions the tables of widths and heights do not exist."

PAPER = Paper(
    id="skim-attention",
    title="Skim-Attention: Learning to Focus via Document Layout",
    arxiv="2109.01078",
    year=2021,
    code=__package__,
    license="Apache-2.0",
    repo="recitalAI/skim-attention",
    commit="64917bb",
    fidelity="reference",
    replay="conversion:replay",
    entries=(
        Entry(
            id="skim-attention",
            aliases=("skimformer",),
            kind="model",
            summary="document encoder whose attention looks at word boxes only and is computed once for all layers",
            tags=("self", "single-level", "soft", "scaled-dot", "softmax", "transformer", "document", "layout"),
            build="heads:build_skimformer",
            config="config:SkimformerConfig",
            example="heads:example",
            picture="pictures:skimformer",
            train="training:train",
            convert="conversion:convert",
            requires=("transformers",),
            differences=(_PADDING,),
            ours=(_CENTRES, "The weights of the preset layout-analysis."),
            presets={
                "tiny": _TINY | {"head": "mlm"},
                "skimformer-base": _CONTEXTUALISED | {"head": "mlm"},
                "skimformer-base-plain": {"head": "mlm"},
                "layout-analysis": _LAYOUT_ANALYSIS,
            },
            weights={
                "layout-analysis": Weights(
                    "package://zoo_sequence/weights/skim-attention-layout-analysis.safetensors",
                    sha256="3f5cdda22e1b46f5a0bda78422fa635651040b3bf73173b6789462223abc1883",
                    size=674556,
                    license="Apache-2.0",
                    metric="area-weighted macro F1 0.947 on drawn pages (0.445 with 1-D positions instead of boxes)",
                    command="zoo train skim-attention/layout-analysis",
                ),
                "skimformer-base": Weights(
                    "hf://nglaura/skimformer",
                    convert="conversion:convert",
                    default=False,
                    license="Apache-2.0",
                    note="Published by the authors; the file was not seen here, so its names are those of their code.",
                ),
            },
            claims=(
                Claim(
                    "attention depends on the layout only",
                    figure="0 change",
                    check="claims:check_layout_only",
                ),
                Claim(
                    "attention is computed once and shared by all layers: query/key cost divided by their number",
                    figure="1/12 of the score computations of a 12-layer BERT",
                    check="claims:check_scores_computed_once",
                ),
                Claim(
                    "12 layers at length 512 take less time than those of a BERT of equal size",
                    figure="a large gain is quoted, without a number that could be verified",
                    check="claims:check_time",
                    slow=True,
                ),
                Claim(
                    "fewer query/key parameters than BERT with the same depth",
                    figure="saves 11*2*(768^2+768) = 12,993,024",
                    check="claims:check_saved_parameters",
                ),
                Claim(
                    "lower perplexity than BERT with 1-D or 2-D positions and than LayoutLM, trained on the same data",
                    figure="order only",
                    needs="the authors' pre-training data (PDF files and web pages)",
                ),
            ),
        ),
        Entry(
            id="skim-attention-embed",
            aliases=("bert-with-skim-embed",),
            kind="model",
            summary="BERT whose embeddings hold the six layout embeddings of a box, projected axis by axis",
            tags=("self", "softmax", "transformer", "document", "layout"),
            build="heads:build_skim_embed",
            config="config:SkimEmbedConfig",
            example="heads:example",
            picture="pictures:embed",
            requires=("transformers",),
            ours=("The four projections have biases.",),
            presets={
                "tiny": _SMALL | {"head": "mlm"},
                "bert-with-skim-embed": {"head": "mlm"},
            },
        ),
        Entry(
            id="skim-attention-layout-analysis",
            kind="benchmark",
            summary="what is each word of a page? DocBank's area-weighted F1, on drawn pages or on DocBank files",
            tags=("document", "layout", "synthetic"),
            build="layout_analysis:LayoutAnalysis",
            config="config:LayoutAnalysisConfig",
            example="layout_analysis:layout_analysis_example",
            picture="pictures:layout_analysis",
            ours=("The synthetic pages.",),
        ),
        Entry(
            id="skim-attention-long",
            aliases=("long-skimformer",),
            kind="model",
            summary="Skimformer for long documents: a sliding window and global tokens, linear memory",
            tags=("self", "local", "linear", "sparse", "softmax", "transformer", "document", "layout"),
            build="heads:build_long_skimformer",
            config="config:LongSkimformerConfig",
            example="heads:example",
            picture="pictures:long",
            convert="conversion:convert",
            requires=("transformers",),
            differences=(_PADDING,),
            ours=(
                _CENTRES,
                "Global tokens use the queries, keys and values of all others.",
                "The layout encoder is not windowed (its fused attention is linear in memory, quadratic in time).",
                "Layers with other windows get other attention from the same scores.",
                "The preset has Longformer's vocabulary.",
            ),
            presets={
                "tiny": _TINY | {"head": "mlm", "window": [8]},
                "long-skimformer": _CONTEXTUALISED | {"head": "mlm", "max_length": 2048, "vocab_size": 50_265},
                "long-skimformer-30522": _CONTEXTUALISED | {"head": "mlm", "max_length": 2048},
            },
            claims=(
                Claim(
                    "attention is a window and global tokens, computed once and used by every layer",
                    figure="dense attention under the mask of window and global tokens: difference < 1e-5",
                    check="claims:check_window",
                ),
                Claim(
                    "memory grows linearly with the length",
                    figure="4 times the length: 4 times the memory (dense: 16 times)",
                    check="claims:check_linear_memory",
                    slow=True,
                ),
                Claim(
                    "lower perplexity than Longformer, trained on the same data",
                    figure="order only",
                    needs="the authors' pre-training data (PDF files and web pages)",
                ),
            ),
        ),
        Entry(
            id="skim-attention-mask",
            aliases=("skimming-mask",),
            kind="model",
            summary="BERT or LayoutLM in which a token sees only the keys that its box's skim-attention weighs most",
            tags=("self", "sparse", "softmax", "transformer", "document", "layout"),
            build="heads:build_skimming_mask",
            config="config:SkimmingMaskConfig",
            example="heads:example",
            picture="pictures:mask",
            convert="conversion:convert",
            requires=("transformers",),
            differences=(
                _PADDING,
                "The authors' code needs an attention mask (batch, length, length); (batch, length) is taken too.",
                "Their config has a number of skim-attention heads, but the encoder's number is what counts.",
            ),
            ours=(_CENTRES, "skimming-mask-bert contextualises its boxes; skimming-mask-bert-plain does not."),
            presets={
                "tiny": _TINY | {"top_k": 5},
                "skimming-mask-bert": _CONTEXTUALISED,
                "skimming-mask-bert-plain": {},
                "skimming-mask-layoutlm": _CONTEXTUALISED | {"core": "layoutlm"},
            },
            claims=(
                Claim(
                    "each token attends to at most top_k others in every layer and head",
                    figure="at most top_k nonzero weights per row",
                    check="claims:check_top_k",
                ),
                Claim(
                    "layout analysis: SkimmingMask on BERT gains several F1 points, on LayoutLM slightly, with 128 of "
                    "512 tokens",
                    figure="order only",
                    needs="DocBank and the pre-trained models",
                ),
            ),
        ),
    ),
)
