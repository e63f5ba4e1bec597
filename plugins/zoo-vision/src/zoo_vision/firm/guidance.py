"""Guidance: the mask that points and boxes become, and the block that looks from what is marked at everything."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.bridges.sight import readable
from zoo.errors import InputError
from zoo.nn.heads import merge_heads, split_heads
from zoo_vision.firm.config import GuidanceConfig

# What the mask holds.
UNKNOWN, REFLECTION, TRANSMISSION = 0.0, 1.0, 125 / 255

# From so many positions on, those that nothing marks share one query: attention is quadratic, and they are all alike.
_MANY = 4096

# How far around a point the mask reaches, in shares of the longer side.
_RADIUS = 0.02

Mark = tuple[str, Sequence[float]]


def mask_of(marks: Sequence[Mark], height: int, width: int) -> Tensor:
    """One mask from points and boxes.

    Args:
        marks: pairs of what is there, "reflection" or "transmission", and where: (x, y) of a point, (x1, y1, x2, y2)
            of a box, or more pairs x, y of a stroke, all in pixels.
        height, width: of the image.

    Returns:
        (1, 1, height, width). Where marks overlap, reflection wins.
    """
    from PIL import Image, ImageDraw

    radius = max(1.0, _RADIUS * max(height, width))
    layers = {}
    for kind in ("transmission", "reflection"):
        layer = Image.new("L", (width, height))
        draw = ImageDraw.Draw(layer)
        for what, place in marks:
            if what not in ("transmission", "reflection") or len(place) < 2 or len(place) % 2:
                raise InputError(
                    f"mark {(what, tuple(place))}; expected ('reflection' or 'transmission', (x, y) or "
                    "(x1, y1, x2, y2) or more pairs of a stroke)"
                )
            if what != kind:
                continue
            points = list(zip(place[::2], place[1::2], strict=True))
            if len(points) == 2:
                (x1, y1), (x2, y2) = points
                draw.rectangle((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), fill=255)
                continue
            draw.line(points, fill=255, width=round(2 * radius))
            for x, y in points:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        layers[kind] = torch.frombuffer(bytearray(layer.tobytes()), dtype=torch.uint8).view(1, 1, height, width) > 0
    mask = torch.full((1, 1, height, width), UNKNOWN)
    mask[layers["transmission"]] = TRANSMISSION
    mask[layers["reflection"]] = REFLECTION
    return mask


class GuidanceBlock(nn.Module):
    """Attention from the marked positions of a map to all of it, and an MLP, both post-norm."""

    def __init__(self, config: GuidanceConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        dim = config.dim
        self.query_proj = nn.Linear(dim, dim)
        self.key_proj = nn.Linear(dim, dim)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        self.ffn = nn.Sequential(
            nn.Linear(dim, config.hidden_dim),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_dim, dim),
        )

    def attended(self, features: Tensor, mask: Tensor) -> Tensor:
        """What attention brings to every position: (batch, h w, dim), before the shortcut.

        Args:
            features: (batch, dim, h, w).
            mask: (batch, 1, h, w), 1 at marked positions, whose features are the queries.
        """
        return self._read(features, (features * mask).flatten(2).transpose(1, 2))

    def _read(self, features: Tensor, anchors: Tensor) -> Tensor:
        """What anchors (batch, n, dim) get from the map: (batch, n, dim)."""
        tokens = features.flatten(2).transpose(1, 2)
        query = split_heads(self.query_proj(anchors), self.num_heads)
        key = split_heads(self.key_proj(tokens), self.num_heads)
        value = split_heads(self.value_proj(tokens), self.num_heads)
        found = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.dropout.p if self.training else 0.0,
            # The reference scales by all channels, not by those of a head.
            scale=tokens.shape[-1] ** -0.5,
        )
        return self.output_proj(merge_heads(found))

    def _has_few(self, features: Tensor, mask: Tensor) -> bool:
        """Whether the map is large and most of it unmarked; never in training, whose dropout tells positions apart."""
        places = features.shape[2] * features.shape[3]
        if self.training or places < _MANY or not features.shape[0] or not readable(mask):
            return False
        return int((mask != 0).flatten(1).sum(1).amax()) < places // 2

    def _attended_by_few(self, features: Tensor, mask: Tensor) -> Tensor:
        """The same as ``attended``, in time that is linear in what nothing marks: its queries are one bias."""
        marked = (mask != 0).flatten(1)
        count = int(marked.sum(1).amax())
        # The marked places of each image, and for images with fewer some that are not.
        places = marked.to(torch.uint8).topk(count, 1).indices[..., None].expand(-1, -1, features.shape[1])
        anchors = (features * mask).flatten(2).transpose(1, 2).gather(1, places)
        found = self._read(features, torch.cat((anchors, torch.zeros_like(features[:, :, :1, 0]).mT), 1))
        everywhere = found[:, -1:].expand(-1, marked.shape[1], -1)
        return everywhere.scatter(1, places, found[:, :-1])

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Map and mask as in ``attended``, to (batch, dim, h, w)."""
        dim = self.query_proj.in_features
        fits = features.ndim == 4 and features.shape[1] == dim and 0 not in features.shape[2:]
        if not fits or mask.shape != (features.shape[0], 1, *features.shape[2:]):
            raise InputError(
                f"features {list(features.shape)} and mask {list(mask.shape)}; expected (batch, {dim}, height, width) "
                "and (batch, 1, height, width)"
            )
        tokens = features.flatten(2).transpose(1, 2)
        attend = self._attended_by_few if self._has_few(features, mask) else self.attended
        tokens = self.norm1(attend(features, mask) + tokens)
        tokens = self.norm2(tokens + self.dropout(self.ffn(tokens)))
        return tokens.transpose(1, 2).unflatten(2, features.shape[2:])


def example(config: GuidanceConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map and a random mask."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch_size, 1, 5, 6, generator=generator) > 0.7
    return {"features": torch.randn(batch_size, config.dim, 5, 6, generator=generator), "mask": mask.float()}
