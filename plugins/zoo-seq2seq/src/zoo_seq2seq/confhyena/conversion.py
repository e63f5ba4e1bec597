"""Names of the published checkpoints to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_seq2seq.confhyena.config import ConfHyenaConfig, HyenaConfig
from zoo_seq2seq.confhyena.encoder import ConfHyenaEncoder
from zoo_seq2seq.confhyena.hyena import HyenaOperator

_RULES = (
    (r"(^|\.)conformer_layers\.", r"\1layers."),
    (r"\bimplicit_filter\.1\.freq$", "freq"),
    (r"\bimplicit_filter\.([024])\.", lambda found: f"layers.{int(found[1]) // 2}."),
    (r"\bimplicit_filter\.6\.", "output."),
)
# One parameter that the state shows three times, and what is computed here.
_LEFT_OUT = ("implicit_filter.3.freq", "implicit_filter.5.freq", "positional_encoding.pe", "decoder.version")


def convert(state: Mapping[str, Tensor], config: object) -> dict[str, Tensor]:
    """Rename."""
    ignored = (*_LEFT_OUT, "embed_positions._float_tensor", ".pos_emb.z", ".pos_emb.t", "modulation.deltas")
    return renamed({name: tensor for name, tensor in state.items() if not name.endswith(ignored)}, _RULES)


def _hyena(run: Run) -> dict[str, Tensor]:
    config = HyenaConfig(
        **run.fields(
            {
                "d_model": "dim",
                "l_max": "max_length",
                "order": "order",
                "filter_order": "filter_dim",
                "num_heads": "num_heads",
                "causal": "causal",
            }
        )
    )
    layer = HyenaOperator(config).eval()
    zoo.fill(layer, convert(run.state, config))
    x, padding = run.inputs["u"], run.inputs.get("padding_mask")
    return {"y": layer(x, None if padding is None else ~padding), "filter": layer.filter_fn(x.shape[1])[None]}


def config_of(recorded: Mapping[str, Any]) -> ConfHyenaConfig:
    """Our config of fairseq's arguments."""
    names = {
        "input_feat_per_channel": "num_mels",
        "max_source_positions": "max_length",
        "encoder_embed_dim": "dim",
        "encoder_layers": "num_layers",
        "encoder_attention_heads": "num_heads",
        "conv_channels": "subsample_dim",
        "stride": "subsample_stride",
        "ctc_encoder_layer": "ctc_layer",
        "feed_forward_expansion_factor": "hidden_mult",
        "conformer_conv_kernel_size": "conv_kernel",
        "conformer_half_step_residual": "half_step",
        "hyena_order": "order",
        "hyena_filter_order": "filter_dim",
        "hyena_causal": "causal",
        "ctc_vocab": "ctc_vocab_size",
    }
    fields = {ours: recorded[theirs] for theirs, ours in names.items() if theirs in recorded}
    if "conv_kernel_sizes" in recorded:
        fields["subsample_kernels"] = [int(size) for size in str(recorded["conv_kernel_sizes"]).split(",")]
    strategy = recorded.get("ctc_compress_strategy", "none")
    if strategy not in ("avg", "none"):
        raise zoo.ConfigError(f"ctc_compress_strategy={strategy!r}; only avg and none are here")
    return ConfHyenaConfig(
        **fields,
        compress=strategy == "avg",
        scale_embedding=not recorded.get("no_scale_embedding", False),
        mixing="hybrid" if recorded.get("conformer_after_compression", False) else "hyena",
    )


def _encoder(run: Run) -> dict[str, Tensor]:
    config = config_of(run.config)
    model = ConfHyenaEncoder(config).eval()
    zoo.fill(model, convert(run.state, config))
    found = model(run.inputs["src_tokens"], run.inputs["src_lengths"])
    outputs = {
        "ctc_out": found.ctc_logits.transpose(0, 1),
        "ctc_lengths": found.ctc_lengths,
        "encoder_out": found.states.transpose(0, 1),
    }
    # Nothing is recorded where nothing is padded.
    return outputs if bool(found.mask.all()) else {**outputs, "encoder_padding_mask": ~found.mask}


replay = replay_of({"hyena": _hyena, "encoder": _encoder})
