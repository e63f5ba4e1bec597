"""The experts of two languages: adapters, gated attention to themselves and to each other, and the mix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.masks import padding_mask
from zoo_seq2seq.camel_asr.config import ExpertsConfig
from zoo_seq2seq.outputs import MappedOutput
from zoo_seq2seq.transformer_decoder import DecoderAttention


@dataclass(frozen=True, eq=False)
class ExpertsOutput(MappedOutput):
    """What the experts give; also a mapping of its fields.

    Args:
        states: (B, T, dim) H', the mix.
        english, mandarin: (B, T, dim) C_en and C_zh.
    """

    states: Tensor
    english: Tensor
    mandarin: Tensor


class Expert(nn.Module):
    """One language's adapter and gated attention."""

    def __init__(self, config: ExpertsConfig) -> None:
        super().__init__()
        dim, heads, dropout = config.dim, config.num_heads, config.dropout
        self.adapter_norm = nn.LayerNorm(dim)
        self.up, self.down = nn.Linear(dim, config.adapter_dim), nn.Linear(config.adapter_dim, dim)
        self.intra_norm = nn.LayerNorm(dim)
        self.intra = DecoderAttention(dim, heads, dropout=dropout)
        self.query_norm, self.other_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.inter = DecoderAttention(dim, heads, dropout=dropout)
        self.intra_gate, self.inter_gate = nn.Parameter(torch.empty(1)), nn.Parameter(torch.empty(1))
        self.drop = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Gates closed: training starts from the adapters alone."""
        nn.init.zeros_(self.intra_gate)
        nn.init.zeros_(self.inter_gate)

    def adapted(self, x: Tensor) -> Tensor:
        """A_l (B, T, dim)."""
        hidden = self.drop(self.up(self.adapter_norm(x)).relu())
        return x + self.drop(self.down(hidden))

    def forward(self, own: Tensor, other: Tensor, mask: Tensor | None) -> Tensor:
        """C_l (B, T, dim) of both adapters' outputs and real frames (B, T)."""
        attended = self.drop(self.intra(self.intra_norm(own), attn_mask=mask))
        x = own + self.intra_gate.tanh() * attended
        crossed = self.drop(self.inter(self.query_norm(x), self.other_norm(other), mask))
        return x + self.inter_gate.tanh() * crossed


class LanguageExperts(nn.Module):
    """Both experts see the same frames; expert 0 is English, 1 Mandarin."""

    def __init__(self, config: ExpertsConfig) -> None:
        super().__init__()
        self.config = config
        self.experts = nn.ModuleList((Expert(config), Expert(config)))
        if config.mix == "linear":
            self.mix = nn.Linear(2 * config.dim, config.dim)
        else:
            self.weights = nn.Parameter(torch.empty(2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """A weighted mix starts as the mean."""
        if self.config.mix == "weighted":
            nn.init.constant_(self.weights, 0.5)

    def adapted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A_en and A_zh (B, T, dim)."""
        english, mandarin = (expert.adapted(x) for expert in self.experts)  # type: ignore[operator]
        return english, mandarin

    def mixed(self, english: Tensor, mandarin: Tensor) -> Tensor:
        """H' of both streams."""
        if self.config.mix == "weighted":
            return self.weights[0] * english + self.weights[1] * mandarin
        found: Tensor = self.mix(torch.cat((english, mandarin), -1))
        return found

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> ExpertsOutput:
        """Let both experts work on the same frames.

        Args:
            x: (B, T, dim).
            attn_mask: boolean (B, T), True for real frames.

        Raises:
            InputError: states of another width.
            MaskError: a mask of another shape or type.
        """
        if x.ndim != 3 or x.shape[2] != self.config.dim:
            raise InputError(f"x of shape {tuple(x.shape)}; expected (batch, frames, {self.config.dim})")
        mask = padding_mask(attn_mask, batch=x.shape[0], keys=x.shape[1], mechanism="a pair of experts")
        adapted = self.adapted(x)
        english = self.experts[0](adapted[0], adapted[1], mask)
        mandarin = self.experts[1](adapted[1], adapted[0], mask)
        return ExpertsOutput(self.mixed(english, mandarin), english, mandarin)


def example(config: ExpertsConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Noise of 12 frames, of which the last example has nine."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.ones(batch_size, 12, dtype=torch.bool)
    mask[-1, 9:] = False
    return {"x": torch.randn(batch_size, 12, config.dim, generator=generator), "attn_mask": mask}
