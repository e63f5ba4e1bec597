"""Perturbations of attention scores: of a length per sentence, along a gradient or along differences of scores.

With scores a (T) of a sentence, d_t = (a_t - a_k)_k are differences and d'_t = d_t / |d_t| (0 / 0 = 0). A matrix alpha
(T, T) of coefficients perturbs by r(alpha)_t = sum_k alpha_tk d'_tk. Padding has no part in any of it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError

Continue = Callable[[Tensor], Tensor]
"""Scores (batch, length) to logits (batch,), (batch, 1) or (batch, classes)."""


def of_length(x: Tensor, epsilon: float) -> Tensor:
    """Every sentence's (batch, ...) numbers, scaled to a norm; zero stays zero."""
    norm = x.flatten(1).norm(dim=1).reshape(-1, *[1] * (x.ndim - 1))
    return torch.where(norm > 0, epsilon * x / norm.clamp(min=torch.finfo(x.dtype).tiny), 0.0)


def differences(scores: Tensor, mask: Tensor | None, *, normalized: bool = True) -> Tensor:
    """d', or d where not normalised: (batch, length, length), row t of word t, zero at padding."""
    found = scores.detach()[:, :, None] - scores.detach()[:, None]
    if mask is not None:
        found = found.masked_fill(~(mask[:, :, None] & mask[:, None]), 0.0)
    return functional.normalize(found, dim=-1, eps=torch.finfo(found.dtype).tiny) if normalized else found


def spread(alpha: Tensor, directions: Tensor) -> Tensor:
    """r(alpha) (batch, length)."""
    return (alpha * directions).sum(-1)


def losses(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Cross entropy per sentence: binary where there is one logit, else of classes.

    Args:
        logits: (batch,), (batch, 1) or (batch, classes).
        labels: (batch,) 0 and 1, or classes.
        weight: of the positive class, or of the classes.

    Raises:
        InputError: labels of another shape.
    """
    if labels.shape != logits.shape[:1]:
        raise InputError(f"labels of shape {tuple(labels.shape)} for logits {tuple(logits.shape)}; expected one each")
    if logits.ndim == 1 or logits.shape[1] == 1:
        single = logits.reshape(-1)
        return functional.binary_cross_entropy_with_logits(
            single, labels.to(single.dtype), pos_weight=weight, reduction="none"
        )
    return functional.cross_entropy(logits, labels.long(), weight=weight, reduction="none")


def divergence(clean: Tensor, moved: Tensor) -> Tensor:
    """KL(clean || moved) per sentence, of one logit or of classes; no gradient goes through the clean ones."""
    clean = clean.detach()
    if clean.ndim == 1 or clean.shape[1] == 1:
        one, other = clean.reshape(-1), moved.reshape(-1)
        p = one.sigmoid()
        log = functional.logsigmoid
        return p * (log(one) - log(other)) + (1 - p) * (log(-one) - log(-other))
    logs = clean.log_softmax(-1)
    return (logs.exp() * (logs - moved.log_softmax(-1))).sum(-1)


def gradient_at(per_sentence: Callable[[Tensor], Tensor], variable: Tensor) -> Tensor:
    """Gradient of the sum over sentences with respect to a variable, at it; parameters get none."""
    with torch.enable_grad():
        point = variable.detach().requires_grad_()
        (found,) = torch.autograd.grad(per_sentence(point).sum(), point)
    return found


def visible(x: Tensor, mask: Tensor | None) -> Tensor:
    """Zero at padding: of words (batch, length), or of pairs (batch, length, length)."""
    if mask is None:
        return x
    real = mask if x.ndim == 2 else mask[:, :, None] & mask[:, None]
    return x.masked_fill(~real, 0.0)


def power_iteration(
    diverged: Callable[[Tensor], Tensor], direction: Tensor, mask: Tensor | None, *, xi: float, iterations: int
) -> Tensor:
    """The direction in which a divergence grows most, of unit length per sentence.

    Args:
        diverged: from a perturbation of ``direction``'s shape to the divergence per sentence.
        direction: (batch, length) or (batch, length, length) to start from, of unit length.
        mask: boolean (batch, length), True for words.
        xi: how far from zero the gradient is taken, where it vanishes.
        iterations: how often.
    """
    for _ in range(iterations):
        direction = of_length(visible(gradient_at(diverged, xi * direction), mask), 1.0)
    return direction


def random_direction(like: Tensor, mask: Tensor | None, generator: torch.Generator | None) -> Tensor:
    """Gaussian numbers of ``like``'s shape, zero at padding and of unit length per sentence."""
    drawn = torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)
    return of_length(visible(drawn, mask), 1.0)
