"""The course of small trainings."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo_vision.descent import descend


def trained(**options):
    """A line fitted to y = 2 x: what it is then, and the lines of the log."""
    torch.manual_seed(0)
    model, lines = nn.Linear(1, 1), []
    points = torch.linspace(-1, 1, 8)[:, None]
    optimiser = torch.optim.SGD(model.parameters(), 0.5, momentum=0.5)
    rates = []

    def loss_of(step):
        rates.append(optimiser.param_groups[0]["lr"])
        return (model(points) - 2 * points).square().mean()

    descend(model, range(40), loss_of, optimiser, steps=40, log=lines.append, log_every=20, **options)
    return model, lines, rates


@pytest.mark.parametrize("course", ["one-cycle", "cosine", "constant"])
def test_every_course_fits_a_line_and_tells_how_far_it_is(course):
    model, lines, rates = trained(course=course)
    assert model.weight.item() == pytest.approx(2, abs=0.1)
    assert not model.training
    assert [line.split(":")[0] for line in lines] == ["step 0 of 40", "step 20 of 40"]
    assert max(rates) == pytest.approx(0.5)
    assert (rates[-1] < 0.01) == (course != "constant")
    assert (rates[0] < 0.1) == (course == "one-cycle")


def test_clipped_gradients_move_less():
    free, clipped = (abs(trained(course="constant", clip=clip)[0].weight.item()) for clip in (None, 1e-4))
    assert clipped < 0.9 < free


def test_cosine_ends_at_the_lowest_rate():
    assert trained(course="cosine", lowest=0.3)[2][-1] == pytest.approx(0.3, abs=0.01)
