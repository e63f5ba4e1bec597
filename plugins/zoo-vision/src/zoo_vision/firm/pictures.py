"""The picture of the guidance block's card."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

import zoo
from zoo.evidence.plots import saved_small
from zoo.nn.heads import split_heads
from zoo_vision import panels
from zoo_vision.firm import training
from zoo_vision.firm.guidance import REFLECTION, TRANSMISSION, GuidanceBlock


def looks(path: Path) -> None:
    """Held-out photographs behind a laid-over reflection, the guidance (bright: reflection, dim: scene), and where the
    marked positions look in the bundled network's two guidance blocks: nearly evenly everywhere (mean over marked
    positions and heads, 1 would be even).
    """
    model = zoo.load("firm/photographs")
    batch = next(training.batches("held-out", 1, 16, seed=4))
    marks = [(batch.guidance == value).flatten(1).any(1) for value in (TRANSMISSION, REFLECTION)]
    chosen = (marks[0] & marks[1]).nonzero()[:3, 0]
    seen: list[Tensor] = []

    def keep(block: nn.Module, args: tuple[Tensor, Tensor]) -> None:
        assert isinstance(block, GuidanceBlock)
        features, mask = args
        tokens, anchors = (each.flatten(2).mT for each in (features, features * mask))
        query = split_heads(block.query_proj(anchors), block.num_heads)
        key = split_heads(block.key_proj(tokens), block.num_heads)
        weights = (query @ key.mT * tokens.shape[-1] ** -0.5).softmax(-1).mean(1)
        marked = (mask.flatten(1) > 0).to(weights.dtype)
        mean = (weights * marked[..., None]).sum(1) / marked.sum(1, keepdim=True).clamp(min=1)
        seen.append(mean.unflatten(1, features.shape[2:]) * mean.shape[1])

    blocks = [part for part in model.modules() if isinstance(part, GuidanceBlock)]
    handles = [block.register_forward_pre_hook(keep) for block in blocks]
    with torch.no_grad():
        model(batch.images[chosen], batch.guidance[chosen])
    for handle in handles:
        handle.remove()
    figure, axes = panels.grid(len(chosen), 4, 1.9, 1.75)
    titles = ("through glass", "guidance", "for the scene", "for the reflection")
    ends = float(torch.stack(seen).min()), float(torch.stack(seen).max())
    for row, index in enumerate(chosen.tolist()):
        shown = (batch.images[index], batch.guidance[index, 0], seen[0][row], seen[1][row])
        for column, values in enumerate(shown):
            low, high = (0.0, 1.0) if column < 2 else ends
            title = titles[column] if row == 0 else ""
            drawn = panels.show(axes[row, column], values, title, low=low, high=high)
    figure.colorbar(drawn, ax=axes[:, 3], label="attention over even")
    saved_small(figure, path)
