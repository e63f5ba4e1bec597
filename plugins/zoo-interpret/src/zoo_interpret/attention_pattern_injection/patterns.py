"""The patterns: which keys a query may see. All are (batch, T, T) boolean, row = query."""

from __future__ import annotations

import torch
from torch import Tensor

TASKS = ("summary", "segmentation")


def matching_tokens(ids: Tensor, *, task: str = "summary") -> Tensor:
    """Tokens of the same id.

    For summaries the query itself is not among them, and a query without another sees everything; for segmentation it
    is, so that a token without another sees itself alone.
    """
    same = ids[:, :, None] == ids[:, None, :]
    if task == "segmentation":
        return same
    others = same & ~torch.eye(ids.shape[1], dtype=torch.bool, device=ids.device)
    return others | ~others.any(-1, keepdim=True)


def intra_sentence(ids: Tensor, cls_id: int, sep_id: int) -> Tensor:
    """The query's own sentence, from its [CLS] to its [SEP]; what lies outside of sentences sees nothing."""
    begins, ends = (ids == cls_id).long().cumsum(-1), (ids == sep_id).long().cumsum(-1)
    # A token lies within sentence k if k sentences have begun, and k - 1 have ended before it.
    before = ends - (ids == sep_id).long()
    inside = (begins > 0) & (begins == before + 1)
    number = begins.masked_fill(~inside, 0)
    return (number[:, :, None] == number[:, None, :]) & (number > 0)[:, :, None]


def intra_context(ids: Tensor, sep_id: int) -> Tensor:
    """The query's side of the first [SEP], which belongs to the right; the first token sees everything."""
    right = (ids == sep_id).long().cumsum(-1) > 0
    found = right[:, :, None] == right[:, None, :]
    found[:, 0] = True
    return found


def positional(length: int, ahead: int, *, device: torch.device | None = None) -> Tensor:
    """The next ``ahead`` tokens, or the previous ones where it is negative, (T, T)."""
    places = torch.arange(length, device=device)
    distance = places[None] - places[:, None]
    return (distance >= 1) & (distance <= ahead) if ahead > 0 else (distance <= -1) & (distance >= ahead)


def all_patterns(
    ids: Tensor, *, task: str, cls_id: int, sep_id: int, reach: int = 1, backwards_first: bool | None = None
) -> Tensor:
    """The four patterns in the order of heads, (batch, 4, T, T).

    Args:
        ids: (batch, T).
        task: "summary": matching, intra-sentence, +1, -1; "segmentation": matching, intra-context, -1, +1.
        cls_id, sep_id: ids that delimit sentences.
        reach: tokens ahead and behind.
        backwards_first: -1 before +1; by default as the task has it.
    """
    backwards = task == "segmentation" if backwards_first is None else backwards_first
    ahead = (-reach, reach) if backwards else (reach, -reach)
    intra = intra_context(ids, sep_id) if task == "segmentation" else intra_sentence(ids, cls_id, sep_id)
    near = [positional(ids.shape[1], step, device=ids.device).expand_as(intra) for step in ahead]
    return torch.stack((matching_tokens(ids, task=task), intra, *near), 1)


def by_head(patterns: Tensor, num_heads: int, heads_per_pattern: int) -> Tensor:
    """Patterns (batch, 4, T, T) of all heads (batch, heads, T, T); heads beyond those with patterns see everything."""
    used = patterns.repeat(1, heads_per_pattern, 1, 1)
    batch, count, length, _ = used.shape
    free = torch.ones(batch, num_heads - count, length, length, dtype=torch.bool, device=patterns.device)
    return torch.cat((used, free), 1)
