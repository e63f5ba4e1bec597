"""Training on handwritten digits in colours, on photographs: the text names both ("a red seven"), strokes are the heat.

Pictures of people with descriptions of their poses do not travel with packages. Here the subject is a digit of
scikit-learn's, its text its colour and its name, and its heat map its blurred strokes. That is real writing on real
photographs, small, and not the paper's data. Ten of the fifty pairs of colour and digit are never trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.datasets import handwritten_digits
from zoo.nn.descent import descend, one_cycle
from zoo_vision import photographs
from zoo_vision.focusclip.config import FocusCLIPConfig
from zoo_vision.focusclip.network import FocusCLIP, zero_shot
from zoo_vision.focusclip.words import tokenize
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD
from zoo_vision.photographs import Split

STEPS = 6000
DIGIT_SIDE = 32
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS = {
    "red": (0.9, 0.1, 0.1),
    "green": (0.1, 0.8, 0.2),
    "blue": (0.15, 0.3, 1.0),
    "yellow": (1.0, 0.9, 0.1),
    "white": (1.0, 1.0, 1.0),
}

Pair = tuple[int, int]
"""A colour, by its place in ``COLOURS``, and a digit."""
PAIRS: tuple[Pair, ...] = tuple((colour, digit) for colour in range(len(COLOURS)) for digit in range(10))
UNSEEN: tuple[Pair, ...] = tuple((colour, digit) for colour, digit in PAIRS if digit % len(COLOURS) == colour)
SEEN: tuple[Pair, ...] = tuple(pair for pair in PAIRS if pair not in UNSEEN)


def text(pair: Pair) -> str:
    """What is said of a pair, for instance "a red seven"."""
    return f"a {tuple(COLOURS)[pair[0]]} {DIGITS[pair[1]]}"


@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures and what they show.

    Args:
        images: (batch, 3, side, side), with ImageNet's statistics.
        heat: (batch, 1, side, side) in [0, 1], where the subject is.
        pairs: its colours and digits.
    """

    images: Tensor
    heat: Tensor
    pairs: Sequence[Pair]


def batches(split: Split, count: int, seed: int, side: int, pairs: Sequence[Pair] = SEEN) -> Iterator[Scenes]:
    """Every one of some pairs once in a batch: a digit of that class at a random place of a window of a photograph.

    Args:
        split: whose photographs; digits are the 1,437 of training for "train", the 360 held-out ones else.
        count: batches.
        seed: decides all of them.
        side: of a picture, in pixels.
        pairs: what is shown.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(most: int) -> int:
        return int(torch.randint(most, (), generator=generator))

    grounds = [photographs.photograph(name, 2 * side) for name in photographs.photograph_names(split)]
    train, train_labels, held, held_labels = handwritten_digits()
    written, labels = (train, train_labels) if split == "train" else (held, held_labels)
    size = [DIGIT_SIDE, DIGIT_SIDE]
    ink = functional.interpolate(written[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    # Upsampled strokes are faint at their edges; twice as much ink makes them lines again.
    ink = (2 * ink).clamp(max=1)
    of_class = [ink[labels == digit] for digit in range(10)]
    colours = torch.tensor(list(COLOURS.values()))
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    for _ in range(count):
        pictures, strokes = [], []
        for colour, digit in pairs:
            ground = grounds[draw(len(grounds))]
            picture = photographs.to_tensor(photographs.crop(ground, side, side, generator))
            mask = torch.zeros(side, side)
            top, left = draw(side - DIGIT_SIDE + 1), draw(side - DIGIT_SIDE + 1)
            mask[top : top + DIGIT_SIDE, left : left + DIGIT_SIDE] = of_class[digit][draw(len(of_class[digit]))]
            pictures.append(picture * (1 - mask) + colours[colour][:, None, None] * mask)
            strokes.append(mask)
        heat = functional.avg_pool2d(torch.stack(strokes)[:, None], 5, stride=1, padding=2)
        yield Scenes((torch.stack(pictures) - mean) / std, heat, pairs)


def train(
    config: FocusCLIPConfig, *, preset: str | None, seed: int, log: Callable[[str], object]
) -> tuple[nn.Module, dict[str, float]]:
    """The paper's three losses by AdamW, from random weights; six minutes on one core for ``digits``."""
    model = FocusCLIP(config).train()
    # transformers' deviation of 0.02 is made for towers ten times as wide.
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    words = tokenize([text(pair) for pair in SEEN], config)

    def loss_of(scenes: Scenes) -> Tensor:
        return model.loss(model(scenes.images, mask=scenes.heat, **words)).total

    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.05)
    scenes = batches("train", STEPS, seed, config.image_size)
    rates = one_cycle(optimizer, STEPS)
    descend(model, scenes, loss_of, optimizer, rates=rates, clip=1.0, log=log)
    return model, {name: round(value, 3) for name, value in evaluate(model).items()}


def evaluate(model: FocusCLIP, split: Split = "test") -> dict[str, float]:
    """Zero-shot accuracy among all fifty texts, on held-out digits and photographs never trained on.

    Returns:
        ``seen`` of the forty pairs of the training, ``unseen`` of the ten others, ``colour`` and ``digit``: how often
        the text names the right one, over all fifty; 400, 100 and 500 pictures.
    """
    config = model.config
    right = []
    with torch.no_grad():
        classes = model.encode_text(**tokenize([text(pair) for pair in PAIRS], config))
        for scenes in batches(split, 10, 12, config.image_size, PAIRS):
            guess = zero_shot(model.encode_image(scenes.images), classes).argmax(1)
            found = [PAIRS[index] for index in guess.tolist()]
            right.append([[one[0] == other[0], one[1] == other[1]] for one, other in zip(found, PAIRS, strict=True)])
    both = torch.tensor(right).all(2).float().mean(0)
    known = torch.tensor([pair in SEEN for pair in PAIRS])
    colour, digit = torch.tensor(right).float().mean((0, 1)).tolist()
    return {"seen": float(both[known].mean()), "unseen": float(both[~known].mean()), "colour": colour, "digit": digit}
