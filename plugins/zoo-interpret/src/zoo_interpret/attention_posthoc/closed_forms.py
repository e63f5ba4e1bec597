"""Gradient and LIME of the classifier by formula, for a whole batch of documents."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.errors import InputError
from zoo_interpret.attention_posthoc.classifier import MultiHeadClassifier

CLS_ID, UNK_ID = 0, 1


def gradient(
    model: MultiHeadClassifier, input_ids: Tensor, explained_class: int, attn_mask: Tensor | None = None
) -> Tensor:
    """d f_c / d e (N, T, d) with the query of [CLS] held constant, which is exact at every position but the first."""
    direction = class_direction(model, explained_class)
    with torch.no_grad():
        parts = model.parts(model.embedding(input_ids), attn_mask)
        values = torch.einsum("nhto,ho->nht", parts.value, direction)
        centred = values - (parts.attention * values).sum(-1, keepdim=True)
        through_values = torch.einsum("hod,ho->hd", model.weight("value"), direction)
        through_keys = torch.einsum("had,nha->nhd", model.weight("key"), parts.query) * model.scaling
        found = torch.einsum("nht,hd->ntd", parts.attention, through_values)
        found += torch.einsum("nht,nhd->ntd", parts.attention * centred, through_keys)
    return found / len(model.heads)


def autograd_gradient(
    model: MultiHeadClassifier, input_ids: Tensor, explained_class: int, *, constant_query: bool = False
) -> Tensor:
    """d f_c / d e (N, T, d) by automatic differentiation; ``constant_query`` cuts the path through [CLS]'s query."""
    with torch.enable_grad():
        embedded = model.embedding(input_ids).detach().requires_grad_()
        query_states = embedded[:, 0].detach() if constant_query else None
        scores = model.scores(model.parts(embedded, query_states=query_states))
        (found,) = torch.autograd.grad(scores[:, explained_class].sum(), embedded)
    return found


def lime_positions(
    model: MultiHeadClassifier,
    input_ids: Tensor,
    explained_class: int,
    *,
    factor: float = 1.5,
    unk_id: int = UNK_ID,
    attn_mask: Tensor | None = None,
) -> Tensor:
    """What every position adds to LIME's coefficient of its word, (N, T).

    Args:
        model, input_ids, explained_class, attn_mask: as above.
        factor: 3/2 where UNK gets little attention, so that the other words share what removed ones leave; 1 where
            attention is almost uniform.
        unk_id: what removed words become.
    """
    direction = class_direction(model, explained_class)
    unknown = torch.full_like(input_ids, unk_id)
    unknown[:, 0] = input_ids[:, 0]
    with torch.no_grad():
        kept, removed = (
            torch.einsum("nht,nhto,ho->nt", parts.attention, parts.value, direction)
            for parts in (model.parts(model.embedding(ids), attn_mask) for ids in (input_ids, unknown))
        )
    return factor * (kept - removed) / len(model.heads)


def lime_tokens(positions: Tensor, input_ids: Tensor, vocab_size: int) -> Tensor:
    """Sums of ``lime_positions`` over the occurrences of every word but [CLS] at the front, (N, vocabulary)."""
    sums = positions.new_zeros(len(input_ids), vocab_size)
    return sums.scatter_add_(1, input_ids[:, 1:], positions[:, 1:])


def class_direction(model: MultiHeadClassifier, explained_class: int) -> Tensor:
    """Row c of every head's classifier, (H, d_out).

    Raises:
        InputError: there is no such class.
    """
    if not 0 <= explained_class < model.config.num_classes:
        raise InputError(f"explained_class={explained_class}: the classifier has {model.config.num_classes} classes")
    return model.weight("classifier")[:, explained_class].detach()
