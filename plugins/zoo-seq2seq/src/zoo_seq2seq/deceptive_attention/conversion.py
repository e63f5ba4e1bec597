"""The authors' parameter names, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_seq2seq.deceptive_attention import penalty
from zoo_seq2seq.deceptive_attention.classifiers import DeceptiveClassifier
from zoo_seq2seq.deceptive_attention.config import DeceptiveClassifierConfig, DeceptiveTranslatorConfig
from zoo_seq2seq.deceptive_attention.translator import DeceptiveTranslator

_CLASSIFIER = (
    (r"^embedding_layer\.", "embedding."),
    (r"^lstm_layer\.", "encoder."),
    (r"^weight_layer\.", "score."),
    (r"^linear\.", "output."),
)
_TRANSLATOR = (
    (r"^encoder\.embedding\.", "source_embedding."),
    (r"^encoder\.rnn\.", "encoder."),
    (r"^encoder\.fc\.", "first."),
    (r"^decoder\.embedding\.", "target_embedding."),
    (r"^decoder\.rnn\.(\w+)_l0$", r"decoder.\1"),
    (r"^decoder\.out\.", "output."),
    (r"^decoder\.attention\.v$", "attention.v"),
)


def convert_classifier(state: Mapping[str, Tensor], config: DeceptiveClassifierConfig) -> dict[str, Tensor]:
    """Rename."""
    return renamed(state, _CLASSIFIER)


def convert_translator(state: Mapping[str, Tensor], config: DeceptiveTranslatorConfig) -> dict[str, Tensor]:
    """Rename, and split the matrix of [state; encoder output] into that of the query and that of the keys."""
    found = renamed(state, _TRANSLATOR)
    weight = found.pop("decoder.attention.attn.weight", None)
    if weight is not None:
        found["attention.query.weight"] = weight[:, : config.decoder_dim].contiguous()
        found["attention.key.weight"] = weight[:, config.decoder_dim :].contiguous()
        found["attention.query.bias"] = found.pop("decoder.attention.attn.bias")
    return found


def _classifiers(run: Run) -> dict[str, Tensor]:
    fields = run.fields(
        {"vocab_size": "vocab_size", "emb_dim": "embedding_dim", "hid_dim": "hidden_dim", "out_dim": "num_classes"}
    )
    tokens, hidden, labels = (run.inputs[name] for name in ("tokens", "impermissible", "label"))
    outputs: dict[str, Tensor] = {}
    for prefix, encoder in (("emb", "embedding"), ("bilstm", "bilstm")):
        own = {
            name.removeprefix(f"{prefix}."): each for name, each in run.state.items() if name.startswith(f"{prefix}.")
        }
        if not own:
            continue
        config = DeceptiveClassifierConfig(encoder, **fields)
        model = DeceptiveClassifier(config).eval()
        zoo.fill(model, convert_classifier(own, config))
        found, blocked = model(tokens), model(tokens, blocked=hidden)
        costs = penalty.single_penalty(found.attention, hidden, float(run.config.get("coef", 1.0)))
        outputs |= {
            f"{prefix}.logits": found.logits,
            f"{prefix}.attention": found.attention,
            f"{prefix}.mass": penalty.mass(found.attention, hidden),
            f"{prefix}.penalty": costs,
            f"{prefix}.loss": functional.cross_entropy(found.logits, labels, reduction="none") + costs,
            f"{prefix}.blocked_attention": blocked.attention,
            f"{prefix}.blocked_logits": blocked.logits,
        }
    return outputs


def _seq2seq(run: Run) -> dict[str, Tensor]:
    """Time goes first in the recording; its row 0 is of no step and zero."""
    config = DeceptiveTranslatorConfig(
        **run.fields(
            {
                "input_dim": "source_vocab_size",
                "output_dim": "target_vocab_size",
                "emb_dim": "embedding_dim",
                "enc_hid_dim": "encoder_dim",
                "dec_hid_dim": "decoder_dim",
                "dropout": "dropout",
            }
        )
    )
    model = DeceptiveTranslator(config).eval()
    zoo.fill(model, convert_translator(run.state, config))
    source, target, pad = run.inputs["src"].T, run.inputs["trg"].T, int(run.config["pad"])
    found = model(source, target[:, :-1], source != pad)

    def in_time(x: Tensor) -> Tensor:
        return functional.pad(x, (0, 0, 1, 0)).transpose(0, 1)

    attention = in_time(found.attention)
    on_impermissible = penalty.mass(attention, run.inputs["impermissible"]).sum()
    targets = (target[:, 1:] != pad).sum()
    return {
        "logits": in_time(found.logits),
        "attention": attention,
        "mass": on_impermissible,
        "penalty": penalty.cost(on_impermissible / targets, 1.0),
    }


replay = replay_of({"classifiers": _classifiers, "seq2seq": _seq2seq})
