"""What the paper promises and a machine can check."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import zoo
from zoo import Measurement
from zoo_activity.copilot_collision.attention import Block, scores_per_token, spatial_groups, temporal_groups
from zoo_activity.copilot_collision.config import ATTENTIONS, CopilotConfig

VIEWS, TIMES, PLACES = 3, 2, 4
# What one token's output depends on after one block, of (views, times, places); the class token apart.
REACHED = {
    "joint": VIEWS * TIMES * PLACES,
    # Its own time of every view, and all times of every view, each through one place's temporal attention.
    "cross_view_spatial": VIEWS * TIMES * PLACES,
    "same_view_spatial": VIEWS * TIMES * PLACES,
    "divided": TIMES * PLACES,
}


def reach(attention: str, part: str) -> Tensor:
    """(V, T, N) boolean: which tokens token (0, 0, 0) depends on through a block, or one of its two attentions."""
    torch.manual_seed(0)
    block = Block(CopilotConfig(dim=8, num_heads=2, num_layers=4, attention=attention)).double()
    for weight in block.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    if part == "spatial" and attention != "joint":
        torch.nn.init.zeros_(block.temporal_fc.weight)
    if part == "temporal":
        torch.nn.init.zeros_(block.attn.proj.weight)
    x = torch.randn(1, VIEWS, TIMES, PLACES, 8, dtype=torch.float64, requires_grad=True)
    block(torch.randn(1, 8, dtype=torch.float64), x)[1][0, 0, 0, 0].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().amax(-1) > 0


def _box(views: int, times: int, places: int) -> Tensor:
    """The first views, times and places, a count each."""
    found = torch.zeros(VIEWS, TIMES, PLACES, dtype=torch.bool)
    found[:views, :times, :places] = True
    return found


def check_reach() -> Measurement:
    """Gradients of one token in 3 views, 2 times and 4 places, after one block and after each attention alone."""
    spatial = {
        "joint": _box(VIEWS, TIMES, PLACES),
        "cross_view_spatial": _box(VIEWS, 1, PLACES),
        "same_view_spatial": _box(1, 1, PLACES),
        "divided": _box(1, 1, PLACES),
    }
    temporal = {
        "cross_view_spatial": _box(1, TIMES, 1),
        "same_view_spatial": _box(VIEWS, TIMES, 1),
        "divided": _box(1, TIMES, 1),
    }
    whole = {name: int(reach(name, "block").sum()) for name in ATTENTIONS}
    holds = whole == REACHED
    holds = holds and all(torch.equal(reach(name, "spatial"), expected) for name, expected in spatial.items())
    holds = holds and all(torch.equal(reach(name, "temporal"), expected) for name, expected in temporal.items())
    return Measurement(
        f"of 24 tokens a block reaches {', '.join(f'{count} ({name})' for name, count in whole.items())}; each "
        f"attention alone reaches its group{'' if holds else ' NOT'}",
        holds,
    )


def check_cheaper() -> Measurement:
    """Scores per token at V = 6, T = 5, N = 196, counted in the groups that are formed."""
    x = torch.empty(1, 6, 5, 196, 1, device="meta")
    counted = {}
    for name in ATTENTIONS:
        groups = [spatial_groups(x, name).flatten(0, 1)]
        if name != "joint":
            groups.append(temporal_groups(x, name))
        counted[name] = sum(group.shape[0] * group.shape[1] ** 2 for group in groups) / (6 * 5 * 196)
    stated = {name: scores_per_token(name, 6, 5, 196) for name in ATTENTIONS}
    holds = counted == stated and all(count < counted["joint"] for name, count in counted.items() if name != "joint")
    return Measurement(", ".join(f"{name} {count:.0f}" for name, count in counted.items()), holds)


def check_any_views() -> Measurement:
    """One network on one view and on all of them, and on views in another order; the embedding goes with the view."""
    torch.manual_seed(0)
    model = zoo.load("copilot-collision/tiny", num_views=6).eval()
    with torch.no_grad():
        model.embed.view.normal_()
        video = torch.randn(2, 6, 2, 3, 32, 32)
        whole, one = model(video), model(video[:, 4:5], torch.tensor([4]))
        other = model(video[:, 4:5], torch.tensor([1]))
        order = torch.tensor([3, 1, 5, 0, 2, 4])
        turned = model(video[:, order], order)
    shapes: list[Any] = [list(found.heatmap.shape[:2]) for found in (one, whole)]
    apart = float((turned.heatmap - whole.heatmap[:, order]).abs().max())
    told = float((one.collision - other.collision).abs().max())
    return Measurement(
        f"heatmaps {shapes[0]} and {shapes[1]}; views in another order: {apart:.1e} apart; another mount moves the "
        f"logit by {told:.2g}",
        shapes == [[2, 1], [2, 6]] and apart < 1e-4 < told,
    )
