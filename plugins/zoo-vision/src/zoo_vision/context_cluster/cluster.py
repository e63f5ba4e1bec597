"""The cluster operator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import InputError
from zoo_vision.context_cluster.config import ClusterConfig


class Cluster(nn.Module):
    """Points gather around the centres of their region and take back what the centres gathered."""

    def __init__(self, config: ClusterConfig) -> None:
        super().__init__()
        self.config = config
        inner = config.num_heads * config.head_dim
        self.f = nn.Conv2d(config.dim, inner, 1)
        self.v = nn.Conv2d(config.dim, inner, 1)
        self.proj = nn.Conv2d(inner, config.out_dim, 1)
        self.sim_alpha = nn.Parameter(torch.empty(1))
        self.sim_beta = nn.Parameter(torch.empty(1))
        nn.init.ones_(self.sim_alpha)
        nn.init.zeros_(self.sim_beta)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, dim, H, W) to (batch, out_dim, H, W)."""
        output, _, (rows, columns) = self._gathered(x)
        return self.proj(_joined(output, rows, columns).flatten(1, 2))

    def assignment(self, x: Tensor) -> Tensor:
        """The centre that each point belongs to: (batch, heads, H, W), integers, region * centres + centre."""
        _, best, (rows, columns) = self._gathered(x)
        count = self.config.centres[0] * self.config.centres[1]
        region = torch.arange(rows * columns, device=x.device).view(1, 1, -1, 1, 1)
        return _joined((best + region * count)[:, :, :, None], rows, columns)[:, :, 0]

    def _gathered(self, x: Tensor) -> tuple[Tensor, Tensor, tuple[int, int]]:
        """What the points of each region take back, the centre of each, and how many regions rows and columns have.

        Raises:
            InputError: the map cannot be cut into equal regions.
        """
        rows, columns = self._regions(x)
        heads = self.config.num_heads
        # Which centre is nearest must not hang on the rounding of half precision.
        with torch.autocast(x.device.type, enabled=False):
            features = self.f(x.to(self.f.weight.dtype))
        # (batch, heads, regions, head_dim, h, w)
        points, values = (_cut(part.unflatten(1, (heads, -1)), rows, columns) for part in (features, self.v(x)))
        output, best = gather_and_hand_back(
            points, values, self._centres(points), self._centres(values), self.sim_alpha, self.sim_beta
        )
        return output, best, (rows, columns)

    def _regions(self, x: Tensor) -> tuple[int, int]:
        if x.ndim != 4 or x.shape[1] != self.config.dim:
            raise InputError(f"x {list(x.shape)}; expected (batch, {self.config.dim}, height, width)")
        rows, columns = self.config.regions
        if rows == 1 or columns == 1:
            return 1, 1
        if x.shape[2] % rows or x.shape[3] % columns:
            raise InputError(
                f"a map of {x.shape[2]} x {x.shape[3]} cannot be cut into {rows} x {columns} equal regions; choose "
                "another image size, or other regions"
            )
        return rows, columns

    def _centres(self, points: Tensor) -> Tensor:
        """(..., d, h, w) to (..., centres, d): averages over a grid of patches."""
        pooled = functional.adaptive_avg_pool2d(points.flatten(0, 2), tuple(self.config.centres))  # type: ignore[arg-type]
        return pooled.flatten(2).transpose(1, 2).unflatten(0, points.shape[:3])


def gather_and_hand_back(
    points: Tensor, values: Tensor, centres: Tensor, value_centres: Tensor, alpha: Tensor, beta: Tensor
) -> tuple[Tensor, Tensor]:
    """The mechanism itself, for any set of centres.

    Args:
        points, values: (..., d, h, w).
        centres, value_centres: (..., m, d).
        alpha, beta: scalars of the similarity.

    Returns:
        What points take back, (..., d, h, w), and the centre of each, (..., h, w).
    """
    size = points.shape[-2:]
    points, values = points.flatten(-2), values.flatten(-2)
    with torch.autocast(points.device.type, enabled=False):
        cosine = functional.normalize(centres, dim=-1) @ functional.normalize(points, dim=-2)
    similarity = torch.sigmoid(beta + alpha * cosine)
    strength, best = similarity.max(-2, keepdim=True)
    kept = torch.zeros_like(similarity).scatter(-2, best, strength)
    gathered = (kept @ values.transpose(-1, -2) + value_centres) / (kept.sum(-1, keepdim=True) + 1)
    handed = gathered.transpose(-1, -2) @ kept
    return handed.unflatten(-1, size), best.squeeze(-2).unflatten(-1, size)


def _cut(x: Tensor, rows: int, columns: int) -> Tensor:
    """(batch, heads, d, H, W) to (batch, heads, regions, d, h, w), regions row by row."""
    x = x.unflatten(4, (columns, -1)).unflatten(3, (rows, -1))
    return x.permute(0, 1, 3, 5, 2, 4, 6).flatten(2, 3)


def _joined(x: Tensor, rows: int, columns: int) -> Tensor:
    """The reverse of ``_cut``."""
    x = x.unflatten(2, (rows, columns))
    return x.permute(0, 1, 4, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4)


def example(config: ClusterConfig, batch_size: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """A random map whose sides can be cut."""
    rows, columns = (2 * a * b for a, b in zip(config.regions, config.centres, strict=True))
    return {"x": torch.randn(batch_size, config.dim, rows, columns, generator=torch.Generator().manual_seed(seed))}
