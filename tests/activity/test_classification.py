"""Scores of classifiers, by hand."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import InputError
from zoo_activity.classification import accuracy, macro_f1


def test_by_hand():
    predicted, truth = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 1, 1, 1, 0])
    assert accuracy(predicted, truth) == pytest.approx(3 / 5)
    # F1: class 0 has 1 TP, 1 FP, 1 FN: 1/2; class 1 2 TP, 0 FP, 1 FN: 4/5; class 2 0; class 3 is nowhere.
    assert macro_f1(predicted, truth, 4) == pytest.approx((0.5 + 0.8 + 0) / 3)


def test_what_does_not_fit_is_refused():
    for wrong in (torch.zeros(3), torch.zeros(0), torch.zeros(2, 2)):
        with pytest.raises(InputError, match="predicted"):
            accuracy(wrong, torch.zeros(0) if not len(wrong) else torch.zeros(2))
