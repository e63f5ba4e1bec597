"""The facts of Human Guided Exploitation of Interpretable Attention Patterns."""

from __future__ import annotations

from zoo import Claim, Entry, Paper

SMALL = {"num_heads": 8, "dim": 512, "hidden_dim": 2048}
TINY = {
    "vocab_size": 67,
    "dim": 32,
    "num_layers": 2,
    "num_heads": 8,
    "hidden_dim": 64,
    "max_length": 40,
    "cls_id": 1,
    "sep_id": 2,
    "pal_dim": 16,
}

PAPER = Paper(
    id="attention-pattern-injection",
    title="Human Guided Exploitation of Interpretable Attention Patterns in Summarization and Topic Segmentation",
    arxiv="2112.05364",
    year=2022,
    code=__package__,
    license="Apache-2.0",
    repo="raymondzmc/Attention-Pattern-Exploitation",
    commit="c3431ea",
    fidelity="reference",
    replay="conversion:replay",
    differences=(
        "In the code synthesized heads 0 and 1 are registered wrongly where a pattern has several heads; here they are "
        "4j and 4j + 1.",
    ),
    entries=(
        Entry(
            id="attention-pattern-injection",
            kind="model",
            summary="extractive summaries by a BERT whose heads are held to matching tokens, sentences and neighbours",
            tags=("interpretability", "summarization", "self", "multi-representational", "encoder", "masking"),
            build="networks:SummaryNetwork",
            config="config:EncoderConfig",
            example="networks:summary_example",
            picture="pictures:patterns",
            paper_input="networks:summary_paper_input",
            convert="conversion:convert",
            differences=(
                "In the code a pattern's -10000 takes the place of padding's, so that a row that may see nothing sees "
                "everything, padding too; here it sees all real tokens. `reference_padding` does as the code, for "
                "models trained with it.",
            ),
            ours=("Branches (PALs) begin with W_u = 0, so that training begins with the pretrained encoder.",),
            presets={
                "6-layers-8-heads": SMALL,
                "6-layers-12-heads": {"heads_per_pattern": 3},
                "6-layers-12-heads-plain": {"heads_per_pattern": 0},
                "bert-base-pals": {"num_layers": 12, "pals": True},
                "tiny": TINY,
            },
            claims=(
                Claim(
                    "parameters of the encoder of 6 layers, 12 heads, d 768, ff 3072, without a pooler",
                    figure="66364416",
                    check="claims:check_encoder_parameters",
                ),
                Claim(
                    "parameters of the PAL branches beside 12 layers (768 to 256, 4 heads)",
                    figure="7099392",
                    check="claims:check_pal_parameters",
                ),
                Claim(
                    "injected heads attend only where the pattern allows",
                    figure="probability < 1e-4 outside",
                    check="claims:check_attention_within_patterns",
                ),
                Claim(
                    "positional heads are fixed: weight 1 on the next or previous token",
                    figure="exact",
                    check="claims:check_positional_heads",
                ),
                Claim(
                    "masked patterns make attention sparse",
                    figure="counted by the mean of masks",
                    check="claims:check_sparsity",
                ),
                Claim(
                    "PALs leave the pretrained encoder as it is before training",
                    figure="exact",
                    check="claims:check_branches_begin_with_the_encoder",
                ),
                Claim(
                    "patterns raise ROUGE on CNN/DM",
                    figure="about 1 ROUGE-1 point for 6-layer models; BERT 42.3, 19.5, 38.7",
                    needs="CNN/DM and the pre-trained bert-base-uncased",
                ),
            ),
        ),
        Entry(
            id="attention-pattern-injection-segmentation",
            kind="model",
            summary="topic boundaries by a BERT whose heads are held to matching tokens, contexts and neighbours",
            tags=("interpretability", "segmentation", "self", "multi-representational", "encoder", "masking"),
            build="networks:SegmentationNetwork",
            config="config:SegmentationConfig",
            example="networks:segmentation_example",
            picture="pictures:segmentation",
            paper_input="networks:segmentation_paper_input",
            convert="conversion:convert",
            differences=(
                "In the code a pattern's -10000 takes the place of padding's, so that a row that may see nothing sees "
                "everything, padding too; here it sees all real tokens. `reference_padding` does as the code, for "
                "models trained with it.",
            ),
            presets={
                "6-layers-8-heads": SMALL,
                "6-layers-12-heads": {"heads_per_pattern": 3},
                "bert-base-pals": {"num_layers": 12, "pals": True},
                "tiny": {**TINY, "head_dim": 8},
            },
            claims=(
                Claim(
                    "pattern injection helps small transformers (here: do two contexts share a word?)",
                    figure="gains on CNN/DM and WikiSection",
                    check="claims:check_learning",
                    slow=True,
                ),
                Claim(
                    "patterns lower P_k on WikiSection",
                    figure="lower",
                    needs="WikiSection and the pre-trained bert-base-uncased",
                ),
            ),
        ),
        Entry(
            id="attention-pattern-injection-heads",
            kind="method",
            summary="the same patterns in the heads of any encoder of transformers, while it is trained or used",
            tags=("interpretability", "intervention", "self", "encoder", "masking"),
            build="injection:PatternInjection",
            config="config:InjectionConfig",
            example="injection:example",
            picture="pictures:injection",
            ours=(
                "Patterns are injected into weights after the softmax, which is the same; rows that would see nothing "
                "keep what they see, and padding stays hidden.",
            ),
            presets={
                "summary": {},
                "segmentation": {"task": "segmentation"},
                "tiny": {"cls_id": 1, "sep_id": 2},
            },
            claims=(
                Claim(
                    "injected heads of any encoder look where their pattern allows and nowhere else, the others as "
                    "before",
                    figure="exact",
                    check="claims:check_injected_heads",
                ),
            ),
        ),
        Entry(
            id="attention-pattern-injection-relevance",
            kind="probe",
            summary="how much of every head's attention lies on each pattern, and which heads stand out",
            tags=("interpretability", "self", "encoder", "positional-head", "previous-head"),
            build="relevance:PatternRelevance",
            config="config:RelevanceConfig",
            example="relevance:example",
            picture="pictures:relevance",
            ours=("Welch's test of a head's shares against those of all other heads together.",),
            presets={
                "summary": {},
                "segmentation": {"task": "segmentation"},
                "important-heads": {"keep": 0.1},
                "tiny": {"cls_id": 1, "sep_id": 2},
            },
            claims=(
                Claim(
                    "planted patterns are found in the heads that have them",
                    figure="all of them first, and significant",
                    check="claims:check_planted_patterns",
                ),
                Claim(
                    "heads of a trained encoder have the patterns (here all-MiniLM-L6-v2; the paper: BERT fine-tuned "
                    "on its tasks)",
                    figure="some heads, p < 0.01",
                    check="claims:check_patterns_in_a_trained_encoder",
                    slow=True,
                    real=True,
                ),
            ),
        ),
    ),
)
