"""Names of bshall/Tacotron's checkpoints to ours, and recorded runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_seq2seq.location_relative_attention.config import VERSIONS, DCAConfig, GMMConfig, TacotronConfig
from zoo_seq2seq.location_relative_attention.convolution import DynamicConvolutionAttention
from zoo_seq2seq.location_relative_attention.mixture import GMMAttention
from zoo_seq2seq.location_relative_attention.network import Tacotron

_DCA = (
    (r"^P$", "prior"),
    (r"^W\.", "query."),
    (r"^V\.", "filters."),
    (r"^F\.", "static."),
    (r"^U\.", "from_static."),
    (r"^T\.", "from_dynamic."),
)
_GMM = ((r"^mlp\.0\.", "hidden."), (r"^mlp\.2\.", "output."))
_NETWORK = (
    (r"^encoder\.pre_net\.", "encoder.prenet."),
    (r"\bfc1\.", "first."),
    (r"\bfc2\.", "second."),
    (r"\bconv_bank\.", "bank."),
    (r"\bconv_projections\.", "projections."),
    (r"\bbnorm\.", "norm."),
    (r"\bhighway\.(\d+)\.linear1\.", r"highways.\1.transform."),
    (r"\bhighway\.(\d+)\.linear2\.", r"highways.\1.gate."),
    # The layer that meets the width of the highways is not in the checkpoints that are known; it has one matrix.
    (r"^encoder\.cbhg\.(?!widen\b)\w+\.weight$", "encoder.cbhg.widen.weight"),
    (r"^decoder_cell\.attn_rnn\.", "decoder.attention_rnn."),
    (r"^decoder_cell\.linear\.", "decoder.join."),
    (r"^decoder_cell\.rnn1\.", "decoder.rnns.0."),
    (r"^decoder_cell\.rnn2\.", "decoder.rnns.1."),
    (r"^decoder_cell\.proj\.", "decoder.output."),
    (r"^decoder_cell\.(dca|gmm)\.", "decoder.attention."),
    (r"^decoder_cell\.", "decoder."),
    *((f"^decoder\\.attention\\.{pattern[1:]}", f"decoder.attention.{new}") for pattern, new in (*_DCA, *_GMM)),
)
_ENCODER = {"n_symbols": "num_symbols", "embedding_dim": "embedding_dim"}
_CBHG = {
    "K": "bank_size",
    "channels": "bank_channels",
    "projection_channels": "projection_channels",
    "n_highways": "num_highways",
    "highway_size": "highway_dim",
    "rnn_size": "encoder_rnn_dim",
}
_DECODER = {
    "n_mels": "num_mels",
    "attn_rnn_size": "attention_rnn_dim",
    "decoder_rnn_size": "decoder_rnn_dim",
    "reduction_factor": "reduction_factor",
    "zoneout_prob": "zoneout",
}
_FILTERS = {
    "static_channels": "static_channels",
    "static_kernel_size": "static_kernel_size",
    "dynamic_channels": "dynamic_channels",
    "dynamic_kernel_size": "dynamic_kernel_size",
    "prior_length": "prior_length",
    "alpha": "prior_alpha",
    "beta": "prior_beta",
}


def convert(state: Mapping[str, Tensor], config: TacotronConfig) -> dict[str, Tensor]:
    """Rename the tensors of a checkpoint's ``tacotron``."""
    return renamed(state, _NETWORK)


def convert_dca(state: Mapping[str, Tensor], config: DCAConfig) -> dict[str, Tensor]:
    """Rename those of its attention alone, with or without their prefix."""
    return renamed(state, ((r"^decoder_cell\.dca\.", ""), *_DCA))


def _named(recorded: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    return {name: recorded[word] for word, name in own.items() if word in recorded}


def _prenet(recorded: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return _named(
        recorded, {"hidden_size": f"{prefix}_hidden", "output_size": f"{prefix}_dim", "dropout": f"{prefix}_dropout"}
    )


def _tacotron(run: Run) -> dict[str, Tensor]:
    encoder, decoder = run.config["encoder"], run.config["decoder"]
    attention = decoder.get("attention", {})
    config = TacotronConfig(
        **_named(encoder, _ENCODER),
        **_prenet(encoder.get("prenet", {}), "encoder_prenet"),
        **_named(encoder.get("cbhg", {}), _CBHG),
        **_named(decoder, _DECODER),
        **_prenet(decoder.get("prenet", {}), "prenet"),
        **_named(attention, {"hidden_size": "attention_hidden", **_FILTERS}),
    )
    model = Tacotron(config).eval()
    zoo.fill(model, convert(run.state, config))
    found = model(run.inputs["x"], run.inputs["mels"])
    options = _options(str(run.call.get("generate", "")))
    generated = model.generate(run.inputs["x"], **options)
    return {
        "encoder": found.memory,
        "mels": found.mels,
        "alphas": found.alignments,
        "generated": generated.mels,
        "generated_alphas": generated.alignments,
    }


def _options(call: str) -> dict[str, Any]:
    """``max_length`` and ``stop_threshold`` of a call that was recorded as text."""
    length, threshold = (re.search(rf"{name}=([-+.\de]+)", call) for name in ("max_length", "stop_threshold"))
    return {
        "max_length": int(length[1]) if length else 8,
        "stop_threshold": float(threshold[1]) if threshold else float("inf"),
    }


def _dca(run: Run) -> dict[str, Tensor]:
    config = DCAConfig(**run.fields({"attn_rnn_size": "query_dim", "hidden_size": "hidden_dim", **_FILTERS}))
    layer = DynamicConvolutionAttention(config).eval()
    zoo.fill(layer, convert_dca(run.state, config))
    alphas = layer(run.inputs["queries"].transpose(0, 1), run.inputs["alpha0"])
    return {"alphas": alphas.transpose(0, 1)}


def _gmm(run: Run) -> dict[str, Tensor]:
    fields = run.fields({"query": "query_dim", "hidden": "hidden_dim", "K": "num_mixtures"})
    queries = run.inputs["queries"].transpose(0, 1)
    mask = torch.ones(len(queries), int(run.config["T"]), dtype=torch.bool)
    outputs = {}
    for version in VERSIONS:
        layer = GMMAttention(GMMConfig(**fields, version=version)).eval()
        zoo.fill(layer, renamed(run.state, _GMM))
        found = layer(queries, mask)
        outputs[f"{version}.alphas"] = found.alignments.transpose(0, 1)
        outputs[f"{version}.means"] = found.means.transpose(0, 1)
    return outputs


replay = replay_of({"tacotron-dca": _tacotron, "dca": _dca, "gmm": _gmm})
