"""Walking by the prediction: slow down and turn away where a collision is likely."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from zoo_activity.copilot_collision.config import WorldConfig
from zoo_activity.copilot_collision.network import CollisionForecast
from zoo_activity.copilot_collision.world import Scene, hits, joint_offsets, observe, random_scene

SLOWER, TURN = 0.5, math.radians(45)


def steer(config: WorldConfig, scene: Scene, forecast: CollisionForecast) -> Scene:
    """The scene after one decision: where P(collision) > 0.5, half the speed, turned from the view with most mass.

    The view with the largest peak of its heatmap's softmax, over all views together, is where the collision lies: one
    on the left turns the body to the right. Straight ahead or behind, it turns to the left.
    """
    if float(forecast.collision) <= 0:
        return scene
    mass = forecast.heatmap[0, :, 0].flatten().softmax(0).unflatten(0, (config.num_views, -1)).sum(-1)
    angle = 2 * math.pi * int(mass.argmax()) / config.num_views
    turn = -TURN if 1e-6 < angle < math.pi - 1e-6 else TURN
    heading, speed = scene.heading + turn, SLOWER * float(np.linalg.norm(scene.velocity))
    return Scene(scene.boxes, scene.shades, scene.place, speed * np.array((math.cos(heading), math.sin(heading))))


def walk(
    config: WorldConfig, predict: Callable[[Tensor], CollisionForecast] | None, *, walks: int, steps: int, seed: int
) -> float:
    """Share of walks that collide within a number of frames, a decision at each; None walks straight on.

    Args:
        predict: video (1, V, T, 3, S, S) to a forecast.
        walks, steps, seed: how many, how long (frames), and the scenes.
    """
    random, collided = np.random.default_rng(seed), 0
    for _ in range(walks):
        scene = random_scene(config, random)
        wanted = float(np.linalg.norm(scene.velocity))
        for _ in range(steps):
            if predict is not None:
                # What was slowed down picks up again, where nothing is in the way.
                scene.velocity = scene.velocity / np.linalg.norm(scene.velocity) * wanted
                with torch.no_grad():
                    scene = steer(config, scene, predict(observe(config, scene)[None]))
            scene.place = scene.place + scene.velocity / config.frame_rate
            if hits(scene.boxes, scene.place + joint_offsets(config, scene.heading)).any():
                collided += 1
                break
    return collided / walks
