"""The Re-Attention loss."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_interpret.cat.config import FORMS, REDUCTIONS

# 'div' has no lower bound as the attention to other keys vanishes.
LEAST = 1e-8


def row_means(attention: Tensor, mask: Tensor, real: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean attention of every row to causal and to other keys, and which rows count.

    Args:
        attention: (B, T, T), causal.
        mask: (B, T, T) of 0 and 1; what lies above the diagonal counts in a row's sum alone.
        real: (B, T) boolean, False where padded: such tokens are no keys and have no rows.

    Returns:
        m1 and m0 (B, T), and valid (B, T) boolean: a row with some but not all entries 1, which sees keys of both
        kinds.

    Raises:
        InputError: other shapes.
    """
    if attention.ndim != 3 or attention.shape != mask.shape or attention.shape[1] != attention.shape[2]:
        raise InputError(f"attention {tuple(attention.shape)} and mask {tuple(mask.shape)}; expected (B, T, T) twice")
    length = attention.shape[-1]
    seen = torch.ones(length, length, dtype=torch.bool, device=attention.device).tril()
    marked, lengths = mask.bool(), torch.full((len(mask), 1), length, device=attention.device)
    if real is not None:
        seen = seen & real[:, None, :] & real[:, :, None]
        marked, lengths = marked & real[:, None, :], real.sum(-1, keepdim=True)
    total = marked.sum(-1)
    causal, others = marked & seen, ~marked & seen
    counts = [kind.sum(-1) for kind in (causal, others)]
    means = [
        (attention * kind).sum(-1) / count.clamp(min=1) for kind, count in zip((causal, others), counts, strict=True)
    ]
    valid = (total > 0) & (total < lengths) & (counts[0] > 0) & (counts[1] > 0)
    return means[0], means[1], valid


def penalty(m1: Tensor, m0: Tensor, ratio: Tensor, alpha: float, form: str) -> Tensor:
    """What rows (...) cost whose ratio is below alpha; see the package."""
    if form == "div":
        return -torch.log1p(m1) / torch.log1p(m0.clamp(min=LEAST))
    if form == "div2":
        return -torch.log1p(m1 / (1 + m0))
    if form == "nll":
        return -m1 / (m1 + m0).clamp(min=LEAST)
    return (alpha - ratio).clamp(min=0)


def re_attention_loss(
    attention: Tensor,
    mask: Tensor,
    *,
    alpha: float = 2.0,
    form: str = "div",
    reduction: str = "rows",
    real: Tensor | None = None,
) -> Tensor:
    """The loss, a scalar with a gradient; 0 where no row counts.

    Args:
        attention: (B, T, T), mean of layers and heads.
        mask: (B, T, T) of 0 and 1, 1 where the key is causal for what follows the query.
        alpha: ratio from which a row costs nothing.
        form: one of ``FORMS``.
        reduction: "rows": mean of all rows that count; "smoothed": a sample's mean ratio decides, its last row pays
            (its mean ratio, for hinge), mean of the samples below alpha.
        real: see ``row_means``.

    Raises:
        InputError: other shapes, or an unknown form or reduction.
    """
    if form not in FORMS or reduction not in REDUCTIONS:
        raise InputError(f"form={form!r}, reduction={reduction!r}; expected {FORMS} and {REDUCTIONS}")
    m1, m0, valid = row_means(attention, mask, real)
    ratio = m1 / m0.clamp(min=LEAST)
    nothing = attention.sum() * 0
    if reduction == "rows":
        if not bool(valid.any()):
            return nothing
        cost = penalty(m1, m0, ratio, alpha, form)
        return torch.where(valid & (ratio < alpha), cost, torch.zeros_like(cost)).sum() / valid.sum()
    costs = []
    for row, counts in enumerate(valid):
        if not bool(counts.any()):
            continue
        mean = ratio[row][counts].mean()
        if bool(mean < alpha):
            last = counts.nonzero()[-1, 0]
            costs.append(penalty(m1[row, last], m0[row, last], mean, alpha, form))
    return torch.stack(costs).mean() if costs else nothing
