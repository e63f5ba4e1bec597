"""Proposals, groups of queries, and their refinement."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.nn.mlp import MLP
from zoo.nn.precision import unrounded
from zoo_pose.group_pose.config import GroupPoseConfig
from zoo_pose.group_pose.deformable import DeformableAttention, Sizes
from zoo_pose.group_pose.encoder import Memory
from zoo_pose.queries import QueryAttention
from zoo_pose.sines import point_sines


def logit(x: Tensor) -> Tensor:
    """ln(x / (1 - x)) of x cut to [0, 1], both parts at least 1e-3."""
    x = x.clamp(0, 1)
    return (x.clamp(min=1e-3) / (1 - x).clamp(min=1e-3)).log()


class Layers(nn.Module):
    """Linear maps with ReLU between them, of the widths given."""

    def __init__(self, *widths: int, zero: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        if zero:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., first width) to (..., last width)."""
        for index, layer in enumerate(self.layers):
            x = layer(x).relu() if index < len(self.layers) - 1 else layer(x)
        return x


def class_head(dim: int, classes: int) -> nn.Linear:
    """Logits of classes, each a rare one at first: bias -ln 99."""
    head = nn.Linear(dim, classes)
    nn.init.constant_(head.bias, -4.59511985013459)
    return head


class DecoderLayer(nn.Module):
    """Attention within instances, across them, and to the memory; then feed-forward."""

    def __init__(self, config: GroupPoseConfig) -> None:
        super().__init__()
        dim, heads = config.dim, config.num_heads
        self.inplace_positions = config.inplace_positions
        self.within_attn, self.across_attn = QueryAttention(dim, heads), QueryAttention(dim, heads)
        self.cross_attn = DeformableAttention(dim, heads, config.num_levels, config.decoder_points)
        self.ffn = MLP(dim, config.hidden_dim, activation="relu", dropout=config.dropout)
        self.within_norm, self.across_norm, self.norm1, self.norm2 = (nn.LayerNorm(dim) for _ in range(4))
        self.drop = nn.Dropout(config.dropout)

    def within(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Step 1: (batch, N, K + 1, dim), and the input as the authors' code leaves it, positions added or not."""
        asked = _placed(x, positions)
        kept = asked if self.inplace_positions else x
        found = self.within_attn(asked.flatten(0, 1), kept.flatten(0, 1)).view(x.shape)
        return self.within_norm(kept + self.drop(found)), kept

    def across(self, x: Tensor) -> Tensor:
        """Step 2: (batch, N, K + 1, dim), each type of query over the instances."""
        turned = x.transpose(1, 2)
        flat = turned.flatten(0, 1)
        found = self.across_attn(flat, flat).view(turned.shape).transpose(1, 2)
        return self.across_norm(x + self.drop(found))

    def forward(
        self, x: Tensor, positions: Tensor, references: Tensor, memory: Tensor, padded: Tensor, sizes: Sizes
    ) -> tuple[Tensor, Tensor]:
        """All steps.

        Args:
            x: (batch, N, K + 1, dim), the instance query first.
            positions: (batch, N, K, dim), of the keypoint queries.
            references: (batch, N, K + 1, levels, 2), valid shares multiplied in.
            memory, padded, sizes: see ``DeformableAttention``.

        Returns:
            (batch, N, K + 1, dim), and ``x`` as the authors' code leaves it.
        """
        y, kept = self.within(x, positions)
        y = self.across(y)
        asked = _placed(y, positions)
        found = self.cross_attn(asked.flatten(1, 2), references.flatten(1, 2), memory, padded, sizes).view(y.shape)
        y = self.norm1((asked if self.inplace_positions else y) + self.drop(found))
        return self.norm2(y + self.ffn(y)), kept


def _placed(x: Tensor, positions: Tensor) -> Tensor:
    """Positions added to the keypoint queries; the instance query, which is first, has none."""
    return x + functional.pad(positions, (0, 0, 1, 0))


@dataclass
class Decoded:
    """What every stage says.

    Args:
        logits: (batch, layers, N, classes).
        poses: (batch, layers, N, K, 2).
        first_logits: (batch, N, classes) of the proposals that were chosen.
        first_poses: (batch, N, K, 2) of these.
    """

    logits: Tensor
    poses: Tensor
    first_logits: Tensor
    first_poses: Tensor


class Decoder(nn.Module):
    """From an encoded memory to instances."""

    def __init__(self, config: GroupPoseConfig) -> None:
        super().__init__()
        self.config = config
        dim, keypoints, classes = config.dim, config.num_keypoints, config.num_classes
        self.enc_output, self.enc_output_norm = nn.Linear(dim, dim), nn.LayerNorm(dim)
        self.enc_class = class_head(dim, classes)
        self.enc_pose = Layers(dim, 2 * dim, 2 * dim, 2 * dim, 2 * keypoints, zero=True)
        self.keypoint_embedding = nn.Parameter(torch.empty(keypoints, dim))
        self.instance_embedding = nn.Parameter(torch.empty(1, dim))
        self.point_head = Layers(dim, dim, dim)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.class_embed = nn.ModuleList(class_head(dim, classes) for _ in self.layers)
        self.pose_embed = nn.ModuleList(Layers(dim, dim, dim, 2, zero=True) for _ in self.layers)
        nn.init.normal_(self.keypoint_embedding)
        nn.init.normal_(self.instance_embedding)

    def propose(self, memory: Memory, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The N best proposals: their memory (batch, N, dim), logits (batch, N, classes), poses (batch, N, K, 2).

        A position whose box, of side 0.05 * 2^level around its centre, leaves (0.01, 0.99), or that is padded, is
        dropped: its memory is 0, and should it be chosen nevertheless, its keypoints are 1.
        """
        side = torch.cat(
            [at.new_full((height * width, 1), 0.05 * 2**level) for level, (height, width) in enumerate(memory.sizes)]
        )
        whole = torch.cat((at, side.expand(at.shape[0], -1, 2)), -1)
        dropped = memory.padded | ~((whole > 0.01) & (whole < 0.99)).all(-1)
        tokens = self.enc_output_norm(self.enc_output(memory.tokens.masked_fill(dropped[..., None], 0.0)))
        logits = self.enc_class(tokens)
        count = min(self.config.num_queries, tokens.shape[1])
        best = logits.amax(-1).topk(count, dim=1).indices
        if count < self.config.num_queries:
            # A picture with fewer positions than instances: the first ones serve more than once.
            best = best[:, torch.arange(self.config.num_queries, device=best.device) % count]

        def chosen(values: Tensor) -> Tensor:
            return values.gather(1, best[..., None].expand(-1, -1, values.shape[-1]))

        middle = torch.where(dropped[..., None], 0.5, at)
        start = (middle / (1 - middle)).log().masked_fill(dropped[..., None], torch.inf)
        tokens = chosen(tokens)
        offsets = self.enc_pose(tokens).unflatten(-1, (-1, 2))
        return tokens, chosen(logits), (offsets + chosen(start)[:, :, None]).sigmoid()

    def settled(self, x: Tensor) -> Tensor:
        """Detached in training, as between the authors' stages; else gradients are whole."""
        return x.detach() if self.training else x

    def forward(self, memory: Memory, at: Tensor) -> Decoded:
        """Propose, then refine layer by layer."""
        with unrounded(at):
            tokens, first_logits, first_poses = self.propose(memory, at)
        pose = self.settled(first_poses)
        keypoints = self.keypoint_embedding + self.settled(tokens)[:, :, None]
        x = torch.cat((self.instance_embedding.expand(*tokens.shape[:2], 1, -1), keypoints), 2)
        stages: list[tuple[Tensor, Tensor]] = []
        for index, layer in enumerate(self.layers):
            points = torch.cat((pose.mean(2, keepdim=True), pose), 2)
            shares = memory.valid[:, None, None]
            sines = point_sines(points * shares[:, :, :, 0], self.config.dim // 2, y_first=True).to(x.dtype)
            positions = self.point_head(sines)[:, :, 1:]
            references = points[:, :, :, None] * shares
            x, kept = layer(x, positions, references, memory.tokens, memory.padded, memory.sizes)
            if stages:
                # The auxiliary heads of the layer before read what this one made of its output.
                stages[-1] = (kept, stages[-1][1])
            before = logit(pose)
            stages.append((x, before))
            pose = self.settled((before + self.pose_embed[index](x[:, :, 1:])).sigmoid())
        logits = [head(queries[:, :, 0]) for head, (queries, _) in zip(self.class_embed, stages, strict=True)]
        poses = [
            (before + head(queries[:, :, 1:])).sigmoid()
            for head, (queries, before) in zip(self.pose_embed, stages, strict=True)
        ]
        return Decoded(torch.stack(logits, 1), torch.stack(poses, 1), first_logits, first_poses)
