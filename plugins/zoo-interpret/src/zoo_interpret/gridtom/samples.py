"""Samples with the data set's annotation fields, and the data that probes are trained on."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.targets import require
from zoo_interpret.gridtom.rendering import render_clip
from zoo_interpret.gridtom.world import Story, tell

CONDITIONS = ("TrueBelief", "FalseBelief")
PROBE_SAMPLES = 148
FRAMES_PER_SECOND = 3


@dataclass(frozen=True)
class Sample:
    """A story and what is asked about it.

    Args:
        index: its number.
        story: what happens.
    """

    index: int
    story: Story

    @property
    def nodes(self) -> tuple[int, int, int, int]:
        """Frame numbers of the events."""
        return self.story.nodes

    @property
    def key_frames(self) -> tuple[int, ...]:
        """The nodes and the middles between them, seven frames."""
        a, b, c, d = self.nodes
        return a, (a + b) // 2, b, (b + c) // 2, c, (c + d) // 2, d

    def annotations(self) -> dict[str, Any]:
        """The data set's fields, ready for JSON."""
        story = self.story
        rooms = {"P": story.room_p, "A": story.room_a, "B": story.room_b}
        n0, n1, n2, n3 = self.nodes
        a, p = story.room_colours[story.room_a], story.room_colours[story.room_p]
        return {
            "index": self.index,
            "nodes": list(self.nodes),
            "key_frames": list(self.key_frames),
            "colors": {
                "rooms": {name: story.room_colours[room] for name, room in rooms.items()},
                "agents": [story.protagonist, story.other],
                "protagonist": story.protagonist,
            },
            "init_env_desc": (
                f"There are a {', a '.join(story.room_colours)} room and a hall. A {story.protagonist} and a "
                f"{story.other} agent stand in the hall. Agents see the whole world unless a door is closed before "
                "them."
            ),
            "init_belief": [
                {"question": f"which room does the {story.protagonist} agent enter?", "answer": p, "section": [n0, n1]},
                {"question": f"which room does the {story.other} agent enter?", "answer": a, "section": [n0, n1]},
                {
                    "question": f"which room does the {story.other} agent enter in the end?",
                    "answer": story.room_colours[story.room_b],
                    "section": [n2, n3],
                },
            ],
            "env_desc": (
                f"The {story.protagonist} agent enters the {p} room and the {story.other} agent enters the {a} room."
            ),
            "first_order_belief": [self.belief(condition, "first") for condition in CONDITIONS],
            "second_order_belief": [self.belief(condition, "second") for condition in CONDITIONS],
        }

    def belief(self, condition: str, order: str = "first") -> dict[str, Any]:
        """The question about one condition: type, caption, question, options, answer, belief_true, belief_false."""
        story = self.story
        a, b = story.room_colours[story.room_a], story.room_colours[story.room_b]
        believed, not_believed = (b, a) if condition == "TrueBelief" else (a, b)
        asked = f"in which room does {story.protagonist} think {story.other} is?"
        stated = f"the {story.protagonist} agent believes the {story.other} agent is in the {{}} room"
        if order == "second":
            # The other agent walks by the protagonist's door, and knows what can be seen from behind it.
            asked = f"in which room does {story.other} think that {story.protagonist} thinks {story.other} is?"
            stated = f"the {story.other} agent believes that {stated}"
        return {
            "type": condition,
            "caption": self.caption(condition),
            "question": asked,
            "options": sorted((a, b)),
            "answer": believed,
            "belief_true": stated.format(believed),
            "belief_false": stated.format(not_believed),
        }

    def caption(self, condition: str) -> str:
        """What happens, in words."""
        story = self.story
        a, b, p = (story.room_colours[room] for room in (story.room_a, story.room_b, story.room_p))
        moved = f"the {story.other} agent moves from the {a} room to the {b} room"
        told = f"The {story.protagonist} agent enters the {p} room and the {story.other} agent enters the {a} room. "
        if condition == "TrueBelief":
            return (
                f"{told}The door of the {p} room stays open. Then {moved}, and the {story.protagonist} agent sees it."
            )
        return f"{told}The door of the {p} room closes. The {story.protagonist} agent is unable to know that {moved}."

    def frames(self, condition: str, *, view: str = "full", cell: int = 32, key: bool = True) -> np.ndarray:
        """(frames, height, width, 3) uint8.

        Args:
            condition: one of ``CONDITIONS``.
            view: "full" or "protagonist".
            cell: side of a cell, pixels.
            key: only the seven key frames.
        """
        return render_clip(
            self.story,
            closes=condition == "FalseBelief",
            cell=cell,
            protagonist_view=view == "protagonist",
            only=self.key_frames if key else None,
        )


def make_samples(count: int, *, width: int = 10, height: int = 7, seed: int = 0) -> list[Sample]:
    """Draw samples; the first of a longer list are those of a shorter one."""
    return [Sample(index, tell(width, height, random.Random(f"{seed}/{index}"))) for index in range(count)]


@dataclass(frozen=True)
class Statement:
    """One clip with one statement about it.

    Args:
        sample, condition: the clip.
        view: "full" or "protagonist".
        text: caption and statement.
        protagonist: whether the statement is what the agent believes.
        oracle: whether it is so in the world.
    """

    sample: Sample
    condition: str
    view: str
    text: str
    protagonist: bool
    oracle: bool


def split(samples: Sequence[Sample], held: int = PROBE_SAMPLES) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """(for evaluation, for probes): the last ones are for probes."""
    return samples[: max(len(samples) - held, 0)], samples[max(len(samples) - held, 0) :]


def probe_data(samples: Sequence[Sample], order: str = "first") -> list[Statement]:
    """Every sample with both conditions and both statements.

    A false belief's clip is the protagonist's view for the statement that it believes, and else the full view.
    """
    found = []
    for sample in samples:
        for condition in CONDITIONS:
            belief = sample.belief(condition, order)
            for believed in (True, False):
                view = "protagonist" if condition == "FalseBelief" and believed else "full"
                statement = belief["belief_true" if believed else "belief_false"]
                text = f"{belief['caption']} Statement: {statement}."
                oracle = (condition == "TrueBelief") == believed
                found.append(Statement(sample, condition, view, text, believed, oracle))
    return found


def write_sample(sample: Sample, folder: str | Path, *, cell: int = 32) -> None:
    """A folder per view and condition with a picture per frame and the clip (GIF, 3 frames a second); annotations."""
    image = require("PIL.Image", needed_by="writing clips")
    folder = Path(folder)
    for condition in CONDITIONS:
        for view, name in (("full", "full"), ("protagonist", "protagonist_pov")):
            place = folder / condition / name
            place.mkdir(parents=True, exist_ok=True)
            pictures = [image.fromarray(frame) for frame in sample.frames(condition, view=view, cell=cell, key=False)]
            for index, picture in enumerate(pictures):
                picture.save(place / f"{index:03d}.png")
            clip = place.parent / f"{name}.gif"
            pictures[0].save(clip, save_all=True, append_images=pictures[1:], duration=1000 // FRAMES_PER_SECOND)
    (folder / "annotations.json").write_text(json.dumps(sample.annotations(), indent=1), encoding="utf-8")
