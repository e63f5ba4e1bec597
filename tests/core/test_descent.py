"""The course of small trainings."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.nn.descent import descend, one_cycle, shuffled


def trained(rates_of=lambda optimizer: None, **options):
    """A line fitted to y = 2 x in 40 steps: what it is then, losses, lines of the log, and the rate of each step."""
    torch.manual_seed(0)
    model, lines, rates = nn.Linear(1, 1).eval(), [], []
    points = torch.linspace(-1, 1, 8)[:, None]
    optimizer = torch.optim.SGD(model.parameters(), 0.5, momentum=0.5)

    def loss_of(step):
        assert model.training
        rates.append(optimizer.param_groups[0]["lr"])
        return (model(points) - 2 * points).square().mean()

    losses = descend(
        model, range(40), loss_of, optimizer, rates=rates_of(optimizer), log=lines.append, log_every=20, **options
    )
    return model, losses, lines, rates


def test_fits_a_line_at_a_constant_rate_and_tells_how_far_it_is():
    model, losses, lines, rates = trained()
    assert model.weight.item() == pytest.approx(2, abs=0.01)
    assert not model.training
    assert len(losses) == 40
    assert losses[-1] < 1e-3 < losses[0]
    assert lines == [f"step {step}: loss {sum(losses[step - 20 : step]) / 20:.4g}" for step in (20, 40)]
    assert set(rates) == {0.5}


def test_one_cycle_rises_to_the_rate_of_the_optimizer_and_falls():
    model, _, _, rates = trained(lambda optimizer: one_cycle(optimizer, 40))
    assert model.weight.item() == pytest.approx(2, abs=0.1)
    assert rates[0] == pytest.approx(0.5 / 25)
    assert max(rates) == rates[3] == pytest.approx(0.5)
    assert rates[-1] < 1e-4


def test_one_cycle_keeps_the_ratio_of_groups():
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": weights[:1], "lr": 1e-2}, {"params": weights[1:], "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups)
    schedule = one_cycle(optimizer, 20, cycle_momentum=False)
    for _ in range(5):
        optimizer.step()
        schedule.step()
        fast, slow = optimizer.param_groups
        assert fast["lr"] == pytest.approx(10 * slow["lr"])
        assert fast["betas"] == (0.9, 0.999)


def test_clipped_gradients_move_less():
    free, clipped = (abs(trained(clip=clip)[0].weight.item()) for clip in (None, 1e-4))
    assert clipped < 0.9 < free


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_every_row_comes_once_an_epoch_in_another_order(drop_last, sizes):
    batches = list(shuffled(10, 4, 2, torch.Generator().manual_seed(0), drop_last=drop_last))
    assert [len(batch) for batch in batches] == 2 * sizes
    first, second = (torch.cat(part) for part in (batches[: len(sizes)], batches[len(sizes) :]))
    assert len(first.unique()) == len(second.unique()) == sum(sizes)
    assert not torch.equal(first, second)
