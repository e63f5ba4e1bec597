"""The world: a grid of three rooms and a hall, two agents, and what each of them sees."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

Cell = tuple[int, int]
"""(column, row), from the upper left."""

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
ROOMS = 3


@dataclass(frozen=True)
class Grid:
    """Outer walls, three rooms side by side above, a hall below; each room has one door to the hall.

    Args:
        width, height: cells.
        rooms: the cells of every room.
        doors: the door of every room, in the wall above the hall.
        hall: its cells.
    """

    width: int
    height: int
    rooms: tuple[frozenset[Cell], ...]
    doors: tuple[Cell, ...]
    hall: frozenset[Cell]

    def open_cells(self) -> frozenset[Cell]:
        """Where one can walk."""
        return self.hall.union(self.doors, *self.rooms)


def make_grid(width: int, height: int, random_: random.Random) -> Grid:
    """A grid whose doors are drawn."""
    edges = [round(index * (width - 1) / ROOMS) for index in range(ROOMS + 1)]
    wall = (height - 1) // 2
    rooms = tuple(
        frozenset((x, y) for x in range(left + 1, right) for y in range(1, wall)) for left, right in pairwise(edges)
    )
    doors = tuple((random_.choice(sorted({x for x, _ in room})), wall) for room in rooms)
    hall = frozenset((x, y) for x in range(1, width - 1) for y in range(wall + 1, height - 1))
    return Grid(width, height, rooms, doors, hall)


@dataclass(frozen=True)
class Frame:
    """One moment.

    Args:
        protagonist, other: where they stand.
        closed: whether the door of the protagonist's room is closed.
    """

    protagonist: Cell
    other: Cell
    closed: bool


@dataclass(frozen=True)
class Story:
    """What happens in a clip, but for the door.

    Args:
        grid: the world.
        room_colours: of every room.
        protagonist, other: colours of the agents.
        room_p, room_a, room_b: indices of the protagonist's room, and of the rooms that the other is in first and last.
        nodes: frame numbers: both in the hall, both in their rooms, the other sets off, the end.
        paths: places of (protagonist, other), frame by frame.
    """

    grid: Grid
    room_colours: tuple[str, ...]
    protagonist: str
    other: str
    room_p: int
    room_a: int
    room_b: int
    nodes: tuple[int, int, int, int]
    paths: tuple[tuple[Cell, Cell], ...]

    def frames(self, *, closes: bool) -> list[Frame]:
        """The clip; the protagonist's door closes after the second node, or stays open."""
        return [
            Frame(protagonist, other, closes and index > self.nodes[1])
            for index, (protagonist, other) in enumerate(self.paths)
        ]


def tell(width: int, height: int, random_: random.Random) -> Story:
    """Draw a story."""
    grid = make_grid(width, height, random_)
    protagonist, other, *rooms = random_.sample(COLOURS, ROOMS + 2)
    room_colours = tuple(rooms)
    room_p, room_a, room_b = random_.sample(range(ROOMS), ROOMS)
    start, start_other = random_.sample(sorted(grid.hall), 2)
    inside, place_a, place_b = (random_.choice(sorted(grid.rooms[room])) for room in (room_p, room_a, room_b))
    first, second = shortest_path(grid, start, inside), shortest_path(grid, start_other, place_a)
    arrived = max(len(first), len(second)) - 1
    pause = 3
    move = shortest_path(grid, place_a, place_b)
    paths = [(first[min(step, len(first) - 1)], second[min(step, len(second) - 1)]) for step in range(arrived + 1)]
    paths += [(inside, place_a)] * pause
    paths += [(inside, cell) for cell in move[1:]]
    nodes = (0, arrived, arrived + pause, len(paths) - 1)
    return Story(grid, room_colours, protagonist, other, room_p, room_a, room_b, nodes, tuple(paths))


def shortest_path(grid: Grid, start: Cell, goal: Cell) -> list[Cell]:
    """Cells from start to goal, both among them, with all doors open."""
    free, came = grid.open_cells(), {start: start}
    queue = deque([start])
    while queue:
        x, y = cell = queue.popleft()
        for step in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if step in free and step not in came:
                came[step] = cell
                queue.append(step)
    path = [goal]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]


def visible(story: Story, frame: Frame) -> frozenset[Cell]:
    """What the protagonist sees: all of the world, or behind its closed door its own room with its walls."""
    everything = frozenset((x, y) for x in range(story.grid.width) for y in range(story.grid.height))
    room = story.grid.rooms[story.room_p]
    if not frame.closed or frame.protagonist not in room:
        return everything
    around = {(x + dx, y + dy) for x, y in room for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
    return frozenset(around)


def room_of(story: Story, cell: Cell) -> int | None:
    """The room that a cell lies in, None in the hall or a door."""
    return next((index for index, room in enumerate(story.grid.rooms) if cell in room), None)
