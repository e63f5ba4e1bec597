"""transformers' Whisper in the sizes of the config, with its processor, and the text of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from zoo.bridges.transformers.packaged import packaged_tokenizer
from zoo.errors import InputError
from zoo.places import to_read
from zoo.targets import require
from zoo_interpret.whisper.config import WhisperConfig

# Of the package's tokenizer: the start of a transcript, no time stamps, the end.
VOCABULARY, BEGIN, PLAIN, END = 51864, 50257, 50362, 50256
RATE = 16_000


class Whisper(transformers.WhisperForConditionalGeneration):
    """input_features (batch, mel_bins, 2 source_length) and decoder_input_ids (batch, length) to ``.logits``
    (batch, length, vocab_size)."""

    def __init__(self, config: WhisperConfig) -> None:
        super().__init__(whisper_config(config))
        # A plain call gives tensors alone; generating keeps a cache.
        self.generation_config.use_cache = True

    @property
    def processor(self) -> Any:
        """Features of sound, and the tokenizer, out of the package; None where the vocabulary is another one's.

        Raises:
            MissingDependency: the package is not installed; the message has the pip command.
        """
        return packaged_tokenizer("whisper-tiny-en") if self.config.vocab_size == VOCABULARY else None

    @torch.no_grad()
    def transcribe(self, sound: Any, *, max_tokens: int = 200) -> str:
        """What is said, greedily decoded.

        Args:
            sound: samples (n,) of one channel at 16 kHz, up to 30 seconds; an array or a tensor of floats.
            max_tokens: most tokens of the text.

        Raises:
            InputError: the model has no processor.
        """
        if self.processor is None:
            raise InputError(f"speech needs the vocabulary of {VOCABULARY:,} tokens, that of the package's processor")
        features = self.processor(sound, sampling_rate=RATE, return_tensors="pt").input_features
        states = self.model.encoder(features.to(self.device, self.dtype))
        ids = [BEGIN, PLAIN]
        for _ in range(max_tokens):
            logits = self(encoder_outputs=states, decoder_input_ids=torch.tensor([ids])).logits
            ids.append(int(logits[0, -1].argmax()))
            if ids[-1] == END:
                break
        text: str = self.processor.tokenizer.decode(ids, skip_special_tokens=True)
        return text.strip()


def whisper_config(config: WhisperConfig) -> transformers.WhisperConfig:
    """The same shape as transformers writes it."""
    whole = config.vocab_size == VOCABULARY
    return transformers.WhisperConfig(
        vocab_size=config.vocab_size,
        d_model=config.dim,
        encoder_layers=config.num_layers,
        decoder_layers=config.num_layers,
        encoder_attention_heads=config.num_heads,
        decoder_attention_heads=config.num_heads,
        encoder_ffn_dim=int(config.mlp_ratio * config.dim),
        decoder_ffn_dim=int(config.mlp_ratio * config.dim),
        num_mel_bins=config.mel_bins,
        max_source_positions=config.source_length,
        max_target_positions=config.max_length,
        decoder_start_token_id=BEGIN if whole else 1,
        bos_token_id=END if whole else 1,
        eos_token_id=END if whole else 1,
        pad_token_id=END if whole else 0,
        begin_suppress_tokens=None,
        attn_implementation=config.attention,
        use_cache=False,
    )


def example(config: WhisperConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """Random features, and random tokens (batch, up to 8) said so far."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, min(8, config.max_length))
    return {
        "input_features": torch.randn(batch_size, config.mel_bins, 2 * config.source_length, generator=generator),
        "decoder_input_ids": torch.randint(config.vocab_size, shape, generator=generator),
    }


def recording(path: str | Path) -> torch.Tensor:
    """Samples (n,) of a sound file, one channel at 16 kHz.

    Raises:
        InputError: it is no sound file that can be read.
    """
    soundfile = require("soundfile", needed_by="a sound file")
    try:
        samples, rate = soundfile.read(to_read(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{path} is no sound file that can be read: {error}") from error
    mono = torch.from_numpy(samples).mean(1)
    if rate == RATE:
        return mono
    count = round(len(mono) * RATE / rate)
    return torch.nn.functional.interpolate(mono[None, None], size=count, mode="linear")[0, 0]


def predict(model: Whisper, config: WhisperConfig, source: str) -> dict[str, Any]:
    """The text of a sound file, of its first 30 seconds."""
    return {"text": model.transcribe(recording(source)[: 30 * RATE].numpy())}
