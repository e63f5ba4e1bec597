"""The bundled weights on the digits that they were not trained on."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import zoo
from zoo import catalogue
from zoo.cli import cli
from zoo.datasets import handwritten_digits
from zoo.nn import digits
from zoo_vision.images import upsample_digits
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
def test_bundled_weights_reach_what_the_card_says(name):
    reached = digits.measure(zoo.load(name), view=upsample_digits).accuracy
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
    images = upsample_digits(split[2][:2])
    for maps in (
        network.attention_maps(zoo.load(NAMES[0]), images),
        gates.attention_maps(zoo.load(NAMES[1]), images),
    ):
        assert maps.shape[0] == 2
        assert maps.std() > 0.001
        assert not torch.equal(maps[0], maps[1])
