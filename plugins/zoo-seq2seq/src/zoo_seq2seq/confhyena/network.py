"""The whole network, with the plugin's search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo_seq2seq.confhyena.config import ConfHyenaConfig
from zoo_seq2seq.confhyena.encoder import ConfHyenaEncoder
from zoo_seq2seq.decoding import Memory, Step
from zoo_seq2seq.log_mel import log_mel, utterance_normalised
from zoo_seq2seq.outputs import MappedOutput
from zoo_seq2seq.padding import require_ids
from zoo_seq2seq.transformer_decoder import TransformerDecoder


@dataclass(frozen=True, eq=False)
class SpeechOutput(MappedOutput):
    """What the network gives; also a mapping of its fields.

    Args:
        logits: (B, U, vocab_size).
        ctc_logits: (B, time, labels); torch's CTC loss takes them as (time, B, labels).
        ctc_lengths: (B,) frames of these.
    """

    logits: Tensor
    ctc_logits: Tensor
    ctc_lengths: Tensor


@dataclass(frozen=True, eq=False)
class Prefix:
    """A hypothesis so far, (B, n)."""

    tokens: Tensor


class ConfHyena(nn.Module):
    """Features and previous tokens to logits; 1 pads tokens."""

    def __init__(self, config: ConfHyenaConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ConfHyenaEncoder(config)
        self.decoder = TransformerDecoder(
            config.vocab_size,
            config.dim,
            config.num_heads,
            config.decoder_hidden_dim,
            config.decoder_layers,
            config.dropout,
        )

    def forward(self, features: Tensor, input_ids: Tensor, lengths: Tensor | None = None) -> SpeechOutput:
        """Teacher forcing.

        Args:
            features: (B, T, mel).
            input_ids: (B, U) previous tokens, padded behind with 1.
            lengths: (B,) real frames.

        Raises:
            InputError: see ``ConfHyenaEncoder.forward``; ids that the vocabulary does not have.
        """
        require_ids(input_ids, self.config.vocab_size, "input_ids")
        encoded = self.encoder(_without_padding(features, lengths), lengths)
        logits = self.decoder(input_ids, encoded.states, encoded.mask)
        return SpeechOutput(logits, encoded.ctc_logits, encoded.ctc_lengths)

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Memory, Prefix]:
        """For ``zoo_seq2seq.search``: features in the place of ids, and their mask (B, T)."""
        lengths = None if source_mask is None else source_mask.sum(1)
        encoded = self.encoder(_without_padding(source_ids, lengths), lengths)
        empty = torch.zeros(len(source_ids), 0, dtype=torch.long, device=source_ids.device)
        return Memory(encoded.states, encoded.mask), Prefix(empty)

    def step(self, tokens: Tensor, memory: Memory, state: Prefix) -> Step:
        """One token more; the prefix is read anew each time. The plugin's padding, 0, never follows anything."""
        prefix = torch.cat((state.tokens, tokens[:, None]), 1)
        logits = self.decoder(prefix, memory.states, memory.mask)[:, -1]
        return Step(logits, logits.new_zeros(memory.states.shape[:2]), Prefix(prefix))


def _without_padding(features: Tensor, lengths: Tensor | None) -> Tensor:
    """Features that are 0 behind their lengths."""
    if lengths is None or features.ndim != 3 or lengths.shape != features.shape[:1]:
        return features
    return features.masked_fill(
        (torch.arange(features.shape[1], device=features.device) >= lengths[:, None])[..., None], 0
    )


def preprocess(config: ConfHyenaConfig) -> Callable[[Any], dict[str, Tensor]]:
    """From a waveform (samples,) at the config's rate to the features of a batch of one, and a start token (2)."""

    def prepared(waveform: Any) -> dict[str, Tensor]:
        features = log_mel(torch.as_tensor(waveform), config.analysis())
        return {"features": utterance_normalised(features)[None], "input_ids": torch.tensor([[2]])}

    return prepared


def example(config: ConfHyenaConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Noise of 40 frames and five tokens."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "features": torch.randn(batch_size, 40, config.num_mels, generator=generator),
        "input_ids": torch.randint(2, max(config.vocab_size, 3), (batch_size, 5), generator=generator),
    }


def paper_input(config: ConfHyenaConfig) -> dict[str, Tensor]:
    """Fifteen seconds of speech and 40 tokens."""
    return {
        "features": torch.zeros(1, 1500, config.num_mels),
        "input_ids": torch.full((1, 40), min(2, config.vocab_size - 1)),
    }
