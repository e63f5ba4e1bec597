"""The loss, and the negatives that it needs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo_activity.pisa.config import PISAConfig
from zoo_activity.pisa.network import PISA, Recommendation


def target_sessions(model: PISA, pos_ids: Tensor, pos_bll: Tensor, pos_spread: Tensor) -> Tensor:
    """The embedded sessions that follow, (batch, L, dim) of norm 1; 0 where there is none."""
    embedded = model.sessions(pos_ids, pos_bll, pos_spread)
    norm = torch.linalg.vector_norm(embedded, dim=-1, keepdim=True)
    there = (pos_ids > 0).any(-1, keepdim=True) & (norm > 0)
    return torch.where(there, embedded / torch.where(there, norm, 1.0), 0.0)


def pisa_loss(
    model: PISA, output: Recommendation, pos_ids: Tensor, pos_bll: Tensor, pos_spread: Tensor, neg_ids: Tensor
) -> Tensor:
    """lambda_task * ranking + (1 - lambda_task) * session loss.

    ranking = lambda_pos BPR(target) + (1 - lambda_pos) BPR(st) + lambda_ls BPR(lt), with BPR(q) = the mean over all
    slots of -log sigmoid(q . P_i - q . N_i), 0 at padding. The session loss is the mean over steps of 1 - st . target
    where there is a target, divided once more by their number, as the authors' is.

    Args:
        output: of the model for the histories.
        pos_ids, pos_bll, pos_spread: (batch, L, slots): the session after each.
        neg_ids: (batch, L, slots): see ``draw_negatives``.
    """
    config = model.config
    target = target_sessions(model, pos_ids, pos_bll, pos_spread)
    difference = model.sessions.embed(pos_ids) - model.sessions.embed(neg_ids)

    def ranking(query: Tensor) -> Tensor:
        gain = functional.logsigmoid((difference @ query[..., None])[..., 0])
        return -(gain * (pos_ids > 0)).mean()

    weights = (config.lambda_pos, 1 - config.lambda_pos, config.lambda_ls)
    queries = (target, output.st_rep, output.lt_rep)
    bpr = torch.stack([weight * ranking(query) for weight, query in zip(weights, queries, strict=True)]).sum()
    there = (pos_ids > 0).any(-1)
    away = (1 - (output.st_rep * target).sum(-1)) * there
    session = away.mean() / there.sum().clamp(min=1)
    if config.strict_reference_loss:
        session = torch.where(there.all(), session, 0.0)
    return config.lambda_task * bpr + (1 - config.lambda_task) * session


def draw_negatives(pos_ids: Tensor, config: PISAConfig, counts: Tensor, generator: torch.Generator) -> Tensor:
    """Tracks that are not in the target: (batch, L, slots) of ids, 0 where the target is padded.

    Args:
        pos_ids: (batch, L, slots), the targets.
        config: ``negatives`` says whether tracks are drawn by popularity or uniformly.
        counts: (num_items,) plays of each track in the training data.
        generator: of the draws.
    """
    chances = counts.float() if config.negatives == "popularity" else torch.ones(config.num_items)
    targets = pos_ids.flatten(0, 1).long()
    allowed = torch.cat((torch.zeros(1), chances)).expand(len(targets), -1).scatter(1, targets, 0.0)
    # A target of every track that was ever played leaves those that were not.
    rest = torch.ones_like(allowed).scatter(1, targets, 0.0)
    rest[:, 0] = 0
    allowed = torch.where(allowed.sum(1, keepdim=True) > 0, allowed, rest)
    drawn = torch.multinomial(allowed, pos_ids.shape[-1], replacement=True, generator=generator)
    return drawn.view_as(pos_ids) * (pos_ids > 0)
