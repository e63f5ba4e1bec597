"""The facts of Keeping Notes."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_BIBLE = {
    "source_vocab_size": 800,
    "target_vocab_size": 800,
    "embedding_dim": 40,
    "encoder_dim": 32,
    "encoder_layers": 1,
    "decoder_dim": 64,
    "decoder_layers": 1,
    "dropout": 0.1,
}
_NOTE = (
    "Trained on 18,963 clauses of the New Testament in Greek (SBLGNT, CC-BY-4.0) and English (Berean Standard Bible, "
    "public domain), out of the package bible-alignments; one verse of twenty is held out, 805 clauses that occur "
    "nowhere else."
)

PAPER = Paper(
    id="scratchpad",
    title="Keeping Notes: Conditional Natural Language Generation with a Scratchpad Mechanism",
    arxiv="1906.05275",
    year=2019,
    code=__package__,
    fidelity="paper",
    replay="conversion:replay",
    ours=("The gate starts with bias 1, so that the memory stays at first; the paper does not say.",),
    entries=(
        Entry(
            id="scratchpad",
            kind="model",
            summary="encoder-decoder whose decoder writes into the encoder's memory; with copying where asked",
            tags=(
                "generation",
                "encoder-decoder",
                "recurrent",
                "distinctive",
                "single-level",
                "soft",
                "additive",
                "memory",
            ),
            build="network:ScratchpadNetwork",
            config="config:ScratchpadConfig",
            example="network:example",
            preprocess="zoo_seq2seq.bible:preprocess",
            predict="zoo_seq2seq.bible:predict",
            picture="pictures:gates",
            train="training:train",
            ours=(
                "Sizes of scratchpad-mt and scratchpad-qg are reconstructed; the decoder's first state is one linear "
                "layer of the encoder's last, for hidden and cell each.",
                "Words that the target vocabulary lacks can be copied under ids of their own (`copy_ids`, "
                "`extra_vocab_size`).",
                "What it is for is measured on a small task of naming sets, where attention stays nearly uniform with "
                "a scratchpad and without; more or copied items were not learnt within a minute.",
                "The presets `bible`, `bible-plain` (gate=closed) and `bible-no-attention` (attention=last reads the "
                "last word's place alone; no weights) are small translators of Greek clauses.",
            ),
            presets={
                "scratchpad-mt": {},
                "scratchpad-qg": {
                    "source_vocab_size": 45_000,
                    "target_vocab_size": 28_000,
                    "embedding_dim": 300,
                    "encoder_dim": 300,
                    "decoder_dim": 600,
                    "decoder_layers": 1,
                    "num_features": 2,
                    "copy": True,
                    "dropout": 0.3,
                },
                "scratchpad-sum": {
                    "source_vocab_size": 50_000,
                    "target_vocab_size": 50_000,
                    "embedding_dim": 128,
                    "encoder_layers": 1,
                    "decoder_dim": 256,
                    "decoder_layers": 1,
                    "copy": True,
                },
                "tiny": {
                    "source_vocab_size": 40,
                    "target_vocab_size": 40,
                    "embedding_dim": 12,
                    "encoder_dim": 8,
                    "encoder_layers": 1,
                    "decoder_dim": 16,
                    "decoder_layers": 1,
                },
                "bible": _BIBLE,
                "bible-plain": {**_BIBLE, "gate": "closed"},
                "bible-no-attention": {**_BIBLE, "gate": "closed", "attention": "last"},
            },
            weights={
                "bible": Weights(
                    "package://zoo_seq2seq/weights/scratchpad-bible.safetensors",
                    sha256="4d4540f326e4acf4642a13653a01dc1fd441c69f2db9ccbbe571f28f4546920a",
                    size=898_500,
                    license="CC-BY-4.0",
                    metric=(
                        "1.4 BLEU on held-out verses, less than the 3.4 of the same network without a scratchpad; "
                        "alignment error 0.65, diagonal 0.64"
                    ),
                    command="zoo train scratchpad/bible",
                    note=_NOTE,
                ),
                "bible-plain": Weights(
                    "package://zoo_seq2seq/weights/scratchpad-bible-plain.safetensors",
                    sha256="f33fd30c1e553e11c303cf3c12d7bf894c41fecf10bb0805fcab09664b275ecd",
                    size=848_496,
                    license="CC-BY-4.0",
                    metric="3.4 BLEU on held-out verses; alignment error 0.57, diagonal 0.64",
                    command="zoo train scratchpad/bible-plain",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "with the gate fixed at 1 the model is the plain attentional seq2seq",
                    figure="exact",
                    check="claims:check_open_gate_is_plain",
                ),
                Claim(
                    "helps to avoid repetition: emitting every source item once in any order, it covers more",
                    figure="fewer repeats/omissions",
                    check="claims:check_covers",
                    slow=True,
                ),
                Claim(
                    "attention sharpens and covers sources more evenly",
                    figure="lower entropy of per-step attention, higher entropy of the summed attention",
                    check="claims:check_attention_sharpens",
                    slow=True,
                ),
                Claim(
                    "translates better than the same network without a scratchpad",
                    check="claims:check_translates",
                    slow=True,
                ),
                Claim(
                    "state of the art or comparable on IWSLT'14, question generation and CNN/DailyMail",
                    needs="these data sets",
                ),
            ),
        ),
        Entry(
            id="scratchpad-write",
            kind="model",
            summary="the write step alone: a state changes a memory, place by place, towards one update",
            tags=("recurrent", "memory"),
            build="write:ScratchpadWrite",
            config="config:WriteConfig",
            example="write:example",
            picture="pictures:memory",
            presets={"tiny": {"state_dim": 10, "memory_dim": 8}},
            claims=(
                Claim(
                    "memory stays in the convex hull of the old state and the update",
                    figure="elementwise between h and u",
                    check="claims:check_convex_hull",
                ),
                Claim(
                    "write cost is O(S d) per step, parameters independent of sentence length",
                    figure="count",
                    check="claims:check_cost",
                ),
            ),
        ),
    ),
)
