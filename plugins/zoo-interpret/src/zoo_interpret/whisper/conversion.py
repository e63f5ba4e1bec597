"""Weights out of a CTranslate2 file, and the replay of recordings of transformers' Whisper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from zoo.bridges.transformers.ctranslate2_whisper import whisper_state
from zoo.evidence.replay import Run, replay_of
from zoo.filling import fill
from zoo_interpret.whisper.config import WhisperConfig
from zoo_interpret.whisper.networks import Whisper


def convert(state: Mapping[str, Tensor], config: WhisperConfig) -> dict[str, Tensor]:
    """From CTranslate2's names and stacked projections to transformers', whose own names are left alone."""
    return whisper_state(state)


def our_config(settings: Mapping[str, Any]) -> WhisperConfig:
    """The config that transformers writes as ``config.json``, as ours."""
    return WhisperConfig(
        vocab_size=settings["vocab_size"],
        dim=settings["d_model"],
        num_layers=settings["encoder_layers"],
        num_heads=settings["encoder_attention_heads"],
        mlp_ratio=settings["encoder_ffn_dim"] / settings["d_model"],
        mel_bins=settings["num_mel_bins"],
        source_length=settings["max_source_positions"],
        max_length=settings["max_target_positions"],
    )


def _logits(run: Run) -> dict[str, Tensor]:
    config = our_config(run.config)
    model = fill(Whisper(config), convert(run.state, config)).eval()
    return {"logits": model(**run.inputs).logits}


replay = replay_of({"speech-to-text": _logits})
