"""The facts of Disentangling and Integrating Relational and Sensory Information in Transformer Architectures."""

from __future__ import annotations

from zoo import Claim, Entry, Paper, Traits, Weights

_UNSEEN = "Published by the authors; the file was not seen here, so its tensor names are those of their code."

_343M = {
    "num_layers": 24,
    "dim": 1024,
    "num_heads": 16,
    "num_kv_heads": 4,
    "num_relational_kv_heads": 4,
    "num_symbols": 1024,
    "symbol_heads": 8,
    "trainable_symbols": False,
}

_1_27B = {
    "num_layers": 24,
    "dim": 2048,
    "num_heads": 32,
    "num_kv_heads": 8,
    "num_relational_kv_heads": 8,
    "num_symbols": 2048,
    "trainable_symbols": False,
}

_BASELINE = {"num_layers": 24, "num_relational_heads": 0, "ff_bias": False}

_PUBLISHED = {
    "dat-343m": "awni00/DAT-sa8-ra8-ns1024-sh8-nkvh4-343M",
    "dat-343m-nr32": "awni00/DAT-sa8-ra8-nr32-ns1024-sh8-nkvh4-343M",
    "dat-343m-nr64": "awni00/DAT-sa8-ra8-nr64-ns1024-sh8-nkvh4-343M",
    "dat-1.27b": "awni00/DAT-sa16-ra16-nr128-ns2048-sh16-nkvh8-1.27B",
    "dat-1.27b-nr64": "awni00/DAT-sa16-ra16-nr64-ns2048-sh8-nkvh8-1.27B",
    "t-757m": "awni00/T-sa24-757M",
}

_SOFTMAX_RELATIONS = (
    "The authors normalise softmax relations over the whole sequence, so that later and padded tokens change what "
    "comes before; here over what the receiver sees (relation_activation=softmax)."
)
_RETRIEVER_DROPOUT = (
    "The authors' symbol retriever applies its dropout to the retrieval softmax in eval mode too; here dropout is on "
    "the branches of a block only, and in training only."
)
_RELATION_WIDTH = "Where d H_r is not a multiple of R, the relation width p is rounded down."

PAPER = Paper(
    id="dual-attention",
    title="Disentangling and Integrating Relational and Sensory Information in Transformer Architectures",
    arxiv="2405.16727",
    year=2024,
    code=__package__,
    license="MIT",
    repo="Awni00/dual-attention",
    commit="a6ef87c",
    replay="conversion:replay",
    ours=("The ablations of relational cross-attention and relational symbolic attention are not offered.",),
    entries=(
        Entry(
            id="dual-attention",
            kind="attention",
            summary="sensory heads beside relational heads that pass on relations and symbols instead of features",
            tags=("self", "single-level", "soft", "single", "scaled-dot", "softmax", "multi-head", "relational"),
            traits=Traits(
                causal="optional",
                time="n^2",
                memory="n^2",
                decoding="recompute",
                parameters="queries and keys of relations; symbols and their retrieval",
            ),
            build="attention:DualAttentionLayer",
            config="config:DualAttentionConfig",
            example="attention:example",
            differences=(_SOFTMAX_RELATIONS,),
            ours=(
                "The layer has a symbol retriever of its own and an equal split of heads by default.",
                _RELATION_WIDTH,
            ),
            presets={
                "tiny": {"dim": 24, "num_heads": 4, "num_symbols": 8},
                "symmetric": {"symmetric_relations": True},
                "relative": {"symbol_retrieval": "position_relative"},
            },
            claims=(
                Claim(
                    "with zero relational heads DAT is a standard transformer",
                    figure="equal outputs < 1e-5",
                    check="claims:check_zero_relational_heads",
                ),
                Claim(
                    "symmetric relations: r(x_i, x_j) = r(x_j, x_i) when both sides share a projection",
                    figure="exact",
                    check="claims:check_symmetric_relations",
                ),
                Claim(
                    "the message depends on the sender only through relations and its symbol",
                    figure="0 change",
                    check="claims:check_sender_enters_by_relations",
                ),
                Claim(
                    "projecting after aggregating equals projecting each pair",
                    figure="< 1e-5; memory N^2 R instead of N^2 D",
                    check="claims:check_projection_order",
                ),
            ),
        ),
        Entry(
            id="dual-attention-lm",
            aliases=("dat-lm",),
            kind="model",
            summary="causal language model of dual attention, with its plain-transformer baselines",
            tags=("self", "causal", "transformer", "language-model", "relational"),
            build="networks:DATLanguageModel",
            config="config:DATConfig",
            example="networks:lm_example",
            picture="pictures:language_model",
            differences=(
                "The authors do not pass their bias setting on: feed-forward biases exist whatever it says, attention "
                "biases never. So here (ff_bias=False leaves them out, as the t-* baselines do).",
                "With swiglu the authors scale the initialisation of the gate (linear3); here that of the output "
                "(linear2).",
                _SOFTMAX_RELATIONS,
                _RETRIEVER_DROPOUT,
            ),
            ours=(_RELATION_WIDTH,),
            presets={
                "tiny": {
                    "vocab_size": 53,
                    "dim": 32,
                    "num_layers": 2,
                    "num_heads": 4,
                    "num_symbols": 8,
                    "max_length": 64,
                },
                "dat-343m": _343M,
                "dat-343m-nr32": _343M | {"num_relations": 32},
                "dat-343m-nr64": _343M | {"num_relations": 64},
                "dat-1.27b": _1_27B | {"num_relations": 128, "symbol_heads": 16},
                "dat-1.27b-nr64": _1_27B | {"num_relations": 64, "symbol_heads": 8},
                "t-353m": _BASELINE | {"dim": 1024, "num_heads": 16},
                "t-757m": _BASELINE | {"dim": 1536, "num_heads": 24},
                "t-1.31b": _BASELINE | {"dim": 2048, "num_heads": 32},
            },
            weights={
                preset: Weights(
                    f"hf://{repository}",
                    convert="conversion:convert",
                    default=False,
                    note=_UNSEEN,
                )
                for preset, repository in _PUBLISHED.items()
            },
            claims=(
                Claim(
                    "lower perplexity than a transformer of equal size on fineweb-edu",
                    figure="16.09 (343M DAT) against 16.94 (353M transformer)",
                    needs="10 billion tokens of fineweb-edu and a GPU cluster",
                ),
            ),
        ),
        Entry(
            id="dual-attention-vit",
            aliases=("vidat",),
            kind="model",
            summary="vision transformer of dual attention, with a trained player of relational games",
            tags=("self", "transformer", "vision", "classification", "relational"),
            build="networks:ViDAT",
            config="config:ViDATConfig",
            example="networks:vidat_example",
            picture="pictures:player",
            differences=(_RETRIEVER_DROPOUT,),
            ours=(
                "Symbol library sizes and heads of vidat-imagenet (64, 4) and vidat-cifar (64, 4), and the 4 x 4 "
                "patches of vidat-cifar: the paper gives ranges or nothing.",
                _RELATION_WIDTH,
            ),
            train="training:train",
            presets={
                "tiny": {
                    "image_shape": [3, 12, 12],
                    "patch_shape": [4, 4],
                    "num_classes": 5,
                    "dim": 24,
                    "num_heads": 4,
                    "num_symbols": 8,
                },
                "vidat-imagenet": {"num_layers": 12, "dim": 384, "num_heads": 12, "symbol_heads": 4},
                "vidat-cifar": {
                    "num_layers": 8,
                    "dim": 384,
                    "num_heads": 12,
                    "symbol_heads": 4,
                    "symmetric_relations": True,
                    "image_shape": [3, 32, 32],
                    "patch_shape": [4, 4],
                    "num_classes": 10,
                },
                "relational-games": {
                    "num_layers": 1,
                    "dim": 128,
                    "num_heads": 2,
                    "hidden_dim": 256,
                    "num_symbols": 16,
                    "symmetric_relations": True,
                    "image_shape": [3, 36, 36],
                    "patch_shape": [12, 12],
                    "num_classes": 2,
                },
            },
            weights={
                "relational-games": Weights(
                    "package://zoo_sequence/weights/vidat-relational-games.safetensors",
                    sha256="5be679dd10a2611af705894bb34bbbae2011ecd03fc12e6b52d8b900826feb9d",
                    size=846_624,
                    license="Apache-2.0",
                    metric="game occurs, accuracy on new images: 99.9% (pentominoes), 99.0% (held-out hexominoes), "
                    "76.5% (held-out stripes)",
                    command="zoo train dual-attention-vit/relational-games",
                    note="A plain transformer of the same size, trained the same way, reaches 97.3%, 96.7% and 77.4%.",
                ),
            },
            claims=(
                Claim(
                    "data efficiency: fewer samples than a transformer of equal size on relational games",
                    figure="ordering",
                    check="claims:check_data_efficiency",
                    slow=True,
                ),
                Claim(
                    "ViDAT beats a ViT of equal size on natural images",
                    figure="CIFAR-10 89.7 against 86.4, CIFAR-100 70.5 against 68.8",
                    needs="CIFAR and a GPU",
                ),
            ),
        ),
        Entry(
            id="dual-attention-seq2seq",
            aliases=("dat-seq2seq",),
            kind="model",
            summary="encoder-decoder of dual attention for symbolic tasks",
            tags=("co-attention", "transformer", "seq2seq", "relational"),
            build="networks:DATSeq2Seq",
            config="config:DATSeq2SeqConfig",
            example="networks:seq2seq_example",
            picture="pictures:seq2seq",
            differences=(_SOFTMAX_RELATIONS, _RETRIEVER_DROPOUT),
            ours=("It follows the description; its positions (rotary or learned) are our choice.", _RELATION_WIDTH),
            presets={"tiny": {"dim": 32, "num_heads": 4, "num_symbols": 8, "max_length": 64}},
        ),
        Entry(
            id="dual-attention-relational-games",
            kind="benchmark",
            summary="five games on synthetic images that only relations between objects decide",
            tags=("vision", "classification", "relational"),
            build="relational_games:RelationalGames",
            config="config:RelationalGamesConfig",
            example="relational_games:games_example",
            picture="pictures:games",
            presets={game: {"game": game} for game in ("same", "between", "occurs", "xoccurs", "match-pattern")},
        ),
    ),
)
