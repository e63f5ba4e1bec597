"""The encoder: subsampling, layers, CTC in the middle and what it compresses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.tracing import readable
from zoo_seq2seq.confhyena.config import ConfHyenaConfig
from zoo_seq2seq.confhyena.conformer import ConformerLayer


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the encoder gives.

    Args:
        states: (B, T'', dim) after the last layer.
        mask: (B, T'') real frames.
        ctc_logits: (B, T', labels) of the frames before compression.
        ctc_lengths: (B,) of these.
    """

    states: Tensor
    mask: Tensor
    ctc_logits: Tensor
    ctc_lengths: Tensor


class Subsampling(nn.Module):
    """Strided convolutions with gates."""

    def __init__(self, config: ConfHyenaConfig) -> None:
        super().__init__()
        self.stride = config.subsample_stride
        last = len(config.subsample_kernels) - 1
        self.conv_layers = nn.ModuleList(
            nn.Conv1d(
                config.num_mels if index == 0 else config.subsample_dim // 2,
                2 * config.dim if index == last else config.subsample_dim,
                kernel,
                stride=self.stride,
                padding=kernel // 2,
            )
            for index, kernel in enumerate(config.subsample_kernels)
        )

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, mel) and lengths to (B, T', dim) and theirs."""
        x = features.mT
        for layer in self.conv_layers:
            x = functional.glu(layer(x), 1)
            lengths = torch.div(lengths - 1, self.stride, rounding_mode="floor") + 1
            x = x * (torch.arange(x.shape[-1], device=x.device) < lengths[:, None])[:, None]
        return x.mT, lengths


def compressed(x: Tensor, mask: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Frames of equal labels in a row as one, their mean.

    Args:
        x: (B, T, dim).
        mask: (B, T) real frames, first.
        labels: (B, T) whole numbers.

    Returns:
        (B, T'', dim), zero at padding, and its mask.
    """
    new = torch.ones_like(mask)
    new[:, 1:] = labels[:, 1:] != labels[:, :-1]
    runs = (new & mask).cumsum(1) - 1
    lengths = (new & mask).sum(1)
    # How many labels there are is in the numbers; where there are none (operations are counted), all frames are kept.
    longest = x.shape[1] if not readable(lengths) else int(lengths.max()) if lengths.numel() else 0
    index = runs.clamp(min=0)
    sums = x.new_zeros(x.shape[0], max(longest, 1), x.shape[2])
    sums = sums.scatter_add(1, index[..., None].expand_as(x), x.masked_fill(~mask[..., None], 0.0))
    counts = x.new_zeros(sums.shape[:2]).scatter_add(1, index, mask.to(x.dtype))
    found = sums / counts.clamp(min=1)[..., None]
    return found, torch.arange(found.shape[1], device=x.device) < lengths[:, None]


class ConfHyenaEncoder(nn.Module):
    """Features to states."""

    def __init__(self, config: ConfHyenaConfig) -> None:
        super().__init__()
        self.config = config
        self.subsample = Subsampling(config)
        self.layers = nn.ModuleList(
            ConformerLayer(
                config,
                hyena=config.mixing == "hyena" or (config.mixing == "hybrid" and index < config.ctc_layer),
            )
            for index in range(config.num_layers)
        )
        self.ctc_fc = nn.Linear(config.dim, config.ctc_vocab_size)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Encode.

        Args:
            features: (B, T, mel) log-mel filterbanks, normalised per utterance; 0 behind a length, or else the first
                convolution sees what stands there.
            lengths: (B,) real frames; all by default.

        Raises:
            InputError: features of another width, or lengths that do not fit.
        """
        config = self.config
        if features.ndim != 3 or features.shape[2] != config.num_mels:
            raise InputError(f"features of shape {tuple(features.shape)}; expected (batch, frames, {config.num_mels})")
        lengths = _lengths(features, lengths)
        x, lengths = self.subsample(features, lengths)
        x = self.drop(x * math.sqrt(config.dim) if config.scale_embedding else x)
        mask = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        logits = x
        for index, layer in enumerate(self.layers, 1):
            x = layer(x, mask)
            if index == config.ctc_layer:
                logits = self.ctc_fc(x)
                if config.compress:
                    x, mask = compressed(x, mask, logits.argmax(-1))
        return Encoded(x, mask, logits, lengths)


def _lengths(features: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return torch.full(features.shape[:1], features.shape[1], device=features.device)
    if lengths.shape != features.shape[:1]:
        raise InputError(f"lengths of shape {tuple(lengths.shape)} for {features.shape[0]} utterances")
    if readable(lengths) and lengths.numel() and not 1 <= int(lengths.min()) <= int(lengths.max()) <= features.shape[1]:
        raise InputError(f"lengths {lengths.tolist()} of {features.shape[1]} frames; expected 1 to {features.shape[1]}")
    return lengths
