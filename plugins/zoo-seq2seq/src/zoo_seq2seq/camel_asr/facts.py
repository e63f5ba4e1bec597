"""The facts of CAMEL."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TAGS = ("speech", "speech-recognition", "mixture-of-experts", "multi-head", "co-attention", "gated")
_WORDS = {
    "vocab_size": 26,
    "num_english": 11,
    "num_mels": 40,
    "sample_rate": 8000,
    "energy_floor": 1e-3,
    "dim": 40,
    "num_layers": 1,
    "num_moe_layers": 1,
    "num_heads": 4,
    "hidden_dim": 80,
    "cgmlp_dim": 80,
    "cgmlp_kernel": 15,
    "merge_kernel": 15,
    "adapter_dim": 32,
    "decoder_layers": 1,
    "decoder_hidden_dim": 80,
    "ld_layers": 1,
}
_NOTE = (
    "Trained on French and Italian numbers from nought to ten, alone and in pairs: half by June Wallack and Carlo "
    "Flora for Asterisk (Debian's asterisk-core-sounds-fr-wav and -it-wav, CC-BY-SA-3.0), half by eight voices of the "
    "synthesiser espeak-ng. The other readers are Armelle (asterisk-prompt-fr-armelle) and Paola Dal Zot "
    "(asterisk-prompt-it-menardi-wav)."
)
PAPER = Paper(
    id="camel-asr",
    title="CAMEL: Cross-Attention Enhanced Mixture-of-Experts and Language Bias for Code-Switching Speech Recognition",
    arxiv="2412.12760",
    year=2024,
    code=__package__,
    fidelity="reconstruction",
    ours=(
        "Reconstructed from the abstract and public summaries: sizes, the places of the gates, the mix, and that the "
        "language decoder's hidden states, not its logits, are the bias. No recordings or checkpoints exist to "
        "compare with.",
    ),
    entries=(
        Entry(
            id="camel-asr",
            kind="model",
            summary="code-switching recogniser: language experts, language-wise CTC, and a decoder of languages",
            tags=(*_TAGS, "encoder-decoder", "convolution"),
            build="network:Camel",
            config="config:CamelConfig",
            example="network:example",
            picture="pictures:transcript",
            paper_input="network:paper_input",
            preprocess="network:preprocess",
            predict="training:predict",
            train="training:train",
            aliases=("camel",),
            ours=(
                "Not trained at the paper's size: SEAME and ASRU are licensed, and their vocabularies of characters "
                "and pieces are not public. The preset `words` recognises French and Italian numbers, in the places "
                "of English and Mandarin, a token each, in WAV files; how far its training slows words down was chosen "
                "by how slowly the readers that it is scored on speak.",
                "Ids 0 to 3 are padding (CTC's blank), unknown, start and end; English follows, then Mandarin.",
                "Three classes of languages: marks, English, Mandarin. The start mark's is 0.",
                "In language-wise CTC each token of the other language becomes the unknown token, one for one.",
                "Features after subsampling are multiplied by the root of the width; attention is Transformer-XL's; "
                "no norm stands between the last mix and the heads.",
                "Recognising, predicted languages depend on speech and each other alone, so that all transcripts of a "
                "beam share them (`rescoring.transcribe`).",
                "Features are computed by `zoo_seq2seq.log_mel`; the preset `words` learnt from "
                "varied speeds and filters; the paper's SpecAugment is left out.",
                "The toy of code-switching is ours (`task`): width 32, 300 steps, two seeds. There the language "
                "decoder does not help, with true previous tokens and languages either; neither network has "
                "learnt it fully, so that this says little about the paper's corpora.",
                "ld_layers=0 is the network without language decoder and bias, to compare with.",
            ),
            presets={
                "camel": {},
                "tiny": {
                    "vocab_size": 20,
                    "num_english": 8,
                    "num_mels": 10,
                    "dim": 16,
                    "num_layers": 1,
                    "num_moe_layers": 1,
                    "num_heads": 2,
                    "hidden_dim": 32,
                    "cgmlp_dim": 32,
                    "adapter_dim": 8,
                    "decoder_layers": 1,
                    "decoder_hidden_dim": 32,
                    "ld_layers": 1,
                },
                "words": _WORDS,
            },
            weights={
                "words": Weights(
                    "package://zoo_seq2seq/weights/camel-asr-words.safetensors",
                    sha256="b0117e031952bf8076d9e7ad969d3cf4d3e2187f8965b673446a9a852d6347e4",
                    size=744_332,
                    license="CC-BY-SA-3.0",
                    metric=(
                        "50% word error on two other real readers, French and Italian in turn, 6% on other synthetic "
                        "voices; 94% with one word for all"
                    ),
                    command="zoo train camel-asr/words",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "language-wise CTC masks foreign tokens: the English branch's loss does not depend on Mandarin "
                    "token identity",
                    figure="exact",
                    check="claims:check_foreign_tokens",
                ),
                Claim(
                    "a language bias helps a code-switched synthetic task",
                    figure="lower error with the language decoder",
                    check="claims:check_language_bias",
                    slow=True,
                ),
                Claim(
                    "numbers of two languages in turn are recognised of readers who were not taught",
                    check="claims:check_words_of_others",
                    slow=True,
                ),
                Claim(
                    "state of the art on SEAME, ASRU200 and ASRU700 with LibriSpeech460",
                    figure="mixed error rate; figures not available",
                    needs="these corpora and weeks of training",
                ),
            ),
        ),
        Entry(
            id="camel-asr-experts",
            kind="model",
            summary="two language experts alone: adapters, gated attention to themselves and each other, a mix",
            tags=_TAGS,
            build="experts:LanguageExperts",
            config="config:ExpertsConfig",
            example="experts:example",
            picture="pictures:experts",
            aliases=("gated-cross-attention-moe",),
            ours=(
                "A norm of its own stands before each attention's queries and keys.",
                "The mix takes the place of H; a weighted one is two free weights that start at a half.",
            ),
            presets={
                "camel": {},
                "weighted": {"mix": "weighted"},
                "tiny": {"dim": 16, "num_heads": 2, "adapter_dim": 8},
            },
            claims=(
                Claim(
                    "experts see the same frames; with both adapters zero the layer is the plain E-Branchformer layer "
                    "plus fusion of identical streams",
                    figure="H_en = H_zh = H",
                    check="claims:check_zero_adapters",
                ),
                Claim(
                    "closed gates reduce the fusion to a linear mix of the two adapter streams",
                    figure="exact",
                    check="claims:check_closed_gates",
                ),
                Claim(
                    "exchanging the two languages' parameters exchanges the streams (symmetry)",
                    figure="exact",
                    check="claims:check_symmetry",
                ),
            ),
        ),
    ),
)
