"""All together: images to instances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo.nn.precision import unrounded
from zoo_pose.group_pose.config import GroupPoseConfig
from zoo_pose.group_pose.decoder import Decoded, Decoder
from zoo_pose.group_pose.encoder import Encoder
from zoo_pose.group_pose.trunks import trunk

# What stands where other networks have visibilities.
VISIBLE = 1 / (1 + math.exp(-1))
SURE = 0.3
"""From this score on an instance counts as found."""


@dataclass
class Instances:
    """Candidates of every image.

    Args:
        logits: (batch, N, classes), of sigmoids; class 1 is a person.
        keypoints: (batch, N, 3 K): x1, y1, ..., xK, yK in parts of the unpadded image, then K times 0.731.
        auxiliary_logits, auxiliary_keypoints: the same of all decoder layers but the last, (batch, layers - 1, N, ...).
        first_logits: (batch, N, classes) of the chosen proposals.
        first_keypoints: (batch, N, 2 K) of them.
    """

    logits: Tensor
    keypoints: Tensor
    auxiliary_logits: Tensor
    auxiliary_keypoints: Tensor
    first_logits: Tensor
    first_keypoints: Tensor


# What torch.export is to give back it has to know.
torch.export.register_dataclass(Instances)


class GroupPose(nn.Module):
    """Images (batch, 3, H, W) to ``Instances``."""

    def __init__(self, config: GroupPoseConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = trunk(config)
        channels, dim = list(config.channels), config.dim
        projections = [nn.Conv2d(before, dim, 1) for before in channels]
        for level in range(config.num_levels - len(channels)):
            projections.append(nn.Conv2d(dim if level else channels[-1], dim, 3, 2, padding=1))
        for projection in projections:
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)  # type: ignore[arg-type]
        self.input_proj = nn.ModuleList(
            nn.Sequential(projection, nn.GroupNorm(config.norm_groups, dim)) for projection in projections
        )
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def pyramid(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The trunk's maps, and further ones, at ``dim`` channels."""
        found: list[Tensor] = []
        for level, projection in enumerate(self.input_proj):
            source = features[level] if level < len(features) else features[-1] if level == len(features) else found[-1]
            found.append(projection(source))
        return found

    def decoded(self, features: Sequence[Tensor], padding_mask: Tensor) -> Decoded:
        """What every stage says of the trunk's maps; ``padding_mask`` boolean (batch, H, W), True where padded."""
        with unrounded(padding_mask):
            maps = self.pyramid([each.to(next(self.input_proj.parameters()).dtype) for each in features])
            masks = [
                functional.interpolate(padding_mask[:, None].float(), size=each.shape[2:])[:, 0].bool() for each in maps
            ]
            memory, at = self.encoder(maps, masks)
        return self.decoder(memory, at)

    def forward(
        self,
        images: Tensor | None = None,
        padding_mask: Tensor | None = None,
        features: Sequence[Tensor] | None = None,
    ) -> Instances:
        """Find everybody.

        Args:
            images: (batch, 3, H, W), ImageNet's mean and deviation, padded by 0 to one size.
            padding_mask: boolean (batch, H, W), True where padded; nothing by default. Rows and columns at the end.
            features: the trunk's maps instead of images, (batch, channels, height, width) each, the finest first.
        """
        features, padding_mask = self._read(images, padding_mask, features)
        stages = self.decoded(features, padding_mask)
        points = stages.poses.flatten(3)
        keypoints = torch.cat((points, points.new_full((*points.shape[:3], points.shape[3] // 2), VISIBLE)), -1)
        return Instances(
            stages.logits[:, -1],
            keypoints[:, -1],
            stages.logits[:, :-1],
            keypoints[:, :-1],
            stages.first_logits,
            stages.first_poses.flatten(2),
        )

    def _read(
        self, images: Tensor | None, padding_mask: Tensor | None, features: Sequence[Tensor] | None
    ) -> tuple[Sequence[Tensor], Tensor]:
        channels = list(self.config.channels)
        if features is None:
            if images is None or self.backbone is None:
                raise InputError(f"give {'features' if self.backbone is None else 'images or features'}")
            if images.ndim != 4 or images.shape[1] != 3:
                raise InputError(f"images {list(images.shape)}; expected (batch, 3, height, width)")
            # Which proposals are chosen hangs on all that comes before: rounded, others would be.
            with unrounded(images):
                features = self.backbone.maps(images)[-len(channels) :]  # type: ignore[operator]
        if [each.shape[1] for each in features] != channels:
            raise InputError(f"features with {[each.shape[1] for each in features]} channels; expected {channels}")
        first = features[0] if images is None else images
        if padding_mask is None:
            padding_mask = torch.zeros(first.shape[0], *first.shape[2:], dtype=torch.bool, device=first.device)
        shape = (first.shape[0], *first.shape[2:]) if images is not None else None
        if (
            padding_mask.dtype != torch.bool
            or padding_mask.ndim != 3
            or padding_mask.shape[0] != first.shape[0]
            or (shape is not None and padding_mask.shape != shape)
        ):
            raise InputError(
                f"padding_mask {list(padding_mask.shape)} of {padding_mask.dtype}; expected a boolean one of "
                f"{list(shape or (len(first), 'height', 'width'))}, True where the image is padded"
            )
        return features, padding_mask


def example(config: GroupPoseConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Random images, padded at the right and below by different widths."""
    side = min(config.side, 256)
    images = torch.randn(batch_size, 3, side, side + 16, generator=torch.Generator().manual_seed(seed))
    mask = torch.zeros(batch_size, side, side + 16, dtype=torch.bool)
    for index in range(batch_size):
        mask[index, :, side + 16 - 8 * (index % 3) :] = True
    return {"images": images.masked_fill(mask[:, None], 0.0), "padding_mask": mask}


def paper_input(config: GroupPoseConfig) -> dict[str, Tensor]:
    """One image of 800 x 1333."""
    return {"images": torch.zeros(1, 3, 800, 1333)}
