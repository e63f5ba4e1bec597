"""The network: next pitch and next duration of a melody."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_seq2seq.outputs import MappedOutput
from zoo_seq2seq.padding import require_ids
from zoo_seq2seq.ripo_transformer.attention import LinearAttention, RipoAttention, Table
from zoo_seq2seq.ripo_transformer.config import RipoConfig
from zoo_seq2seq.ripo_transformer.embedding import FundamentalMusicEmbedding, frequencies, waves
from zoo_seq2seq.ripo_transformer.intervals import (
    BEAT,
    FIRST_PITCH,
    LONGEST,
    PADDING,
    PITCH_TOKENS,
    Intervals,
    intervals,
)

INDEX_BASE, BAR = 10_000.0, 4.0


@dataclass(frozen=True, eq=False)
class MelodyOutput(MappedOutput):
    """What the network gives; also a mapping of its fields.

    Args:
        pitch_logits: (B, L, num_pitches) of the note after each.
        duration_logits: (B, L, num_durations).
    """

    pitch_logits: Tensor
    duration_logits: Tensor


class OneHot(nn.Module):
    """A token as a vector of one 1."""

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, ids: Tensor) -> Tensor:
        """Whole numbers (..., tokens) of ids (...)."""
        return nn.functional.one_hot(ids, self.tokens)


class RipoLayer(nn.Module):
    """Attention and feed-forward; the first norm is used twice, before and after attention."""

    def __init__(self, config: RipoConfig) -> None:
        super().__init__()
        self.mask_keys = config.mask_keys
        self.self_attn: nn.Module = (
            LinearAttention(config.dim, config.num_heads, config.dropout)
            if config.attention == "linear"
            else RipoAttention(config.ripo())
        )
        self.linear1 = nn.Linear(config.dim, config.hidden_dim)
        self.linear2 = nn.Linear(config.hidden_dim, config.dim)
        self.norm1 = nn.LayerNorm(config.dim)
        self.norm2 = nn.LayerNorm(config.dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, pitch: Tensor | Table | None, onset: Tensor | Table | None, real: Tensor) -> Tensor:
        """x (B, L, dim), what is relative (B, L, L, dim) or in tables, notes (B, L)."""
        if isinstance(self.self_attn, LinearAttention):
            attended = self.self_attn(self.norm1(x), real)
        else:
            masks = {"attn_mask": real} if self.mask_keys else {"seeing": real}
            attended = self.self_attn(self.norm1(x), pitch, onset, **masks)
        x = self.norm1(x + self.drop(attended))
        hidden = self.drop(self.linear1(x).relu())
        found: Tensor = self.norm2(x + self.drop(self.linear2(hidden)))
        return found


class RipoTransformer(nn.Module):
    """Tokens of pitches and durations to logits of the next ones."""

    onset_angles: Tensor
    index_angles: Tensor

    def __init__(self, config: RipoConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.pitch_embedding, self.dur_embedding = self._embeddings()
        numbers = config.embedding == "fme"
        self.pitch_embedding_supplement = nn.Embedding(FIRST_PITCH, dim) if numbers else None
        self.dur_embedding_supplement = nn.Embedding(1, dim) if numbers else None
        self.relative_pitch_embedding_supplement = nn.Embedding(1, dim) if config.relative_pitch else None
        self.pitch_senn = nn.Linear(dim, dim) if config.relative_pitch and config.project_pitch else None
        self.dur_senn = nn.Linear(dim, dim) if config.relative_onset and config.project_duration else None
        widths = PITCH_TOKENS + LONGEST + 1 if config.embedding == "one-hot" else 2 * dim
        self.fusion = nn.Linear(widths, dim)
        self.layers = nn.ModuleList(RipoLayer(config) for _ in range(config.num_layers))
        self.pitch_ffn = nn.Linear(dim, config.num_pitches)
        self.dur_ffn = nn.Linear(dim, config.num_durations)
        self.drop = nn.Dropout(config.dropout)
        self.register_buffer("onset_angles", frequencies(dim, config.onset_base), persistent=False)
        self.register_buffer("index_angles", frequencies(dim, INDEX_BASE), persistent=False)
        self.reset_parameters()

    def _embeddings(self) -> tuple[nn.Module, nn.Module]:
        """Of pitches and of durations."""
        config = self.config
        if config.embedding == "fme":
            return FundamentalMusicEmbedding(config.pitch()), FundamentalMusicEmbedding(config.duration())
        kind = OneHot if config.embedding == "one-hot" else nn.Embedding
        return kind(PITCH_TOKENS, config.dim), kind(LONGEST + 1, config.dim)

    def reset_parameters(self) -> None:
        """Outputs uniform within 0.1, without bias."""
        for layer in (self.pitch_ffn, self.dur_ffn):
            nn.init.uniform_(layer.weight, -0.1, 0.1)
            nn.init.zeros_(layer.bias)

    def forward(self, pitch_ids: Tensor, duration_ids: Tensor, relative: Intervals | None = None) -> MelodyOutput:
        """Predict.

        Args:
            pitch_ids: (B, L), 0 for padding, which lies behind; see ``intervals``.
            duration_ids: (B, L).
            relative: what notes are to each other; derived from the tokens by default.

        Raises:
            InputError: tokens that there are not, two shapes, or more notes than ``max_length``.
        """
        require_ids(pitch_ids, PITCH_TOKENS, "pitch_ids")
        require_ids(duration_ids, LONGEST + 1, "duration_ids")
        if pitch_ids.shape != duration_ids.shape:
            raise InputError(f"{tuple(pitch_ids.shape)} pitches, {tuple(duration_ids.shape)} durations")
        # Few values occur in what is derived here: they are embedded once each. How far onsets reach is read back,
        # which neither compilers nor the meta device can do.
        few = relative is None and not (torch.compiler.is_compiling() or pitch_ids.is_meta) and pitch_ids.numel() > 0
        relative = intervals(pitch_ids, duration_ids) if relative is None else relative
        x = self.drop(self._embedded(pitch_ids, duration_ids, relative.onsets))
        pitch, onset = self._relative_pitch(relative, few), self._relative_onset(relative, few)
        for layer in self.layers:
            x = layer(x, pitch, onset, pitch_ids != PADDING)
        return MelodyOutput(self.pitch_ffn(x), self.dur_ffn(x))

    def _embedded(self, pitch_ids: Tensor, duration_ids: Tensor, onsets: Tensor) -> Tensor:
        config = self.config
        lengths = duration_ids / BEAT if config.duration_in_beats and config.embedding == "fme" else duration_ids
        pitch, duration = self.pitch_embedding(pitch_ids), self.dur_embedding(lengths)
        if self.pitch_embedding_supplement is not None and self.dur_embedding_supplement is not None:
            special = self.pitch_embedding_supplement(pitch_ids.clamp(max=FIRST_PITCH - 1))
            pitch = torch.where((pitch_ids < FIRST_PITCH)[..., None], special, pitch)
            none = self.dur_embedding_supplement(torch.zeros_like(duration_ids))
            duration = torch.where((duration_ids == PADDING)[..., None], none, duration)
        both = torch.cat((pitch, duration), -1).to(self.fusion.weight.dtype)
        x = self.fusion(both) * math.sqrt(config.dim)
        if config.add_index:
            x = x + waves(torch.arange(x.shape[1], device=x.device), self.index_angles)
        if config.add_onset:
            x = x + waves(onsets, self.onset_angles)
        if config.add_beat:
            x = x + waves(onsets % BAR, self.onset_angles)
        return x

    def _relative_pitch(self, relative: Intervals, few: bool) -> Tensor | Table | None:
        """rp (B, L, L, dim), or as a table: all intervals, and the vector of none behind."""
        if self.relative_pitch_embedding_supplement is None:
            return None
        none = self.relative_pitch_embedding_supplement.weight
        if few:
            widest = PITCH_TOKENS - FIRST_PITCH - 1
            numbers = torch.arange(-widest, widest + 1, device=none.device)
            index = torch.where(relative.no_pitch, len(numbers), relative.pitch + widest)
            values = torch.cat((self.pitch_embedding.intervals(numbers), none))  # type: ignore[operator]
            return Table(values if self.pitch_senn is None else self.pitch_senn(values), index)
        between = self.pitch_embedding.intervals(relative.pitch)  # type: ignore[operator]
        found = torch.where(relative.no_pitch[..., None], none[0], between)
        return found if self.pitch_senn is None else self.pitch_senn(found)

    def _relative_onset(self, relative: Intervals, few: bool) -> Tensor | Table | None:
        """rd (B, L, L, dim), or as a table of all multiples of a quarter beat that occur."""
        if not self.config.relative_onset:
            return None
        beats, index = relative.onset, None
        if few:
            steps = (relative.onset * BEAT).round().long()
            widest = int(steps.max())
            beats, index = torch.arange(-widest, widest + 1, device=steps.device) / BEAT, steps + widest
        found: Tensor = self.dur_embedding.intervals(beats)  # type: ignore[operator]
        found = found if self.dur_senn is None else self.dur_senn(found)
        return found if index is None else Table(found, index)


def example(config: RipoConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random melodies of seven notes."""
    generator = torch.Generator().manual_seed(seed)
    length = min(7, config.max_length)
    return {
        "pitch_ids": torch.randint(1, 90, (batch_size, length), generator=generator),
        "duration_ids": torch.randint(1, LONGEST + 1, (batch_size, length), generator=generator),
    }


def paper_input(config: RipoConfig) -> dict[str, Tensor]:
    """245 notes."""
    length = min(245, config.max_length)
    return {
        "pitch_ids": torch.full((1, length), 63),
        "duration_ids": torch.full((1, length), BEAT),
    }
