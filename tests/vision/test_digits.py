"""The bundled weights, and the training that made them."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

import zoo
from zoo import catalogue
from zoo.cli import cli
from zoo.datasets import handwritten_digits
from zoo_vision import digits
from zoo_vision.shiftvit import network
from zoo_vision.triplet_attention import gates

NAMES = ["shiftvit/digits", "triplet-attention-resnet/digits"]


@pytest.fixture(scope="module")
def split():
    return handwritten_digits()


def test_held_out_digits_are_not_in_training(split):
    train, train_labels, held, held_labels = split
    assert (len(train), len(held)) == (len(train_labels), len(held_labels)) == (1437, 360)
    seen = {image.numpy().tobytes() for image in train}
    assert not any(image.numpy().tobytes() in seen for image in held)
    assert torch.equal(handwritten_digits()[2], held)


@pytest.mark.parametrize("name", NAMES)
def test_bundled_weights_reach_what_the_card_says(name, split):
    reached = digits.accuracy(zoo.load(name), *split[2:])
    entry = catalogue.current().find(name).offer.entry
    assert entry.weights["digits"].metric.startswith(f"{reached:.2%}")
    assert reached > 0.97


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_classified_from_the_command_line(name, split, tmp_path):
    image, label = split[2][0], int(split[3][0])
    path = tmp_path / "digit.png"
    Image.fromarray((image * 255).round().byte().numpy()).resize((80, 80), Image.Resampling.NEAREST).save(path)
    result = CliRunner().invoke(cli, ["predict", name, str(path)])
    assert result.exit_code == 0, result.output
    best = json.loads(result.output)["classes"][0]
    assert best["class"] == label
    assert best["probability"] > 0.5


def test_maps_of_the_bundled_models_differ_between_digits(split):
    images = digits.upsample_digits(split[2][:2])
    for maps in (
        network.attention_maps(zoo.load(NAMES[0]), images),
        gates.attention_maps(zoo.load(NAMES[1]), images),
    ):
        assert maps.shape[0] == 2
        assert maps.std() > 0.001
        assert not torch.equal(maps[0], maps[1])


def test_training_is_the_same_for_the_same_seed():
    def run(seed):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
        lines = []
        metrics = digits.fit(model, epochs=1, seed=seed, log=lines.append)
        assert len(lines) == 1
        return metrics, model.state_dict()

    first, second, other = run(0), run(0), run(1)
    assert first[0] == second[0]
    assert all(torch.equal(tensor, second[1][name]) for name, tensor in first[1].items())
    assert not all(torch.equal(tensor, other[1][name]) for name, tensor in first[1].items())


def test_augmentation_moves_by_at_most_one_pixel():
    image = torch.zeros(50, 8, 8)
    image[:, 4, 4] = 1
    moved = digits._shifted(image, torch.Generator().manual_seed(0))
    places = {tuple(place[1:]) for place in moved.nonzero().tolist()}
    assert places == {(row, column) for row in (3, 4, 5) for column in (3, 4, 5)}
