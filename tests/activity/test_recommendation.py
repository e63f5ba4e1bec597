"""Scores of recommendations, by hand."""

from __future__ import annotations

import math

import pytest

from zoo.errors import InputError
from zoo_activity.recommendation import (
    mean_over_users,
    mean_popularity,
    ndcg_at_k,
    recall_at_k,
    repetition_ratio,
    session_scores,
)

RANKED = [5, 3, 8, 1]


def test_by_hand():
    assert recall_at_k(RANKED, [3, 1, 7], 3) == pytest.approx(1 / 3)
    # A hit at rank 2 of three, and 3 true ids: three ideal hits.
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ndcg_at_k(RANKED, [3, 1, 7], 3) == pytest.approx(1 / math.log2(3) / ideal)
    assert ndcg_at_k(RANKED, [5, 3], 4) == 1
    # Fewer places than true ids: a full list is perfect.
    assert ndcg_at_k(RANKED, [5, 3, 8, 9], 2) == 1
    assert repetition_ratio(RANKED, {3, 8, 9}, 3) == pytest.approx(2 / 3)
    assert mean_popularity(RANKED, {5: 10.0, 3: 2.0}, 4) == 3


def test_repeated_and_new_ones_apart():
    found = session_scores(RANKED, [3, 1, 7], heard={3, 7, 5}, k=3)
    assert found["recall_rep"] == 0.5
    assert found["recall_exp"] == 0
    assert found["repetition"] == pytest.approx(2 / 3)
    assert "recall_exp" not in session_scores(RANKED, [3], heard={3}, k=3)


def test_users_weigh_the_same():
    users = [[{"recall": 1.0}, {"recall": 0.0}, {"recall": 0.5, "recall_rep": 0.2}], [{"recall": 0.0}]]
    assert mean_over_users(users) == {"recall": 0.25, "recall_rep": pytest.approx(0.2)}


def test_what_is_not_defined_is_refused():
    for call in (
        lambda: recall_at_k(RANKED, [], 3),
        lambda: ndcg_at_k(RANKED, [1], 0),
        lambda: recall_at_k([1, 1], [1], 2),
        lambda: repetition_ratio([], {1}),
        lambda: mean_popularity([], {}),
    ):
        with pytest.raises(InputError):
            call()
