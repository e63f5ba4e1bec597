"""A task that the matching-token pattern solves: do the two contexts share a word?"""

from __future__ import annotations

import torch
from torch import Tensor

from zoo_interpret.attention_pattern_injection.config import SegmentationConfig

SIDE = 5


def tiny_config(*, heads_per_pattern: int) -> SegmentationConfig:
    """A network of two layers and four heads for the task."""
    return SegmentationConfig(
        vocab_size=63,
        dim=32,
        num_layers=2,
        num_heads=4,
        hidden_dim=64,
        max_length=2 * SIDE + 2,
        dropout=0.0,
        cls_id=1,
        sep_id=2,
        heads_per_pattern=heads_per_pattern,
        head_dim=32,
    )


def shared_word(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Pairs of contexts of five different words each; in half of them one word of the left stands on the right too.

    Returns:
        ``input_ids`` and ``token_type_ids`` (count, 12), and ``labels`` (count,), 1 where nothing is shared, a
        boundary.
    """
    words = torch.rand(count, 60, generator=generator).argsort(1)[:, : 2 * SIDE] + 3
    shared = torch.arange(count) % 2 == 0
    source = torch.randint(SIDE, (count,), generator=generator)
    place = SIDE + torch.randint(SIDE, (count,), generator=generator)
    rows = torch.arange(count)
    words[rows[shared], place[shared]] = words[rows[shared], source[shared]]
    ends = torch.tensor([1, 2]).expand(count, -1)
    ids = torch.cat((ends[:, :1], words[:, :SIDE], ends[:, 1:], words[:, SIDE:]), 1)
    types = (torch.arange(2 * SIDE + 2) > SIDE).long().expand(count, -1).clone()
    return {"input_ids": ids, "token_type_ids": types, "labels": (~shared).float()}
