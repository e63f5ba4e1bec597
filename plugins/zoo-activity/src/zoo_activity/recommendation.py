"""Scores of recommended lists, as shares: ids of one list, best first, against the ids that followed.

A session is a set: an id counts once. "Repeated" ids are those that the user had heard before, "new" ones the others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from zoo.errors import InputError


def _require(ranked: Sequence[int], truth: Collection[int], k: int) -> None:
    if k < 1 or not truth:
        raise InputError(f"k={k}, {len(truth)} true ids; expected at least one of both")
    if len(set(ranked[:k])) != len(ranked[:k]):
        raise InputError("an id is recommended twice in one list")


def recall_at_k(ranked: Sequence[int], truth: Collection[int], k: int = 10) -> float:
    """Recall@k = |first k & truth| / |truth|, a share."""
    _require(ranked, truth, k)
    return len(set(ranked[:k]) & set(truth)) / len(set(truth))


def ndcg_at_k(ranked: Sequence[int], truth: Collection[int], k: int = 10) -> float:
    """NDCG@k, a share: sum over ranks r = 1..k of [id r is true] / log2(r + 1), over that of min(k, |truth|) hits."""
    _require(ranked, truth, k)
    wanted = set(truth)
    gain = math.fsum(1 / math.log2(place + 2) for place, item in enumerate(ranked[:k]) if item in wanted)
    return gain / math.fsum(1 / math.log2(place + 2) for place in range(min(k, len(wanted))))


def repetition_ratio(ranked: Sequence[int], heard: Collection[int], k: int = 10) -> float:
    """Share of the first k that the user had heard: |first k & heard| / |first k|; the exploration share is 1 minus."""
    _require(ranked, (0,), k)
    if not ranked:
        raise InputError("an empty list has no repetition ratio")
    return sum(item in heard for item in ranked[:k]) / len(ranked[:k])


def mean_popularity(ranked: Sequence[int], plays: Mapping[int, float], k: int = 10) -> float:
    """Mean over the first k of ``plays``, in the unit of ``plays``; 0 for ids that it lacks."""
    if k < 1 or not ranked:
        raise InputError(f"k={k}, {len(ranked)} ids; expected at least one of both")
    return math.fsum(plays.get(item, 0.0) for item in ranked[:k]) / len(ranked[:k])


def session_scores(
    ranked: Sequence[int], truth: Collection[int], heard: Collection[int], k: int = 10
) -> dict[str, float]:
    """NDCG and recall at k on all true ids, on repeated ("_rep") and on new ones ("_exp"), and the repetition ratio.

    Where a session has no repeated, or no new, ids, those scores are left out.
    """
    parts = {
        "": set(truth),
        "_rep": {item for item in truth if item in heard},
        "_exp": {item for item in truth if item not in heard},
    }
    scores = {"repetition": repetition_ratio(ranked, heard, k)}
    for suffix, wanted in parts.items():
        if wanted or not suffix:
            scores[f"ndcg{suffix}"] = ndcg_at_k(ranked, wanted, k)
            scores[f"recall{suffix}"] = recall_at_k(ranked, wanted, k)
    return scores


def mean_over_users(users: Iterable[Sequence[Mapping[str, float]]]) -> dict[str, float]:
    """Mean over a user's sessions, then over users, of each score, among those that have it."""
    found: dict[str, list[float]] = {}
    for sessions in users:
        for name in sorted({name for scores in sessions for name in scores}):
            own = [scores[name] for scores in sessions if name in scores]
            found.setdefault(name, []).append(math.fsum(own) / len(own))
    return {name: math.fsum(means) / len(means) for name, means in found.items()}
