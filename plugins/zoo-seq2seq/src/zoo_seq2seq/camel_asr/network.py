"""The whole recogniser, with the plugin's search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.tracing import readable
from zoo_seq2seq.camel_asr.branchformer import SHORTEST, EBranchformerLayer, Subsampling, subsampled
from zoo_seq2seq.camel_asr.config import FIRST, CamelConfig
from zoo_seq2seq.camel_asr.decoders import Decoder, LanguageBias
from zoo_seq2seq.camel_asr.experts import LanguageExperts
from zoo_seq2seq.decoding import START, Memory, Step
from zoo_seq2seq.log_mel import log_mel, utterance_normalised
from zoo_seq2seq.outputs import MappedOutput
from zoo_seq2seq.padding import require_ids


@dataclass(frozen=True, eq=False)
class CamelOutput(MappedOutput):
    """What the network gives; also a mapping of its fields.

    Args:
        logits: (B, U, vocab_size) of the token after each one.
        language_logits: (B, U, classes) of that token's language; without a language decoder (B, U, 0).
        ctc_logits, english_logits, mandarin_logits: (B, T', vocab_size) of H', C_en and C_zh; 0 is the blank.
        ctc_lengths: (B,) real frames of these.
    """

    logits: Tensor
    language_logits: Tensor
    ctc_logits: Tensor
    english_logits: Tensor
    mandarin_logits: Tensor
    ctc_lengths: Tensor


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the encoder gives: H', C_en and C_zh (B, T', dim), real frames (B, T') and how many (B,)."""

    states: Tensor
    english: Tensor
    mandarin: Tensor
    mask: Tensor
    lengths: Tensor


@dataclass(frozen=True, eq=False)
class Prefix:
    """A hypothesis so far: tokens (B, n), and predicted languages (B, n + 1) of these and of the next."""

    tokens: Tensor
    languages: Tensor


class CamelEncoder(nn.Module):
    """Subsampling, plain layers, and layers with experts."""

    def __init__(self, config: CamelConfig) -> None:
        super().__init__()
        self.config = config
        self.subsample = Subsampling(config.num_mels, config.dim, config.dropout)
        count = config.num_layers + config.num_moe_layers
        self.layers = nn.ModuleList(EBranchformerLayer(config) for _ in range(count))
        self.moe = nn.ModuleList(LanguageExperts(config.experts()) for _ in range(config.num_moe_layers))

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Encoded:
        """(B, T, mel) and real frames (B,), all by default.

        Raises:
            InputError: features of another width, or lengths that do not fit or are below 7.
        """
        lengths = subsampled(_lengths(features, lengths, self.config.num_mels))  # type: ignore[assignment]
        x = self.subsample(features)
        mask = torch.arange(x.shape[1], device=x.device) < lengths[:, None]  # type: ignore[index]
        english = mandarin = x
        for index, layer in enumerate(self.layers, -self.config.num_layers):
            x = layer(x, mask)
            if index >= 0:
                found = self.moe[index](x, mask)
                x, english, mandarin = found.states, found.english, found.mandarin
        return Encoded(x, english, mandarin, mask, lengths)  # type: ignore[arg-type]


class Camel(nn.Module):
    """Features and previous tokens to logits; 0 pads tokens behind, 2 starts and 3 ends them."""

    def __init__(self, config: CamelConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.dim, config.num_heads, config.decoder_hidden_dim)
        self.encoder = CamelEncoder(config)
        self.ctc, self.english_ctc, self.mandarin_ctc = (nn.Linear(config.dim, config.vocab_size) for _ in range(3))
        self.decoder = Decoder(config.vocab_size, *shape, config.decoder_layers, config.dropout)
        if config.ld_layers:
            self.ld_decoder = Decoder(config.num_language_classes, *shape, config.ld_layers, config.dropout)
            self.bias = LanguageBias(config.dim, config.num_heads, config.dropout)

    def forward(
        self,
        features: Tensor,
        input_ids: Tensor,
        lengths: Tensor | None = None,
        language_ids: Tensor | None = None,
    ) -> CamelOutput:
        """Teacher forcing.

        Args:
            features: (B, T, mel) log-mel filterbanks.
            input_ids: (B, U) previous tokens.
            lengths: (B,) real frames; all by default.
            language_ids: (B, U) classes of the previous tokens; those of the vocabulary's parts by default.

        Raises:
            InputError: see ``CamelEncoder.forward``; ids that there are not.
        """
        config = self.config
        require_ids(input_ids, config.vocab_size, "input_ids")
        if language_ids is None:
            language_ids = languages_of(input_ids, config)
        require_ids(language_ids, config.num_language_classes, "language_ids")
        if language_ids.shape != input_ids.shape:
            raise InputError(f"language_ids {tuple(language_ids.shape)} for input_ids {tuple(input_ids.shape)}")
        encoded = self.encoder(features, lengths)
        logits, languages = self.decode(input_ids, language_ids, encoded.states, encoded.mask)
        return CamelOutput(
            logits,
            languages,
            self.ctc(encoded.states),
            self.english_ctc(encoded.english),
            self.mandarin_ctc(encoded.mandarin),
            encoded.lengths,
        )

    def decode(
        self, input_ids: Tensor, language_ids: Tensor, memory: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, U, vocab_size) and (B, U, classes) of ids and languages (B, U)."""
        embedded = self.decoder.embedded(input_ids)
        languages = memory.new_zeros(*input_ids.shape, 0)
        if self.config.ld_layers:
            states = self.ld_decoder.states(self.ld_decoder.embedded(language_ids), memory, mask)
            languages = self.ld_decoder.classifier(states)
            embedded = self.bias(embedded, states)
        return self.decoder.classifier(self.decoder.states(embedded, memory, mask)), languages

    def encode(self, source_ids: Tensor, source_mask: Tensor | None = None) -> tuple[Memory, Prefix]:
        """For ``zoo_seq2seq.search``: features in the place of ids, and their mask (B, T), real frames first."""
        encoded = self.encoder(source_ids, None if source_mask is None else source_mask.sum(1))
        empty = torch.zeros(len(source_ids), 0, dtype=torch.long, device=source_ids.device)
        return Memory(encoded.states, encoded.mask), Prefix(empty, empty.new_zeros(len(empty), 1))

    def step(self, tokens: Tensor, memory: Memory, state: Prefix) -> Step:
        """One token more; the language decoder goes by its own predictions. The prefix is read anew each time."""
        prefix = torch.cat((state.tokens, tokens[:, None]), 1)
        logits, languages = self.decode(prefix, state.languages, memory.states, memory.mask)
        following = languages[:, -1:].argmax(-1) if self.config.ld_layers else torch.zeros_like(prefix[:, :1])
        state = Prefix(prefix, torch.cat((state.languages, following), 1))
        return Step(logits[:, -1], logits.new_zeros(memory.states.shape[:2]), state)

    def own_languages(self, memory: Tensor, mask: Tensor | None, count: int) -> Tensor:
        """(B, count) classes of previous tokens as the language decoder predicts them, class after class."""
        found = torch.zeros(len(memory), 1, dtype=torch.long, device=memory.device)
        while self.config.ld_layers and found.shape[1] < count:
            states = self.ld_decoder.states(self.ld_decoder.embedded(found), memory, mask)
            found = torch.cat((found, self.ld_decoder.classifier(states[:, -1:]).argmax(-1)), 1)
        return found[:, :count] if self.config.ld_layers else found.expand(-1, count)


def languages_of(ids: Tensor, config: CamelConfig) -> Tensor:
    """Classes of tokens: 0 of marks, 1 of English, 2 of Mandarin."""
    return (ids >= FIRST).long() + (ids >= FIRST + config.num_english).long()


def _lengths(features: Tensor, lengths: Tensor | None, num_mels: int) -> Tensor:
    if features.ndim != 3 or features.shape[2] != num_mels or features.shape[1] < SHORTEST:
        raise InputError(
            f"features of shape {tuple(features.shape)}; expected (batch, {SHORTEST} frames or more, {num_mels})"
        )
    if lengths is None:
        return torch.full(features.shape[:1], features.shape[1], device=features.device)
    if lengths.shape != features.shape[:1] or lengths.is_floating_point():
        raise InputError(
            f"lengths of shape {tuple(lengths.shape)} and type {lengths.dtype}; expected whole ({len(features)},)"
        )
    if not readable(lengths) or not lengths.numel():
        return lengths
    if not SHORTEST <= int(lengths.min()) <= int(lengths.max()) <= features.shape[1]:
        raise InputError(f"lengths {lengths.tolist()}; expected {SHORTEST} to {features.shape[1]} frames")
    return lengths


def preprocess(config: CamelConfig) -> Callable[[Any], dict[str, Tensor]]:
    """From a waveform (samples,) at the config's rate to the features of a batch of one, and a start token."""

    def prepared(waveform: Any) -> dict[str, Tensor]:
        features = log_mel(torch.as_tensor(waveform), config.analysis())
        return {"features": utterance_normalised(features)[None], "input_ids": torch.tensor([[START]])}

    return prepared


def example(config: CamelConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Noise of 40 frames, 31 in the last example, and five tokens."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.full((batch_size,), 40)
    lengths[-1] = 31
    return {
        "features": torch.randn(batch_size, 40, config.num_mels, generator=generator),
        "input_ids": torch.randint(2, config.vocab_size, (batch_size, 5), generator=generator),
        "lengths": lengths,
    }


def paper_input(config: CamelConfig) -> dict[str, Tensor]:
    """Fifteen seconds of speech and 40 tokens."""
    return {"features": torch.zeros(1, 1500, config.num_mels), "input_ids": torch.full((1, 40), FIRST)}
