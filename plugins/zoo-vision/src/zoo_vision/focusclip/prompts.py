"""Texts: what asks a language model for a description of a pose, and what names a class."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from zoo.errors import InputError
from zoo_vision.focusclip.heatmaps import JOINTS

TEMPLATES = {
    "activity": "a photo of a person who is {}",
    "age": "a photo of a person who is {} years old",
    "emotion": "a photo of a person who feels {}",
}


def pose_prompt(activity: str, keypoints: Tensor) -> str:
    """Ask for a description of a pose; inputs are those of the authors, the wording is ours.

    Args:
        activity: what the person does, as MPII labels it.
        keypoints: (16, 3): x and y in pixels, and whether the point is visible.
    """
    if keypoints.shape != (len(JOINTS), 3):
        raise InputError(f"keypoints {list(keypoints.shape)}; expected (16, 3): x, y and whether it is visible")
    rows = zip(JOINTS, keypoints.tolist(), strict=True)
    seen = [f"- {name}: ({round(x)}, {round(y)})" for name, (x, y, visible) in rows if visible > 0]
    return "\n".join(
        (
            f'A person in a photograph is doing this: "{activity}".',
            "Joints in pixels, x to the right and y down; joints that are not listed cannot be seen:",
            *seen,
            "Describe the pose in one paragraph. Say of the head, the torso and each arm and leg how it is held and "
            "bent and where it points. Name left and right as the person's own. Give no numbers.",
        )
    )


def class_prompts(task: str, names: Sequence[str]) -> list[str]:
    """One sentence per class of a task: activity, age or emotion.

    Raises:
        InputError: the task is none of these.
    """
    if task not in TEMPLATES:
        raise InputError(f"no task {task!r}; there are {', '.join(TEMPLATES)}")
    return [TEMPLATES[task].format(name) for name in names]
