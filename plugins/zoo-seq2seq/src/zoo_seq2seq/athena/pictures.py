"""The picture of the card."""

from __future__ import annotations

from pathlib import Path

from zoo_seq2seq.athena.expansion import Candidate, Expander
from zoo_seq2seq.athena.thoughts import Thought, parse

PROBLEM = "A box holds 12 eggs. Anna buys 3 boxes, of which 5 eggs are broken. How many are whole?"
NUMBERS, EQUATION = (12, 3, 5), "n0 * n1 - n2"


def expansion(path: Path) -> None:
    """Thoughts about three numbers of a word problem, round by round, and the path to its answer; what a trained
    network drops is left in, because no weights are bundled."""
    from zoo.evidence.plots import new_figure, saved

    goal = parse(EQUATION)
    rounds, chosen = _towards(goal)
    figure = new_figure(figsize=(9.5, 4.6))
    axis = figure.subplots()
    places: dict[Thought, tuple[float, float]] = {}
    for column, candidates in enumerate(rounds):
        shown = [each for each in candidates if each.thought in chosen]
        shown += [each for each in candidates if each.thought not in chosen][: 11 - len(shown)]
        shown.sort(key=candidates.index)
        for row, each in enumerate(shown):
            place = (float(column), -(row - (len(shown) - 1) / 2))
            places.setdefault(each.thought, place)
            on = each.thought in chosen
            text = _readable(each.thought)
            box = {"facecolor": "#d1495b" if on else "0.93", "edgecolor": "none", "boxstyle": "round,pad=0.3"}
            axis.text(*place, text, ha="center", va="center", fontsize=8, color="white" if on else "0.3", bbox=box)
        kind = "numbers" if not column else "transforms" if column % 2 else "sums and products"
        more = f", {len(candidates) - len(shown)} more" if len(candidates) > len(shown) else ""
        axis.text(column, 6.6, f"round {column + 1}\n{kind}{more}", ha="center", fontsize=9)
    for thought in chosen:
        for operand in thought.operands:
            if operand in places:
                start, end = places[operand], places[thought]
                axis.plot([start[0], end[0]], [start[1], end[1]], color="#d1495b", zorder=0)
    axis.set(xlim=(-0.6, len(rounds) - 0.4), ylim=(-6.4, 7.6))
    axis.set_axis_off()
    figure.suptitle(f"{PROBLEM}  {_readable(goal)} = {goal.evaluate(NUMBERS):g}", fontsize=10)
    saved(figure, path)


def _towards(goal: Thought) -> tuple[list[list[Candidate]], set[Thought]]:
    """Candidates of all rounds until the goal is one, where every round keeps parts of it alone; and these parts."""
    wanted = {goal, *goal.parts()}
    expander = Expander(len(NUMBERS))
    rounds: list[list[Candidate]] = []
    while not any(each.thought == goal for found in rounds for each in found):
        candidates = expander.candidates()
        rounds.append(candidates)
        expander.keep([each.thought for each in candidates if each.thought in wanted])
    return rounds, wanted & {each.thought for found in rounds for each in found}


def _readable(thought: Thought) -> str:
    text = str(thought)
    for index, number in enumerate(NUMBERS):
        text = text.replace(f"n{index}", str(number))
    return text.replace(" ** 0.5", "^\u00bd").replace("*", "\u00d7")
