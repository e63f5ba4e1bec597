"""Pictures of the world, as numpy arrays."""

from __future__ import annotations

import numpy as np

from zoo_interpret.gridtom.world import Cell, Frame, Story, room_of, visible

RGB = {
    "red": (214, 60, 60),
    "green": (60, 170, 80),
    "blue": (60, 100, 214),
    "yellow": (224, 196, 50),
    "purple": (150, 80, 190),
    "orange": (232, 140, 40),
}
WALL, HALL, HIDDEN, DOOR = (70, 70, 70), (235, 235, 235), (20, 20, 20), (120, 84, 50)


def render(story: Story, frame: Frame, *, cell: int = 32, protagonist_view: bool = False) -> np.ndarray:
    """(height * cell, width * cell, 3) uint8.

    Args:
        story, frame: what is shown.
        cell: side of a cell, pixels.
        protagonist_view: leave what the protagonist does not see black.
    """
    grid = story.grid
    picture = np.empty((grid.height * cell, grid.width * cell, 3), np.uint8)
    seen = visible(story, frame) if protagonist_view else None
    for x in range(grid.width):
        for y in range(grid.height):
            patch = picture[y * cell : (y + 1) * cell, x * cell : (x + 1) * cell]
            patch[:] = HIDDEN if seen is not None and (x, y) not in seen else _ground(story, frame, (x, y))
    for colour, place in ((story.protagonist, frame.protagonist), (story.other, frame.other)):
        if seen is None or place in seen:
            _disc(picture, place, cell, RGB[colour])
    return picture


def _ground(story: Story, frame: Frame, place: Cell) -> tuple[int, int, int]:
    room = room_of(story, place)
    if room is not None:
        red, green, blue = RGB[story.room_colours[room]]
        return (red + 2 * 255) // 3, (green + 2 * 255) // 3, (blue + 2 * 255) // 3
    if place in story.grid.doors:
        closed = frame.closed and place == story.grid.doors[story.room_p]
        return DOOR if closed else HALL
    return HALL if place in story.grid.hall else WALL


def _disc(picture: np.ndarray, place: Cell, cell: int, colour: tuple[int, int, int]) -> None:
    middle = (cell - 1) / 2
    y, x = np.mgrid[:cell, :cell]
    inside = (x - middle) ** 2 + (y - middle) ** 2 <= (0.4 * cell) ** 2
    patch = picture[place[1] * cell : (place[1] + 1) * cell, place[0] * cell : (place[0] + 1) * cell]
    patch[inside] = colour


def render_clip(
    story: Story, *, closes: bool, cell: int = 32, protagonist_view: bool = False, only: tuple[int, ...] | None = None
) -> np.ndarray:
    """(frames, height, width, 3) uint8: a whole clip, or only some of its frames."""
    frames = story.frames(closes=closes)
    chosen = range(len(frames)) if only is None else only
    return np.stack([render(story, frames[index], cell=cell, protagonist_view=protagonist_view) for index in chosen])
