"""Names of the authors' code to ours, and recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import zoo
from zoo.evidence.replay import Run, replay_of
from zoo.nn.renaming import renamed
from zoo_seq2seq.ripo_transformer.config import FMEConfig, RipoConfig
from zoo_seq2seq.ripo_transformer.embedding import FundamentalMusicEmbedding
from zoo_seq2seq.ripo_transformer.intervals import Intervals
from zoo_seq2seq.ripo_transformer.network import RipoTransformer

_RULES = (
    (r"^fusion_layer\.fusion\.", "fusion."),
    (r"^transformer_encoder\.layers\.", "layers."),
    (r"\.self_attn\.W([qkv])\.", r".self_attn.\1_proj."),
    (r"\.self_attn\.fc\.", ".self_attn.o_proj."),
    (r"\.self_attn\.pitch_relnn\.", ".self_attn.pitch_proj."),
    (r"\.self_attn\.dur_relnn\.", ".self_attn.onset_proj."),
    (r"\.self_attn\.E$", ".self_attn.index"),
)


_RIPO = "rgl_rel_pitch_dur"
_FLAGS = {
    "relative_pitch": "if_add_relative_pitch",
    "relative_onset": "if_add_relative_duration",
    "relative_index": "if_add_relative_idx",
}
_RELATIVE = {_RIPO: tuple(_FLAGS), "rgl_vanilla": ("relative_index",), "mha": (), "linear": ()}
"""Kinds of attention of the authors' code, and what is relative in each; flags say more of the first alone."""


def convert(state: Mapping[str, Tensor], config: RipoConfig) -> dict[str, Tensor]:
    """Rename; what a config does not use, and what is computed here, is left out."""
    out = ["pos_encoder.pe"]
    out += [] if config.trainable_pitch else ["pitch_embedding.angles"]
    out += [] if config.trainable_duration else ["dur_embedding.angles"]
    out += [] if config.relative_index else [".self_attn.E", ".self_attn.index"]
    if not config.relative_pitch:
        out += ["relative_pitch_embedding_supplement.weight"]
        out += [f"{name}.{part}" for name in ("pitch_senn", "pitch_relnn") for part in ("weight", "bias")]
    if not config.relative_onset:
        out += [f"{name}.{part}" for name in ("dur_senn", "dur_relnn") for part in ("weight", "bias")]
    return renamed({name: tensor for name, tensor in state.items() if not name.endswith(tuple(out))}, _RULES)


def config_of(recorded: Mapping[str, Any]) -> RipoConfig:
    """Our config of the authors' fields.

    Raises:
        ConfigError: another attention or embedding than the paper's.
    """
    attention, places = recorded["attention_conf"], recorded["position_encoding_conf"]
    pitch, duration = recorded["pitch_embedding_conf"], recorded["dur_embedding_conf"]
    kind = attention["attention_type"]
    if kind not in _RELATIVE:
        raise zoo.ConfigError(f"attention_type={kind!r}; expected one of {', '.join(_RELATIVE)}")
    if {pitch["type"], duration["type"]} != {"se"}:
        raise zoo.ConfigError("only embeddings of type='se' have recorded names; others are presets of their own")
    relative = {
        name: bool(attention.get(flag, kind != _RIPO)) if name in _RELATIVE[kind] else False
        for name, flag in _FLAGS.items()
    }
    two_sided = bool(attention.get("if_add_relative_idx_no_mask", False)) and "relative_index" in _RELATIVE[kind]
    return RipoConfig(
        num_pitches=recorded["pitch_dim"],
        num_durations=recorded["dur_dim"],
        dim=recorded["d_model"],
        num_heads=recorded["nhead"],
        hidden_dim=recorded["dim_feedforward"],
        num_layers=recorded["nlayers"],
        pitch_base=pitch["base"],
        duration_base=duration["base"],
        trainable_pitch=pitch["if_trainable"],
        trainable_duration=duration["if_trainable"],
        pitch_bias=_bias(pitch),
        duration_bias=_bias(duration),
        project_pitch=pitch.get("emb_nn", False),
        project_duration=duration.get("emb_nn", False),
        attention="linear" if kind == "linear" else "softmax",
        relative_pitch=relative["relative_pitch"],
        relative_onset=relative["relative_onset"],
        relative_index=relative["relative_index"] or two_sided,
        two_sided=two_sided,
        add_index=places["if_index"],
        add_onset=places["if_global_timing"],
        add_beat=places["if_modulo_timing"],
    )


def _bias(recorded: Mapping[str, Any]) -> str:
    return str(recorded.get("translation_bias_type") or "none").lower()


def _ripo(run: Run) -> dict[str, Tensor]:
    config, inputs = config_of(run.config), run.inputs
    model = RipoTransformer(config).eval()
    zoo.fill(model, convert(run.state, config))
    given = Intervals(inputs["pitch_rel"], inputs["pitch_rel_mask"], inputs["dur_rel"], inputs["dur_onset_cumsum"])
    found = model(inputs["pitch"], inputs["dur_p"], given)
    return {
        "pitch_logits": found.pitch_logits,
        "dur_logits": found.duration_logits,
        "pitch_fme": model.pitch_embedding(inputs["pitch"]),
    }


def _fme(run: Run) -> dict[str, Tensor]:
    trainable = bool(run.config.get("if_trainable", False))
    config = FMEConfig(run.config["d_model"], run.config["base"], trainable, _bias(run.config))
    model = FundamentalMusicEmbedding(config)
    kept = {name: tensor for name, tensor in run.state.items() if trainable or name != "angles"}
    zoo.fill(model, kept)
    embedded, delta = model(run.inputs["f"]), run.inputs["delta"]
    return {
        "embedding": embedded,
        "fms": model.intervals(delta).unsqueeze(-2),
        "transposed": model.transposed(embedded, delta),
    }


replay = replay_of({"ripo": _ripo, "fme": _fme})
