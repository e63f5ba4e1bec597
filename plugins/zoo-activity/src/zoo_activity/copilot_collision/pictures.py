"""The pictures of the cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.evidence.plots import new_figure, saved
from zoo_activity.copilot_collision.attention import scores_per_token
from zoo_activity.copilot_collision.claims import PLACES, TIMES, VIEWS, reach
from zoo_activity.copilot_collision.config import ATTENTIONS, CopilotConfig, WorldConfig
from zoo_activity.copilot_collision.world import BODY, HALF, collisions, joint_offsets, label, random_scene, render


def groups(path: Path) -> None:
    """What one token (marked) hears through the attention over time and over space of one block, by gradients."""
    config = CopilotConfig()
    figure = new_figure(figsize=(10, 4.4))
    for name, axis in zip(ATTENTIONS, figure.subplots(1, len(ATTENTIONS)), strict=True):
        # Views below one another; within a view times are rows and places are columns.
        both = np.zeros((VIEWS * TIMES, PLACES))
        parts = ("spatial",) if name == "joint" else ("temporal", "spatial")
        for value, part in zip((1, 2), reversed(parts), strict=False):
            both[reach(name, part).reshape(VIEWS * TIMES, PLACES).numpy()] = value
        axis.imshow(both, cmap="viridis", vmin=-0.3, vmax=2, aspect="auto")
        axis.plot(0, 0, marker="*", color="white", markersize=13)
        for view in range(1, VIEWS):
            axis.axhline(view * TIMES - 0.5, color="white", linewidth=3)
        axis.set_yticks(range(VIEWS * TIMES), [f"view {row // TIMES + 1}, t {row % TIMES + 1}" for row in range(6)])
        axis.set_xticks(range(PLACES), range(1, PLACES + 1))
        axis.set_xlabel("place")
        count = scores_per_token(name, config.num_views, config.num_frames, config.grid**2)
        axis.set_title(f"{name.replace('_', ' ')}\n{count:,} scores a token", fontsize=10)
        if axis is not figure.axes[0]:
            axis.set_yticklabels([])
    figure.suptitle("yellow: over time first; green: over space (scores counted at the paper's size)", fontsize=11)
    saved(figure, path)


def world(path: Path) -> None:
    """A walk of the benchmark from above, what its three cameras see, and the region to be named in each view."""
    config = WorldConfig(image_size=64)
    random = np.random.default_rng(2)
    scene = next(s for s in iter(lambda: random_scene(config, random), None) if len(_seen_hits(config, s)) == 1)
    hit = collisions(config, scene)[1]
    region = label(config, scene)[2].numpy()
    pictures = render(config, scene, scene.place)[0]

    figure = new_figure(figsize=(10, 4.8))
    grid = figure.add_gridspec(2, 5)
    plan = figure.add_subplot(grid[:, :2])
    for box, shade, struck in zip(scene.boxes, scene.shades, hit, strict=True):
        size = box[2:] - box[:2]
        corners = box[0] + size[0] * np.array((0, 1, 1, 0)), box[1] + size[1] * np.array((0, 0, 1, 1))
        plan.fill(*corners, facecolor=shade, edgecolor="red" if struck else "black", linewidth=3 if struck else 1)
    joints = scene.place + joint_offsets(config, scene.heading)
    plan.plot(*joints.T, "o", color="black", markersize=4, label="joints")
    end = scene.place + scene.velocity * config.seconds
    plan.annotate("", end, scene.place, arrowprops={"arrowstyle": "->", "color": "#0072b2", "linewidth": 2})
    plan.set(xlim=(-HALF - BODY, HALF + BODY), ylim=(-HALF - BODY, HALF + BODY), aspect="equal")
    plan.set(xlabel="metres", ylabel="metres", title=f"the next {config.seconds:g} s: red will be hit")
    plan.legend(loc="lower left", fontsize=9)
    for view in range(config.num_views):
        seen = figure.add_subplot(grid[0, 2 + view])
        seen.imshow(pictures[view].transpose(1, 2, 0))
        seen.set_title(f"camera {view + 1}", fontsize=10)
        wanted = figure.add_subplot(grid[1, 2 + view])
        wanted.imshow(region[view], cmap="magma", vmin=0, vmax=region.max())
        wanted.set_title("region to name", fontsize=10)
        for axis in (seen, wanted):
            axis.set_xticks([])
            axis.set_yticks([])
    saved(figure, path)


def _seen_hits(config: WorldConfig, scene: object) -> list[int]:
    """Cameras that see what will be hit."""
    return [view for view, region in enumerate(label(config, scene)[2]) if region.sum() > 0]  # type: ignore[arg-type]
