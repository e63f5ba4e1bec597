"""What the policy is trained with."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from zoo.errors import InputError
from zoo_activity.virt.network import VIRTOutput

STAGE_WEIGHT = 10.0


def action_loss(actions: Tensor, target: Tensor, is_pad: Tensor, log_scale: Tensor | None = None) -> Tensor:
    """Summed over decoder layers: the mean over examples of the sum over steps / the number of real steps.

    A step costs sqrt(2) e / exp(u) + u, with e its L1 error over the action's values; without u, it costs e.

    Args:
        actions: (B, L, chunk, action_dim).
        target: (B, chunk, action_dim).
        is_pad: (B, chunk) boolean. As in the authors' code, a padded step's u stays in the sum, without gradient.
        log_scale: u (B, L, chunk, 1), or None.
    """
    pad = is_pad[:, None]
    error = (actions - target[:, None]).abs().sum(-1).masked_fill(pad, 0)
    if log_scale is not None:
        scale = log_scale[..., 0]
        cost = math.sqrt(2) * error / scale.exp() + scale
        error = cost.where(~pad, scale.detach())
    real = (~is_pad).sum(-1).clamp(min=1)
    return (error.sum(-1) / real[:, None]).mean(0).sum()


def loss(output: VIRTOutput, target: Tensor, is_pad: Tensor, stage: Tensor | None = None) -> Tensor:
    """``action_loss``, and 10 times the cross-entropy of the stage, of every layer.

    Args:
        output: of the policy.
        target: (B, chunk, action_dim).
        is_pad: (B, chunk), True for steps behind the end.
        stage: (B,) int64, where the policy predicts it.
    """
    total = action_loss(output.layer_actions, target, is_pad, output.log_scale)
    if output.stage_logits is None:
        return total
    if stage is None:
        raise InputError("the policy predicts the stage: give stage (batch,)")
    layers = output.stage_logits.shape[1]
    logits = output.stage_logits.flatten(0, 1)
    return total + STAGE_WEIGHT * layers * functional.cross_entropy(logits, stage.repeat_interleave(layers))
