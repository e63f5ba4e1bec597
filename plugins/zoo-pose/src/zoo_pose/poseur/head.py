"""The head: from maps of one width to keypoints, spreads and scores of every stage, and their loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_pose.flows import NormedLinear, RealNVP, likelihood_loss
from zoo_pose.poseur.config import PoseurConfig
from zoo_pose.poseur.decoder import DecoderLayer, branch, logit
from zoo_pose.sines import map_sines, point_sines

# Variance of the noise of references, and the ranges it and they are cut to.
_NOISE, _MOST, _RANGE = 0.2, 1.0, (-0.7, 1.7)


@dataclass
class Pose:
    """Keypoints of crops, in parts of the crop.

    Args:
        coord: (batch, joints, 2), x and y, 0 to 1 inside.
        sigma: (batch, joints, 2), spread of each, 0 to 1.
        score: (batch, joints, 1): mean over x and y of 1 - sigma.
        coords, sigmas: (batch, layers, joints, 2) of every decoder layer; the last are ``coord`` and ``sigma``.
        coarse_coord, coarse_sigma: (batch, joints, 2), the first guess.
    """

    coord: Tensor
    sigma: Tensor
    score: Tensor
    coords: Tensor
    sigmas: Tensor
    coarse_coord: Tensor
    coarse_sigma: Tensor


# What torch.export is to give back it has to know.
torch.export.register_dataclass(Pose)


class PoseurHead(nn.Module):
    """Maps of ``dim`` channels, the finest first, to a ``Pose``."""

    def __init__(self, config: PoseurConfig) -> None:
        super().__init__()
        self.config = config
        dim, joints, layers = config.dim, config.num_joints, config.num_layers
        self.level_embeds = nn.Parameter(torch.empty(config.num_levels, dim))
        self.fc_coord = NormedLinear(dim, 2 * joints)
        self.fc_sigma = nn.Linear(dim, 2 * joints)
        self.pos_trans = nn.Linear(2 * dim, dim)
        self.pos_trans_norm = nn.LayerNorm(dim)
        self.pos_embed = nn.Parameter(torch.empty(joints, dim))
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(layers))

        def branches(*, activated: bool = True) -> nn.ModuleList:
            return nn.ModuleList(branch(dim, config.num_branch_layers, activated=activated) for _ in range(layers))

        self.coord_branches, self.output_branches = branches(), branches()
        self.sigma_branches = branches(activated=False)
        self.enc_flow, self.dec_flow = RealNVP(config.flow_hidden), RealNVP(config.flow_hidden)
        nn.init.normal_(self.level_embeds)
        nn.init.normal_(self.pos_embed)

    def memory(self, maps: Sequence[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
        """Features, sines of places and levels' embeddings (batch, sum of h * w, dim), and the sizes."""
        config = self.config
        parts = []
        for features, level in zip(maps, self.level_embeds, strict=True):
            real = torch.ones(1, *features.shape[2:], dtype=torch.bool, device=features.device)
            places = map_sines(
                real, config.dim // 2, config.temperature, offset=config.offset, normalised=config.normalised
            )
            parts.append((features.permute(0, 2, 3, 1) + places.to(features.dtype) + level).flatten(1, 2))
        return torch.cat(parts, 1), [(each.shape[2], each.shape[3]) for each in maps]

    def coarse(self, smallest: Tensor) -> tuple[Tensor, Tensor]:
        """The first guess and its spread, (batch, joints, 2) each, from the map of least resolution."""
        pooled = smallest.mean((2, 3))
        coord, sigma = self.fc_coord(pooled), self.fc_sigma(pooled).sigmoid()
        return coord.unflatten(1, (-1, 2)), sigma.unflatten(1, (-1, 2))

    def settled(self, coarse_coord: Tensor) -> Tensor:
        """The first guess as references: in training the decoder does not move it; else gradients are whole."""
        return coarse_coord.detach() if self.training else coarse_coord

    def queries(self, references: Tensor, inside: Tensor) -> Tensor:
        """References (batch, queries, 2), and these cut to the crop, to what queries begin as (batch, queries, dim)."""
        features = self.config.dim // 2
        pair = [point_sines(each, features, y_first=False) for each in (references, inside)]
        return self.pos_trans_norm(self.pos_trans(torch.cat(pair, -1).to(references.dtype)))

    def decode(self, maps: Sequence[Tensor], references: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates and spreads of every layer, (batch, layers, queries, 2) each.

        Args:
            maps: (batch, dim, height, width) of each level.
            references: (batch, groups * joints, 2): the first guess, in groups.
        """
        memory, sizes = self.memory(maps)
        # Cut once, for queries and for logits: of a tensor that is clamped twice the exporter to ONNX loses a bound.
        inside = references.clamp(0, 1)
        x = self.queries(references, inside)
        groups = references.shape[1] // self.config.num_joints
        positions = self.pos_embed.repeat(groups, 1)
        coords, sigmas = [], []
        for index, layer in enumerate(self.layers):
            spread = references[:, :, None].expand(-1, -1, len(sizes), -1)
            x = layer(x, positions, memory, sizes, spread)
            references = inside = (self.coord_branches[index](x) + logit(inside)).sigmoid()
            coords.append(references + self.output_branches[index](x))
            sigmas.append(self.sigma_branches[index](x).sigmoid())
        return torch.stack(coords, 1), torch.stack(sigmas, 1)

    def forward(self, maps: Sequence[Tensor]) -> Pose:
        """Maps (batch, dim, height, width), the finest first, to keypoints."""
        coarse_coord, coarse_sigma = self.coarse(maps[-1])
        coords, sigmas = self.decode(maps, self.settled(coarse_coord))
        score = (1 - sigmas[:, -1]).mean(-1, keepdim=True)
        return Pose(coords[:, -1], sigmas[:, -1], score, coords, sigmas, coarse_coord, coarse_sigma)

    def noisy(self, references: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """References (batch, joints, 2) and, behind them, ``noise_groups`` copies of which some got noise.

        The same joints of a batch get noise: N(0, 0.2), cut to [-1, 1], and the sum is cut to [-0.7, 1.7].
        """
        config = self.config
        copies = references.repeat(1, config.noise_groups, 1)
        chosen = torch.randperm(copies.shape[1], generator=generator)[: config.noise_groups * config.noisy_per_group]
        noise = torch.randn(len(copies), len(chosen), 2, generator=generator) * _NOISE**0.5
        moved = copies[:, chosen] + noise.clamp(-_MOST, _MOST).to(copies)
        copies = copies.index_copy(1, chosen.to(copies.device), moved.clamp(*_RANGE))
        return torch.cat((references, copies), 1)

    def losses(
        self,
        maps: Sequence[Tensor],
        target: Tensor,
        weight: Tensor,
        *,
        noise: bool = True,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses of the first guess ("coarse") and of every decoder layer ("layer0", ...), to be added.

        Args:
            maps: as of ``forward``.
            target: (batch, joints, 2) in parts of the crop.
            weight: (batch, joints, 2), 0 for what is not annotated.
            noise: whether groups with noisy references take part, with the same target.
            generator: of the noise, on the CPU.
        """
        coarse_coord, coarse_sigma = self.coarse(maps[-1])
        references = self.settled(coarse_coord)
        if noise:
            references = self.noisy(references, generator)
        coords, sigmas = self.decode(maps, references)
        repeats = references.shape[1] // target.shape[1]
        target_of_all, weight_of_all = target.repeat(1, repeats, 1), weight.repeat(1, repeats, 1)
        found = {"coarse": likelihood_loss(self.enc_flow, coarse_coord, coarse_sigma, target, weight) / target.shape[1]}
        for index, (coord, sigma) in enumerate(zip(coords.unbind(1), sigmas.unbind(1), strict=True)):
            loss = likelihood_loss(self.dec_flow, coord, sigma, target_of_all, weight_of_all)
            found[f"layer{index}"] = loss / references.shape[1]
        return found
