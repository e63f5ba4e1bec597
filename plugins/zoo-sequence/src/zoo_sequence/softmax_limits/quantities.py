"""Distance, separability and sensitivity of rows of weights, and their bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.errors import InputError
from zoo_sequence.softmax_limits.normalisers import normalise


@dataclass(frozen=True)
class Selection:
    """Which N weights of every row are selected. Nothing of the size (rows, L, d) is ever made.

    Args:
        alpha: (..., rows, L).
        x: tokens (..., L, d), the same for all rows.
        selected: boolean (..., rows, L).
    """

    alpha: Tensor
    x: Tensor
    selected: Tensor

    @property
    def context(self) -> Tensor:
        """s (..., rows, d)."""
        return (self.alpha * self.selected) @ self.x

    @property
    def gaps(self) -> Tensor:
        """|| y_i - s || (..., rows, L), from || y_i ||^2 - 2 y_i.s + || s ||^2."""
        context, size = self.context, self.x.square().sum(-1)[..., None, :]
        cross = context @ self.x.transpose(-1, -2)
        squares = self.alpha * (self.alpha * size - 2 * cross) + context.square().sum(-1, keepdim=True)
        return squares.clamp(min=0).sqrt()

    def distance(self, mode: str = "norm") -> Tensor:
        """(..., rows): norm of the summed rest minus s, or ("sum") the sum of the rest's distances from s."""
        if mode == "norm":
            return (self.alpha @ self.x - 2 * self.context).norm(dim=-1)
        return (self.gaps * ~self.selected).sum(-1)

    def radius(self) -> Tensor:
        """(..., rows): distance from s to the nearest token of the rest; infinite where nothing is left."""
        return self.gaps.masked_fill(self.selected, math.inf).amin(-1)

    def separable_fraction(self) -> Tensor:
        """(..., rows) float32: share of selected tokens no farther from s than any of the rest."""
        gaps = self.gaps
        nearest = gaps.masked_fill(self.selected, math.inf).amin(-1, keepdim=True)
        inside = (gaps <= nearest) & self.selected
        return inside.sum(-1).float() / self.selected.sum(-1)


def select(alpha: Tensor, x: Tensor, count: int) -> Selection:
    """The ``count`` largest weights of every row.

    Args:
        alpha: (..., rows, L).
        x: tokens (..., L, d).
        count: N, at most L.
    """
    if not 1 <= count <= alpha.shape[-1]:
        raise InputError(f"N={count} is not between 1 and the {alpha.shape[-1]} tokens of a row")
    chosen = torch.zeros_like(alpha, dtype=torch.bool).scatter(-1, alpha.topk(count, -1).indices, True)
    return Selection(alpha, x, chosen)


def random_set_second_moment(alpha: Tensor, x: Tensor, count: int) -> Tensor:
    """E distance^2 over uniformly random sets of ``count`` tokens, per row: the random-set identity."""
    length = alpha.shape[-1]
    total = (alpha @ x).square().sum(-1)
    each = (alpha.square() @ x.square().sum(-1, keepdim=True))[..., 0]
    share = count / length
    both = count * (count - 1) / (length * (length - 1)) if length > 1 else 0.0
    context = both * total + (share - both) * each
    return total - 4 * share * total + 4 * context


def distance_bounds(alpha: Tensor, x: Tensor, count: int) -> dict[str, Tensor]:
    """Triangle bounds of the distance in both modes, per row.

    Returns:
        "lower" and "upper" for mode "norm", "upper_sum" for mode "sum".
    """
    selection = select(alpha, x, count)
    inside = (alpha * selection.selected).sum(-1)
    largest = x.norm(dim=-1).amax(-1, keepdim=True).expand_as(inside)
    context = selection.context.norm(dim=-1)
    rest = (alpha @ x - selection.context).norm(dim=-1)
    return {
        "lower": (context - rest).abs(),
        "upper": largest,
        "upper_sum": (1 - inside) * largest + (alpha.shape[-1] - count) * context,
    }


def weight_bounds(length: int, delta: float, temperature: float = 1.0) -> tuple[float, float]:
    """Smallest and largest possible softmax weight of logits within [-delta, delta]: exp(-+2 delta / T) / L."""
    factor = math.exp(2 * delta / temperature)
    return 1 / (factor * length), factor / length


def jacobian(alpha: Tensor, temperature: float = 1.0) -> Tensor:
    """Softmax Jacobian (..., L, L) at weights alpha (..., L)."""
    return (torch.diag_embed(alpha) - alpha[..., None] * alpha[..., None, :]) / temperature


def jacobian_norms(alpha: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Spectral and Frobenius norm (...) of J at weights alpha (..., L), without the (L, L) matrix.

    The largest eigenvalue of diag(alpha) - alpha alpha' lies between the two largest weights and solves
    1 = sum_i alpha_i^2 / (alpha_i - lambda), found by bisection.
    """
    squares = alpha.square().sum(-1)
    frobenius = (squares - 2 * alpha.pow(3).sum(-1) + squares.square()).clamp(min=0).sqrt()
    if alpha.shape[-1] == 1:
        return torch.zeros_like(squares), frobenius / temperature
    high, low = alpha.topk(2, -1).values.unbind(-1)
    apart = high > low
    for _ in range(60):
        middle = (low + high) / 2
        below = (alpha.square() / (alpha - middle[..., None])).sum(-1) < 1
        low, high = torch.where(apart & below, middle, low), torch.where(apart & ~below, middle, high)
    return high / temperature, frobenius / temperature


def gradient_sensitivity(
    logits: Tensor, temperatures: Sequence[float], *, step: float = 1e-4, seed: int = 0
) -> dict[float, dict[str, float]]:
    """How weights react to logits, per temperature: norms of J and of a finite difference, averaged over rows."""
    generator = torch.Generator().manual_seed(seed)
    nudge = torch.randn(logits.shape, generator=generator, dtype=torch.float64).to(logits) * step
    found = {}
    for temperature in temperatures:
        alpha = normalise(logits, temperature=temperature)
        spectral, frobenius = jacobian_norms(alpha, temperature)
        moved = (normalise(logits + nudge, temperature=temperature) - alpha).norm(dim=-1) / nudge.norm(dim=-1)
        found[temperature] = {
            "spectral": float(spectral.mean()),
            "frobenius": float(frobenius.mean()),
            # Off the diagonal alpha_i alpha_j <= alpha_i (1 - alpha_i).
            "largest entry": float((alpha * (1 - alpha)).amax() / temperature),
            "finite difference": float(moved.mean()),
        }
    return found


def sphere_reference(length: int, dim: int, count: int, *, trials: int = 200, seed: int = 0) -> dict[str, float]:
    """Distance and separability for random unit tokens and standard normal logits: the reference curve."""
    generator = torch.Generator().manual_seed(seed)
    x = nn.functional.normalize(torch.randn(trials, length, dim, generator=generator), dim=-1)
    selection = select(torch.randn(trials, 1, length, generator=generator).softmax(-1), x, count)
    return {
        "distance": float(selection.distance().mean()),
        "separable": float(selection.separable_fraction().mean()),
    }


def critical_n(alpha: Tensor, x: Tensor, *, tolerance: float = 1e-2, patience: int = 3) -> Tensor:
    """Smallest N from which the distance changes by less than ``tolerance`` for ``patience`` steps, per row.

    Args:
        alpha: (..., rows, L).
        x: tokens (..., L, d).

    Returns:
        (..., rows) int64; L where the distance never settles.
    """
    length, dim = x.shape[-2:]
    if length <= patience:
        return torch.full(alpha.shape[:-1], length)
    # A row needs its largest tokens in order, (reach, d); most settle long before the length is reached.
    reach = min(length, 64)
    while True:
        rows = max(1, 2**24 // (reach * dim * math.prod(alpha.shape[:-2])))
        found = torch.cat([_settled(part, x, reach, tolerance, patience) for part in alpha.split(rows, -2)], -1)
        if reach == length or bool((found < length).all()):
            return found
        reach = min(length, 2 * reach)


def _settled(alpha: Tensor, x: Tensor, reach: int, tolerance: float, patience: int) -> Tensor:
    """The critical N if it is within the ``reach`` largest weights, L otherwise."""
    weights, order = alpha.topk(reach, -1)
    shape = (*alpha.shape, x.shape[-1])
    ordered = x[..., None, :, :].expand(shape).gather(-2, order[..., None].expand(*order.shape, x.shape[-1]))
    curve = ((alpha @ x)[..., None, :] - 2 * (ordered * weights[..., None]).cumsum(-2)).norm(dim=-1)
    steady = curve.diff(dim=-1).abs() < tolerance * curve[..., :-1]
    runs = steady.unfold(-1, patience, 1).all(-1)
    return torch.where(runs.any(-1), runs.long().argmax(-1) + 1, alpha.shape[-1])
