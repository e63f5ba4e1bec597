"""What the paper promises and a machine can check."""

from __future__ import annotations

import torch

from zoo import Measurement
from zoo_activity.pisa.actr import base_level
from zoo_activity.pisa.config import PISAConfig
from zoo_activity.pisa.network import PISA, example
from zoo_activity.pisa.sessions import Sessions

_SMALL = PISAConfig(num_items=30, dim=16, max_length=5, session_length=6, num_favorites=4)


def check_base_level() -> Measurement:
    """One more play, and a play moved later, for 200 random tracks: the smallest change of the base level."""
    generator = torch.Generator().manual_seed(0)
    plays = torch.rand(200, 4, generator=generator, dtype=torch.float64) * 9e4
    reference = 1e5
    before = base_level(plays, reference)
    more = base_level(torch.cat((plays, plays.mean(1, keepdim=True)), 1), reference) - before
    later = plays.clone()
    later[:, 0] += 1000
    moved = base_level(later, reference) - before
    return Measurement(
        f"a play more adds {float(more.min()):.3g} at least, a play 1000 s later {float(moved.min()):.3g}",
        bool((more > 0).all()) and bool((moved > 0).all()),
    )


def check_distribution() -> Measurement:
    """Weights of random sessions for three exponents: their sum, sign, and the two ends."""
    torch.manual_seed(0)
    ids = torch.randint(1, 31, (50, 6))
    bll, spread = torch.rand(50, 6), torch.rand(50, 6)
    found = {}
    for exponent in (0.0, 0.5, 1.0):
        layer = Sessions(PISAConfig(num_items=30, dim=16, session_length=6, flatten=exponent))
        with torch.no_grad():
            layer.components.copy_(torch.tensor([0.1, 0.7, 0.3]))  # type: ignore[union-attr]
            layer.items.copy_(torch.randn(30, 16, generator=torch.Generator().manual_seed(1)))
            embedded = layer.embed(ids)
            found[exponent] = layer.weights(embedded, bll, spread)
    others = embedded.sum(1, keepdim=True) - embedded
    raw = 0.1 * bll + 0.7 * spread + 0.3 * (embedded * others).sum(-1).relu()
    off = max(float((weights.sum(-1) - 1).abs().max()) for weights in found.values())
    low = min(float(weights.min()) for weights in found.values())
    uniform = float((found[0.0] - 1 / 6).abs().max())
    ratio = float((found[1.0] - raw / raw.sum(-1, keepdim=True)).abs().max())
    return Measurement(
        f"sums off 1 by {off:.1g}, smallest {low:.2g}; g = 0 off the uniform by {uniform:.1g}, g = 1 off raw shares by "
        f"{ratio:.1g}",
        off < 1e-5 and low > 0 and uniform < 1e-6 and ratio < 1e-5,
    )


def check_causal() -> Measurement:
    """Exchange the sessions after each step, and the step itself; the representation until then."""
    torch.manual_seed(0)
    model = PISA(_SMALL).eval()
    call = example(_SMALL, 3)
    call["seq_ids"][0, 0] = 1
    before, after, own = model(**call).st_rep, 0.0, []
    for step in range(5):
        other = dict(call)
        for name in ("seq_ids", "seq_bll", "seq_spread"):
            other[name] = call[name].clone()
            other[name][:, step:] = example(_SMALL, 3, seed=1)[name][:, step:]
        change = (model(**other).st_rep - before).detach().abs().amax((0, 2))
        after = max(after, float(change[:step].max()) if step else 0.0)
        own.append(float(change[step]))
    return Measurement(
        f"changed by {after:g} before the exchange, by {min(own):.2g} at it", after == 0 and min(own) > 1e-3
    )


def check_repeats() -> Measurement:
    """How far users' favourites lie above the other tracks, without and with the long-term term."""
    margins = []
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        model = PISA(PISAConfig(num_items=200, dim=32, max_length=5, session_length=6, num_favorites=4)).eval()
        model.config.lambda_ls = weight
        call = example(model.config, 20)
        scores = model(**call).scores.detach()
        heard = torch.zeros_like(scores, dtype=torch.bool).scatter(1, call["fav_ids"] - 1, True)
        margins.append(float(scores[heard].mean() - scores[~heard].mean()))
    return Measurement(
        f"mean score of favourites above the others' {margins[0]:.3f} without, {margins[1]:.3f} with lambda_ls = 0.5",
        margins[1] > margins[0] + 0.05,
        "untrained embeddings of random tracks",
    )
