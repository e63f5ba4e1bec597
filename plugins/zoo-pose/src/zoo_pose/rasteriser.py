"""A z-buffer: which triangle of a mesh each pixel shows. In torch operations, exact, without a graphics library."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError

NOTHING = -1


def visible_faces(corners: Tensor, depth: Tensor, height: int, width: int) -> Tensor:
    """The nearest triangle at every pixel's centre, int64 (height, width); ``NOTHING`` where there is none.

    Depths are interpolated linearly in the picture, which is exact for a plane only where triangles are small beside
    their distance; a mesh of a body is. Triangles of either orientation are drawn.

    Args:
        corners: (faces, 3, 2), x and y of the corners in pixels; pixel i's centre lies at i + 0.5.
        depth: (faces, 3), distance of the corners from the camera, above 0; faces with a corner behind it are left out.
        height, width: of the picture, pixels.
    """
    if corners.ndim != 3 or corners.shape[1:] != (3, 2) or depth.shape != corners.shape[:2]:
        raise InputError(
            f"corners {list(corners.shape)} and depth {list(depth.shape)}; expected (faces, 3, 2), (faces, 3)"
        )
    first = (corners.amin(1) - 0.5).ceil().clamp(min=0)
    last = torch.minimum((corners.amax(1) - 0.5).floor(), corners.new_tensor((width - 1, height - 1)))
    extent = (last - first + 1).long()
    drawn = ((extent > 0).all(1) & (depth > 0).all(1)).nonzero()[:, 0]
    nearest = corners.new_full((height * width,), torch.inf)
    found = []
    # Triangles of about one size share a grid of candidates: most cover a pixel or two, few cover many.
    size = extent[drawn].amax(1)
    side = 1
    while len(drawn):
        small = size <= side
        if bool(small.any()):
            found.append(_candidates(corners, depth, first, last, drawn[small], side, width))
        drawn, size = drawn[~small], size[~small]
        side *= 2
    if not found:
        return torch.full((height, width), NOTHING)
    pixels, depths, faces = (torch.cat(parts) for parts in zip(*found, strict=True))
    nearest.scatter_reduce_(0, pixels, depths, "amin")
    # Of several faces at one depth the last one is shown.
    seen = depths == nearest[pixels]
    shown = torch.full((height * width,), NOTHING)
    shown.scatter_reduce_(0, pixels[seen], faces[seen], "amax")
    return shown.view(height, width)


def _candidates(
    corners: Tensor, depth: Tensor, first: Tensor, last: Tensor, faces: Tensor, side: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels inside of triangles that span at most ``side`` pixels each way, the depth there, and whose they are."""
    step = torch.arange(side)
    across, down = first[faces, :1, None] + step, first[faces, 1:, None] + step[:, None]
    x, y = (across + 0.5).expand(-1, side, -1), (down + 0.5).expand(-1, -1, side)
    (ax, ay), (bx, by), (cx, cy) = (corners[faces, corner].unbind(1) for corner in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)

    def edge(px: Tensor, py: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        px, py, qx, qy, whole = (value[:, None, None] for value in (px, py, qx, qy, area))
        return ((qx - px) * (y - py) - (qy - py) * (x - px)) / whole

    weights = torch.stack((edge(bx, by, cx, cy), edge(cx, cy, ax, ay), edge(ax, ay, bx, by)), -1)
    inside = (weights >= 0).all(-1) & (x - 0.5 <= last[faces, :1, None]) & (y - 0.5 <= last[faces, 1:, None])
    inside &= (area != 0)[:, None, None]
    place = (y - 0.5).long() * width + (x - 0.5).long()
    distance = (weights * depth[faces, None, None]).sum(-1)
    return place[inside], distance[inside], faces[:, None, None].expand_as(place)[inside]
