"""The two networks: clips to logits, at once or in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo.nn.drop_path import linear_rates
from zoo_activity.spikmamba.blocks import Block, SpikingPatches, TwoWayBlock
from zoo_activity.spikmamba.config import SpikMambaConfig, SpikMambaSSMConfig
from zoo_activity.spikmamba.mamba import MambaLayer


@dataclass(frozen=True)
class ClipState:
    """What frames that were read leave behind.

    Args:
        frames: how many they are.
        membranes: of the patches' neurons and of each block's.
        memory: of the tokens of those frames what the head needs.
    """

    frames: int
    membranes: tuple[Tensor, ...]
    memory: Tensor


class Stage(nn.Module):
    """Blocks, under the name they have in checkpoints."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)


class SpikMamba(nn.Module):
    """Clips (B, channels, T, H, W) to logits (B, num_classes)."""

    def __init__(self, config: SpikMambaConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = SpikingPatches(config)
        # Nothing reads cls_token, or the position of it, which comes first: checkpoints have both.
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.dim))
        self.pos_embed = nn.Parameter(torch.empty(1, config.num_tokens + 1, config.dim))
        self.temporal_pos_embedding = nn.Parameter(torch.empty(1, config.num_frames, config.dim))
        self.pos_drop = nn.Dropout(config.dropout)
        rates = linear_rates(config.drop_path, config.depth)
        self.layers = nn.ModuleList([Stage([self.block(rate) for rate in rates])])
        self.head = nn.Linear(config.dim, config.num_classes)
        for embedding in (self.cls_token, self.pos_embed, self.temporal_pos_embedding):
            nn.init.trunc_normal_(embedding, std=0.02)

    def block(self, drop_path: float) -> Block:
        """One block of this network."""
        return Block(self.config, drop_path)

    @property
    def blocks(self) -> list[Block]:
        """The blocks in order."""
        return cast(list[Block], list(self.layers[0].get_submodule("blocks").children()))

    def remember(self, tokens: Tensor, memory: Tensor | None) -> Tensor:
        """The memory (B, C) after tokens (B, t N, C): their sum."""
        total = tokens.sum(1)
        return total if memory is None else memory + total

    def classify(self, memory: Tensor, frames: int) -> Tensor:
        """Logits of the mean over the tokens of the frames read."""
        return self.head(memory / (frames * self.config.num_tokens))

    def require_pieces(self) -> None:
        """Raise InputError where pieces of a clip cannot give what the whole gives."""

    def advance(self, video: Tensor, state: ClipState | None = None) -> tuple[Tensor, ClipState]:
        """Read on in clips.

        Args:
            video: (B, channels, t, H, W) the next frames.
            state: what the frames before left; None begins, with membranes at rest.

        Returns:
            Logits (B, num_classes) of all frames read so far, and the state. After the last of ``num_frames`` frames
            the logits are those of one call with all of them.

        Raises:
            InputError: frames of another shape, or more than are left; pieces where ``lif_axis=leading`` runs one
                membrane through several clips.
        """
        config, done = self.config, 0 if state is None else state.frames
        shape = (config.in_channels, config.image_size, config.image_size)
        if video.ndim != 5 or (video.shape[1], *video.shape[3:]) != shape:
            raise InputError(f"video {list(video.shape)}; expected (batch, {shape[0]}, frames, {shape[1]}, {shape[2]})")
        batch, frames = video.shape[0], video.shape[2]
        if not 1 <= frames <= config.num_frames - done:
            raise InputError(f"{frames} frames after {done}; expected 1 to {config.num_frames - done} more")
        if done or frames < config.num_frames:
            if config.lif_axis == "leading" and batch > 1:
                raise InputError(
                    f"lif_axis=leading runs one membrane through {batch} clips, one after the other, which cannot be "
                    "read in pieces; give one clip, or use lif_axis=time"
                )
            self.require_pieces()
        before = (None,) * (config.depth + 1) if state is None else state.membranes
        tokens, patches = self.patch_embed(video, before[0])
        time = self.temporal_pos_embedding[:, done : done + frames, None]
        tokens = tokens.unflatten(0, (batch, frames)) + self.pos_embed[:, None, 1:] + time
        tokens, membranes = self.pos_drop(tokens).flatten(0, 1), [patches]
        for block, membrane in zip(self.blocks, before[1:], strict=True):
            tokens, left = block(tokens, frames, membrane)
            membranes.append(left)
        tokens = tokens.unflatten(0, (batch, frames)).flatten(1, 2)
        memory = self.remember(tokens, None if state is None else state.memory)
        after = ClipState(done + frames, tuple(membranes), memory)
        return self.classify(memory, after.frames), after

    def forward(self, video: Tensor) -> Tensor:
        """Classify whole clips, from membranes at rest.

        Raises:
            InputError: clips of another shape than the weights are for.
        """
        if video.ndim == 5 and video.shape[2] != self.config.num_frames:
            raise InputError(f"clips of {video.shape[2]} frames; expected {self.config.num_frames}, or use advance()")
        return self.advance(video)[0]


class SpikMambaSSM(SpikMamba):
    """The network whose blocks attend both ways, with a bidirectional Mamba before the classifier."""

    config: SpikMambaSSMConfig

    def __init__(self, config: SpikMambaSSMConfig) -> None:
        super().__init__(config)
        self.mamba_layers = nn.ModuleList(MambaLayer(config) for _ in range(config.mamba_layers))
        self.norm_f = nn.RMSNorm(config.dim, eps=config.rms_eps)

    def block(self, drop_path: float) -> Block:
        """One block of this network."""
        return TwoWayBlock(self.config, drop_path)

    def remember(self, tokens: Tensor, memory: Tensor | None) -> Tensor:
        """The memory (B, frames * N, C): all tokens, since Mamba reads them backwards too."""
        return tokens if memory is None else torch.cat((memory, tokens), 1)

    def classify(self, memory: Tensor, frames: int) -> Tensor:
        """Logits of the mean over the tokens of the frames read, after Mamba."""
        for layer in self.mamba_layers:
            memory = layer(memory)
        return self.head(self.norm_f(memory).mean(1))

    def require_pieces(self) -> None:
        """Raise InputError where the second way begins with what the first one ends with."""
        if self.config.carry_membrane and self.config.depth:
            raise InputError(
                "carry_membrane=true starts the second way from the membranes of the last frame, which a piece of a "
                "clip does not have; use carry_membrane=false"
            )


def example(config: SpikMambaConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Clips of random events, one pixel in five."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch_size, config.in_channels, config.num_frames, config.image_size, config.image_size)
    return {"video": (torch.rand(shape, generator=generator) < 0.2).float()}


def paper_input(config: SpikMambaConfig) -> dict[str, Tensor]:
    """One clip."""
    return example(config, batch_size=1)
