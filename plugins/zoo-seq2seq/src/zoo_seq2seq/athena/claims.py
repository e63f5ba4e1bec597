"""Checks of the paper's claims."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from zoo import Measurement
from zoo.nn.descent import descend
from zoo_seq2seq.athena.config import AthenaConfig
from zoo_seq2seq.athena.expansion import Candidate, Expander
from zoo_seq2seq.athena.layers import Aggregate
from zoo_seq2seq.athena.network import Athena
from zoo_seq2seq.athena.thoughts import AGGREGATES, Thought, aggregate, number, parse


def _round_of(target: Thought, numbers: int, transforms: tuple[str, ...], most: int) -> int | None:
    """The round in which unpruned expansion makes a thought."""
    expander = Expander(numbers, transforms=transforms)
    while expander.round < most:
        made = [each.thought for each in expander.candidates()]
        if target in made:
            return expander.round
        expander.keep(made)
    return None


def check_closure() -> Measurement:
    """Rounds in which expressions are made by expansion without pruning."""
    cases = {
        "n0 + n1 * n2": (3, (), 4),
        "( n0 + n1 ) * n2": (3, (), 4),
        "n0 - n1": (2, ("NEG", "INV"), 2),
        "n1 / n0": (2, ("NEG", "INV"), 2),
        "n0 - n0 / n1": (2, ("NEG", "INV"), 4),
    }
    found = {text: _round_of(parse(text), *options[:2], 5) for text, options in cases.items()}
    return Measurement(
        ", ".join(f"{text} in round {at}" for text, at in found.items()),
        all(found[text] == options[2] for text, options in cases.items()),
        "with only the transforms that an expression needs, since expansion without pruning explodes",
    )


def check_canonical() -> Measurement:
    """Equality and hashes of sums and products in any order and grouping, and of those that differ."""
    a, b, c = (number(index) for index in range(3))
    equal = differ = 0
    for op, other in (AGGREGATES, AGGREGATES[::-1]):
        pairs = [(aggregate(op, a, b), aggregate(op, b, a))]
        pairs.append((aggregate(op, aggregate(op, a, b), c), aggregate(op, a, aggregate(op, b, c))))
        equal += sum(one == two and hash(one) == hash(two) for one, two in pairs)
        differ += aggregate(op, aggregate(other, a, b), c) != aggregate(op, a, aggregate(other, b, c))
        differ += aggregate(op, a, a) != a
    made = [each.thought for each in _second_round()]
    return Measurement(
        f"{equal} of 4 pairs equal, {differ} of 4 different; {len(made)} thoughts of the second round, "
        f"{len(set(made))} of them different",
        equal == 4 and differ == 4 and len(set(made)) == len(made),
    )


def _second_round() -> list[Candidate]:
    expander = Expander(3)
    for _ in range(2):
        expander.keep([each.thought for each in expander.candidates()])
    return expander.candidates()


def check_symmetric() -> Measurement:
    """Embeddings of pairs in both orders, with either norm."""
    worst = 0.0
    for norm in ("pre", "post"):
        torch.manual_seed(0)
        layer = Aggregate(AthenaConfig(32, num_heads=4, ff_size=64, norm=norm)).eval()
        kept, pairs = torch.randn(6, 32), torch.tensor([[0, 1], [2, 5], [3, 3], [4, 0]])
        with torch.no_grad():
            one, other = layer(kept, pairs), layer(kept, pairs.flip(1))
            moved = float((layer(kept, pairs[[1, 2, 3, 0]]) - one).abs().max())
        worst = max(worst, float((one - other).abs().max()))
    return Measurement(f"at most {worst:.1e}; other pairs differ by {moved:.1f}", worst < 1e-6 < moved)


_EQUATIONS = ("n0 + n1", "n0 - n1", "n0 * n1", "n0 / n1")


def _problems(count: int, seed: int) -> list[tuple[Tensor, str]]:
    """States of six tokens: the first says the operation, numbers stand at 2 and 4, the question at 5."""
    random_, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        kind = random_.randrange(4)
        features = torch.randn(6, 16, generator=generator)
        features[[0, 5]] = 0.0
        features[[0, 5], kind] = 4.0
        # Places of numbers are marked, as positions mark them in a language model.
        features[[2, 4], 8:] = torch.eye(8)[:2] * 4
        found.append((features, _EQUATIONS[kind]))
    return found


def check_learns_to_prune() -> Measurement:
    """Toy problems: whether thoughts are kept rightly, and problems solved, after 200 steps of four problems."""
    torch.manual_seed(0)
    model = Athena(AthenaConfig(16, num_heads=4, ff_size=64, max_depth=4, dropout=0.0))
    data = _problems(800, 0)

    def loss_of(start: int) -> Tensor:
        return torch.stack([model.supervise(x, [2, 4], [5], text).loss for x, text in data[start : start + 4]]).mean()

    descend(model, range(0, len(data), 4), loss_of, torch.optim.AdamW(model.parameters(), 3e-3))
    right = judged = solved = candidates = 0
    for features, text in _problems(100, 1):
        with torch.no_grad():
            taught = model.supervise(features, [2, 4], [5], text)
        for logits, target in zip(taught.course.round_logits, taught.targets, strict=True):
            right += int(((logits > 0) == (target > 0)).sum())
            judged += len(target)
        course = model.solve(features, [2, 4], [5])
        solved += course.answer == parse(text)
        candidates += sum(map(len, course.rounds))
    return Measurement(
        f"{right / judged:.1%} of thoughts kept or dropped rightly, {solved}% of problems solved with "
        f"{candidates / 100:.0f} thoughts each",
        right / judged > 0.95 and solved > 95,
    )
