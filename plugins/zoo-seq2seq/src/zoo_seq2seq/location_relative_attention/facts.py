"""The facts of Location-Relative Attention Mechanisms For Robust Long-Form Speech Synthesis."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Weights

_TINY = {
    "num_symbols": 20,
    "embedding_dim": 16,
    "encoder_prenet_hidden": 16,
    "encoder_prenet_dim": 12,
    "bank_size": 4,
    "bank_channels": 8,
    "projection_channels": 10,
    "num_highways": 2,
    "highway_dim": 12,
    "encoder_rnn_dim": 8,
    "num_mels": 6,
    "prenet_hidden": 10,
    "prenet_dim": 8,
    "attention_rnn_dim": 16,
    "decoder_rnn_dim": 16,
    "attention_hidden": 12,
    "static_channels": 4,
    "static_kernel_size": 7,
    "dynamic_channels": 4,
    "dynamic_kernel_size": 7,
}
_WORDS = {
    "num_symbols": 29,
    "embedding_dim": 32,
    "encoder_prenet_hidden": 48,
    "encoder_prenet_dim": 32,
    "encoder_prenet_dropout": 0.1,
    "bank_size": 5,
    "bank_channels": 32,
    "projection_channels": 32,
    "num_highways": 2,
    "highway_dim": 32,
    "encoder_rnn_dim": 32,
    "num_mels": 40,
    "prenet_hidden": 64,
    "prenet_dim": 32,
    "attention_rnn_dim": 72,
    "decoder_rnn_dim": 72,
    "reduction_factor": 8,
    "zoneout": 0.0,
    "attention_hidden": 48,
}
_NOTE = (
    "Trained on English days and months as Allison Smith recorded them for Asterisk (Debian's "
    "asterisk-core-sounds-en-wav, CC-BY-SA-3.0), joined to random texts of one to four words."
)
_BIASED = {"initial_delta": 1.0, "initial_sigma": 10.0}
_PLAIN = {"initial_delta": None, "initial_sigma": None}

PAPER = Paper(
    id="location-relative-attention",
    title="Location-Relative Attention Mechanisms For Robust Long-Form Speech Synthesis",
    arxiv="1910.10288",
    year=2020,
    code=__package__,
    license="MIT",
    repo="bshall/Tacotron",
    commit="6fee34a",
    fidelity="reference",
    replay="conversion:replay",
    ours=(
        "The authors released no code. The network and dynamic convolution attention are held against recordings of "
        "the re-implementation bshall/Tacotron, GMM attention against a reference of the paper's equations.",
        "Padding: a boolean mask over symbols, of which none changes what a text gives (in inference). The "
        "re-implementation has no mask.",
    ),
    entries=(
        Entry(
            id="location-relative-attention",
            aliases=("tacotron-dca",),
            kind="model",
            summary="text to mel spectrogram, aligned by dynamic convolutions over the last alignment",
            tags=("speech", "encoder-decoder", "recurrent", "distinctive", "single-level", "soft", "monotonic"),
            build="network:Tacotron",
            config="config:TacotronConfig",
            example="network:example",
            convert="conversion:convert",
            train="training:train",
            predict="training:predict",
            picture="pictures:long_texts",
            differences=(
                "The Tacotron around it is bshall/Tacotron's, at its sizes; the paper has its own.",
                "`generate` goes on until every text of a batch has ended, once each; the re-implementation wants all "
                "to end at one step.",
                "attention_rnn_dim and decoder_rnn_dim may differ.",
            ),
            ours=(
                "Content-based and location-sensitive attention (the hybrid), which the paper compares with, in the "
                "same network: by `attention`, and as presets. They were not recorded.",
                "bshall/Tacotron's checkpoint (LJSpeech, under the key `tacotron`) is converted by its names; the file "
                "was not seen.",
                "The presets of words are trained on real speech, recordings of nineteen words by one speaker, joined "
                "to texts of one to four. All three attentions are taught alike: short texts first, and for the first "
                "two thirds of the steps the weight away from the letter that is said is added to the loss. Without "
                "this help content-based attention never aligned here; with it, it does at the length of training.",
                "Spectrograms become sound by Griffin-Lim; frames are log energies of 40 mel bands up to 4 kHz.",
                "On the small task of symbols content-based attention gets no such help and stays uniform at the "
                "length of training too; the claim on real speech is the one that compares.",
            ),
            presets={
                "ljspeech": {},
                "content-based": {"attention": "content"},
                "location-sensitive": {"attention": "location-sensitive"},
                "tiny": _TINY,
                "words": _WORDS,
                "words-content": {**_WORDS, "attention": "content"},
            },
            weights={
                "words": Weights(
                    "package://zoo_seq2seq/weights/location-relative-attention-words.safetensors",
                    sha256="23e0905e2b0a5e7b063f5e7996ca9367fcd02b81dcd098dc039cff2bd2282c98",
                    size=964_548,
                    license="CC-BY-SA-3.0",
                    metric="attention wrong on 0% of words at 4, 20 and 40 words",
                    command="zoo train location-relative-attention/words",
                    note=_NOTE,
                ),
                "words-content": Weights(
                    "package://zoo_seq2seq/weights/location-relative-attention-words-content.safetensors",
                    sha256="31c8dad3b785befa3d44ddd3be0e88cebc0715531bd6650c4e6b74e4a968fca7",
                    size=940_152,
                    license="CC-BY-SA-3.0",
                    metric="attention wrong on 0% of words at 4, 71% at 20, 86% at 40",
                    command="zoo train location-relative-attention/words-content",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "location-relative: alignment depends on the query and the previous alignment only, never on the "
                    "memory's content",
                    figure="exact",
                    check="claims:check_memory_is_not_read",
                ),
                Claim(
                    "on a task of saying symbols in turn, taught at 20 symbols, DCA and GMM-V2b align at 100, and "
                    "content-based attention fails",
                    figure="content-based fails on long utterances, GMMv2b and DCA do not",
                    check="claims:check_long_texts",
                    slow=True,
                ),
                Claim(
                    "alignment survives utterances five and ten times longer than those of training, where "
                    "content-based attention, aligned in training, breaks",
                    figure="content-based fails on long utterances, GMMv2b and DCA do not",
                    check="claims:check_speech_alignment",
                    slow=True,
                ),
                Claim(
                    "only GMM and DCA keep a recogniser's error rate low on texts many times longer than in training",
                    figure="up to about 90 s",
                    check="claims:check_speech_is_understood",
                    slow=True,
                    real=True,
                ),
                Claim(
                    "GMMv2b and DCA align in ten trials of ten, and sooner than V0 and V1",
                    needs="ten trainings each on LJSpeech and Lessac",
                ),
                Claim(
                    "naturalness of DCA and V2b on texts of the domain equals location-sensitive attention's",
                    needs="listeners, and trained weights",
                ),
            ),
        ),
        Entry(
            id="location-relative-attention-gmm",
            aliases=("tacotron-gmm",),
            kind="model",
            summary="the same text-to-speech network, aligned by a mixture of Gaussians that moves on",
            tags=("speech", "encoder-decoder", "recurrent", "distinctive", "single-level", "soft", "monotonic"),
            build="network:Tacotron",
            config="config:TacotronGMMConfig",
            example="network:example",
            convert="conversion:convert",
            train="training:train",
            predict="training:predict",
            picture="pictures:sentence",
            ours=(
                "The whole network with this attention was not recorded: its parts were.",
                "The preset `words` learns as location-relative-attention's does; its Gaussians start two letters wide "
                "in the place of ten: from ten, words of six letters did not come apart in 600 steps.",
            ),
            presets={
                "ljspeech": {},
                "v0": {"gmm_version": "v0", **_PLAIN},
                "v1": {"gmm_version": "v1", **_PLAIN},
                "v1b": {"gmm_version": "v1"},
                "v2": _PLAIN,
                "tiny": _TINY,
                "words": {**_WORDS, "initial_sigma": 2.0},
            },
            weights={
                "words": Weights(
                    "package://zoo_seq2seq/weights/location-relative-attention-gmm-words.safetensors",
                    sha256="6078a4a6328198237531c404afb5a389f80f3d4de7493d9b04410793e18c06df",
                    size=930_588,
                    license="CC-BY-SA-3.0",
                    metric="attention wrong on 0% of words at 4, 20 and 40 words",
                    command="zoo train location-relative-attention-gmm/words",
                    note=_NOTE,
                ),
            },
            claims=(
                Claim(
                    "location-relative: alignment depends on the query and the previous alignment only, never on the "
                    "memory's content",
                    figure="exact",
                    check="claims:check_memory_is_not_read_by_mixtures",
                ),
            ),
        ),
        Entry(
            id="location-relative-attention-dca-layer",
            aliases=("dynamic-convolution-attention", "dca"),
            kind="model",
            summary="DCA alone: queries make filters that move weights along a text, of which only the length counts",
            tags=("speech", "recurrent", "distinctive", "single-level", "soft", "monotonic", "convolution"),
            build="convolution:DynamicConvolutionAttention",
            config="config:DCAConfig",
            example="convolution:example",
            picture="pictures:moving",
            convert="conversion:convert_dca",
            differences=("Of the biases within the tanh there is one (of T), as the re-implementation has it.",),
            ours=("Sums are within float32 under mixed precision; kernels have an odd number of taps.",),
            presets={
                "paper": {},
                "tiny": {
                    "query_dim": 16,
                    "hidden_dim": 12,
                    "static_channels": 4,
                    "static_kernel_size": 7,
                    "dynamic_channels": 3,
                    "dynamic_kernel_size": 5,
                    "prior_length": 6,
                },
            },
            claims=(
                Claim(
                    "the prior forbids moving backward and moving further than prior_length - 1 = 10 tokens in a step",
                    figure="prior is 0 outside [0, 10], clamped at 1e-6",
                    check="claims:check_prior_forbids",
                ),
                Claim(
                    "the beta-binomial prior (n=10, a=0.1, b=0.9) has a mean forward step of 1 token",
                    figure="mean = n a / (a + b) = 1.0",
                    check="claims:check_prior_mean",
                ),
                Claim(
                    "translation: shifting the previous alignment by s shifts the next by s, away from the borders",
                    figure="max error < 1e-5",
                    check="claims:check_translation",
                ),
            ),
        ),
        Entry(
            id="location-relative-attention-gmm-layer",
            aliases=("gmm-attention",),
            kind="model",
            summary="GMM attention alone (V0, V1, V2): queries move Gaussians along a text and set their widths",
            tags=("speech", "recurrent", "distinctive", "single-level", "soft", "monotonic"),
            build="mixture:GMMAttention",
            config="config:GMMConfig",
            example="mixture:example",
            picture="pictures:mixtures",
            differences=(
                "Both linear layers have a bias, as recorded; the paper's versions without b have none at the output. "
                "It starts at 0 there.",
            ),
            ours=(
                "Widths are at least 1e-6 tokens where they are divided by; means and bells are in float32 at least.",
                "Places count from 0. When a text ends is left to the network around it.",
            ),
            presets={
                "v0": {"version": "v0"},
                "v1": {"version": "v1"},
                "v1b": {"version": "v1", **_BIASED},
                "v2": {},
                "v2b": _BIASED,
                "tiny": {"query_dim": 10, "hidden_dim": 8, **_BIASED},
            },
            claims=(
                Claim(
                    "mean positions are strictly increasing (V0-V2)",
                    figure="delta > 0",
                    check="claims:check_means_increase",
                ),
                Claim(
                    "V2 with the bias initialisation starts with delta = 1 and sigma = 10",
                    figure="delta 1.0, sigma 10.0",
                    check="claims:check_first_step_and_width",
                ),
            ),
        ),
    ),
)
