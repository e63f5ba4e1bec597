"""PAI's guidance: away from what the model would say without the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo_interpret.multimodal import without_images
from zoo_interpret.paint.method import Attached


def guided(log_probs: Tensor, text_log_probs: Tensor, gamma: float, cutoff: float = 0.1) -> Tensor:
    """gamma (lp - lp_text) + lp_text; tokens less likely than ``cutoff`` times the likeliest are ruled out.

    Args:
        log_probs, text_log_probs: (batch, vocabulary), with and without the image.
        gamma: 1 for none, 1.1 to 2 in PAI.
        cutoff: between 0 and 1.
    """
    found = gamma * (log_probs - text_log_probs) + text_log_probs
    unlikely = log_probs < math.log(cutoff) + log_probs.amax(-1, keepdim=True)
    return found.masked_fill(unlikely, -torch.inf)


class ImageFreeGuidance:
    """A logits processor for ``generate(logits_processor=[...])``; the image-free prompt runs without the boost.

    It is computed anew for every token, in a pass of its own.
    """

    def __init__(self, model: nn.Module, gamma: float = 1.1, attached: Attached | None = None) -> None:
        self.model, self.gamma, self.attached = model, gamma, attached

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (batch, vocabulary) for the token after ``input_ids`` (batch, length), without padding."""
        text = without_images(self.model, {"input_ids": input_ids})
        with torch.no_grad():
            if self.attached is None:
                alone = self.model(**text).logits[:, -1]
            else:
                with self.attached.pause():
                    alone = self.model(**text).logits[:, -1]
        return guided(scores.float().log_softmax(-1), alone.float().log_softmax(-1), self.gamma)
