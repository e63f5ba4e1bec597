"""Encoder-decoders of transformers (Whisper, Speech2Text) as the probes see them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo.bridges.transformers.maps import attention_maps
from zoo.errors import InputError
from zoo.places import to_read
from zoo.targets import require


class SpeechModel:
    """Features (batch, frames, bins) and tokens (batch, tokens) to probabilities, maps and states.

    Args:
        model: a speech encoder-decoder of transformers, in eval mode.

    Raises:
        InputError: the model takes no ``input_features``, or has no decoder.
    """

    def __init__(self, model: nn.Module) -> None:
        config: Any = getattr(model, "config", None)
        if getattr(model, "main_input_name", "") != "input_features" or not getattr(
            config, "is_encoder_decoder", False
        ):
            raise InputError(
                f"{type(model).__name__} is no speech encoder-decoder of transformers: it needs input_features and a "
                "decoder, as Whisper and Speech2Text have"
            )
        self.model: Any = model
        # Whisper has frequencies first.
        self.bins_first = config.model_type == "whisper"

    def inputs(self, features: Tensor) -> dict[str, Tensor]:
        """What the model calls features (batch, frames, bins)."""
        return {"input_features": features.transpose(1, 2) if self.bins_first else features}

    def features(self, inputs: Tensor) -> Tensor:
        """(batch, frames, bins) of the model's own ``input_features``."""
        return inputs.transpose(1, 2) if self.bins_first else inputs

    def encode(self, features: Tensor) -> Tensor:
        """Encoder states (batch, encoder frames, dim)."""
        states: Tensor = self.model.get_encoder()(**self.inputs(features)).last_hidden_state
        return states

    def probabilities(self, states: Tensor, tokens: Tensor, token_mask: Tensor | None = None) -> Tensor:
        """p (batch, tokens, vocabulary) of the token after each, from encoder states.

        Args:
            states: (batch, encoder frames, dim).
            tokens: (batch, tokens) that the decoder is fed.
            token_mask: (batch, tokens), 0 for tokens whose embedding is zero; places stay.
        """
        output = require("transformers.modeling_outputs", needed_by="speech models").BaseModelOutput(states)

        def hide(module: object, args: object, embedded: Tensor) -> Tensor:
            return embedded if token_mask is None else embedded * token_mask[..., None].to(embedded.dtype)

        handle = self.model.get_decoder().embed_tokens.register_forward_hook(hide)
        try:
            logits: Tensor = self.model(encoder_outputs=output, decoder_input_ids=tokens).logits
        finally:
            handle.remove()
        return logits.float().softmax(-1)

    def cross_attention(self, features: Tensor, tokens: Tensor) -> Tensor:
        """(layers, heads, tokens, encoder frames) of one utterance, features (1, ...) and tokens (1, ...)."""
        maps = attention_maps(self.model, {**self.inputs(features), "decoder_input_ids": tokens}, group="A")
        return torch.stack([each[0].float() for each in maps])

    def transcribe(self, features: Tensor, longest: int = 60) -> Tensor:
        """The model's own tokens (1, tokens), greedily, the start included."""
        found: Tensor = self.model.generate(
            **self.inputs(features), max_new_tokens=longest, do_sample=False, num_beams=1
        )
        start = self.model.config.decoder_start_token_id
        if start is not None and int(found[0, 0]) != start:
            found = torch.cat((found.new_full((1, 1), start), found), 1)
        return found


def read_recording(path: str | Path, processor: Any) -> tuple[Tensor, int]:
    """Features (1, frames, bins) of a WAV file for a processor, and how many frames are not padding.

    Raises:
        InputError: no WAV file of 16 bits that could be read.
    """
    wavfile = require("scipy.io.wavfile", needed_by="reading a recording")
    try:
        rate, samples = wavfile.read(to_read(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no WAV file that can be read: {error}") from error
    sound = torch.as_tensor(samples.astype("float32")) / 32768
    sound = sound.mean(1) if sound.ndim > 1 else sound
    extractor: Any = getattr(processor, "feature_extractor", processor)
    wanted = extractor.sampling_rate
    if rate != wanted:
        signal = require("scipy.signal", needed_by="resampling a recording")
        sound = torch.as_tensor(signal.resample_poly(sound.numpy(), wanted, rate)).float()
    found: Mapping[str, Tensor] = extractor(sound.numpy(), sampling_rate=wanted, return_tensors="pt")
    features = found["input_features"]
    return features, min(len(sound) // extractor.hop_length, max(features.shape[1:]))
