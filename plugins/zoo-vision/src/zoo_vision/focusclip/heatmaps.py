"""Heat maps of a person from the 16 key points of MPII.

0 right ankle, 1 right knee, 2 right hip, 3 left hip, 4 left knee, 5 left ankle, 6 pelvis, 7 thorax, 8 upper neck,
9 head top, 10 right wrist, 11 right elbow, 12 right shoulder, 13 left shoulder, 14 left elbow, 15 left wrist.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from zoo.errors import InputError

JOINTS = (
    *("right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle", "pelvis", "thorax"),
    *("upper neck", "head top", "right wrist", "right elbow", "right shoulder", "left shoulder", "left elbow"),
    "left wrist",
)
PARTS: dict[str, tuple[int, ...]] = {
    "head": (7, 8, 9, 12, 13),
    "torso": (6, 7, 12, 13, 2, 3),
    "left upper arm": (13, 14, 7),
    "right upper arm": (12, 11, 7),
    "left lower arm": (14, 15, 13),
    "right lower arm": (11, 10, 12),
    "left upper leg": (3, 4, 6),
    "right upper leg": (2, 1, 6),
    "left lower leg": (4, 5, 3),
    "right lower leg": (1, 0, 2),
}


def person_heatmap(keypoints: Tensor, height: int, width: int) -> Tensor:
    """One Gaussian over the box of all visible points.

    Args:
        keypoints: (16, 3): x and y in pixels of the map, and a flag, positive where the point is visible.
        height, width: of the map.

    Returns:
        (height, width) float32 in [0, 1]; zeros where fewer than two points are visible.
    """
    return _heatmap(keypoints, height, width, [tuple(range(len(JOINTS)))])


def body_part_heatmap(keypoints: Tensor, height: int, width: int) -> Tensor:
    """One Gaussian for each of ten parts of the body, added and cut at 1; arguments as ``person_heatmap``'s."""
    return _heatmap(keypoints, height, width, PARTS.values())


def _heatmap(keypoints: Tensor, height: int, width: int, groups: Iterable[tuple[int, ...]]) -> Tensor:
    if keypoints.shape != (len(JOINTS), 3):
        raise InputError(f"keypoints {list(keypoints.shape)}; expected (16, 3): x, y and whether it is visible")
    points = keypoints.detach().cpu().double().numpy()
    total = np.zeros((height, width))
    for group in groups:
        chosen = points[list(group)]
        total += _bell(chosen[chosen[:, 2] > 0, :2], height, width).clip(0, 1)
    return torch.from_numpy(total.clip(0, 1)).float()


def _bell(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """exp(-((x - cx)^2 / (2 sx^2) + (y - cy)^2 / (2 sy^2))) of the box around the points' integer parts."""
    if len(points) < 2:
        return np.zeros((height, width))
    whole = np.trunc(points)
    low, high = whole.min(0), whole.max(0)
    (x, y), (wide, tall) = (low + high) // 2, np.maximum((high - low) // 2, 1)
    columns, rows = np.arange(width), np.arange(height)[:, None]
    return np.exp(-((columns - x) ** 2 / (2 * wide**2) + (rows - y) ** 2 / (2 * tall**2)))


def grid_points(keypoints: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Key points of an image of (height, width) pixels in those of another grid (height, width)."""
    factors = torch.tensor([grid[1] / size[1], grid[0] / size[0], 1.0], dtype=keypoints.dtype, device=keypoints.device)
    return keypoints * factors
