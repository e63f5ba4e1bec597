"""DDST: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision.ddst import scenes
from zoo_vision.ddst.config import DDSTConfig
from zoo_vision.ddst.layers import Closure, Continuity, Grouping, Proximity, closing, lines
from zoo_vision.ddst.relations import centroids, predict

_STEPS = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, -1), (-1, 1), (0, 1), (0, -1))


@given(st.integers(1, 4), st.integers(1, 5))
def test_lines_are_the_recurrence(height, width):
    generator = torch.Generator().manual_seed(height * 7 + width)
    x = torch.randn(2, height, width, 3, generator=generator, dtype=torch.float64)
    decay = torch.rand(8, 3, generator=generator, dtype=torch.float64)
    found = lines(x, decay)
    for direction, (down, right) in enumerate(_STEPS):
        for row in range(height):
            for column in range(width):
                total, share = torch.zeros(2, 3, dtype=torch.float64), 1 - decay[direction]
                r, c = row, column
                while 0 <= r < height and 0 <= c < width:
                    total = total + share * x[:, r, c]
                    share, r, c = share * decay[direction], r - down, c - right
                torch.testing.assert_close(found[direction, :, row, column], total)


def test_closing_fills_a_gap_and_leaves_what_is_flat():
    flat = torch.full((1, 1, 5, 6), 0.7)
    torch.testing.assert_close(closing(flat, torch.zeros(9)), flat)
    line = torch.zeros(1, 1, 7, 9)
    line[0, 0, 3] = 1.0
    line[0, 0, 3, 4] = 0.0
    config = DDSTConfig(dim=8, num_groups=1, question_dim=4)
    gaps = Closure(config, Grouping(config)).gaps(line)[0, 0]
    assert gaps.flatten().argmax() == 3 * 9 + 4
    assert gaps[3, 4] > 0.5
    assert gaps.min() >= 0


def test_closing_becomes_that_of_morphology():
    from scipy import ndimage

    maps = torch.rand(1, 1, 9, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = closing(maps, torch.zeros(9, dtype=torch.float64), temperature=1e-3)[0, 0]
    expected = torch.from_numpy(ndimage.grey_closing(maps[0, 0].numpy(), (3, 3), mode="nearest"))
    torch.testing.assert_close(found[1:-1, 1:-1], expected[1:-1, 1:-1], atol=0.01, rtol=0)


def test_proximity_begins_as_bells_that_keep_what_is_flat():
    layer = Proximity(DDSTConfig(dim=8, question_dim=4))
    for convolution in layer.near:
        kernel = convolution.weight[0, 0]
        assert kernel.sum().item() == pytest.approx(1)
        assert torch.equal(kernel, kernel.mT)
        middle = kernel.shape[0] // 2
        ratio = kernel[middle, middle + 1] / kernel[middle, middle]
        assert ratio.item() == pytest.approx(torch.tensor(-1 / (2 * (kernel.shape[0] / 3) ** 2)).exp().item())


def test_groups_are_shares_and_means():
    torch.manual_seed(0)
    grouping = Grouping(DDSTConfig(dim=8, num_groups=3))
    x = torch.randn(2, 8, 4, 5)
    members, means = grouping(x)
    torch.testing.assert_close(members.sum(1), torch.ones(2, 4, 5))
    low, high = x.flatten(2).amin(2), x.flatten(2).amax(2)
    assert (means >= low[:, None] - 1e-4).all()
    assert (means <= high[:, None] + 1e-4).all()
    assert grouping.log_temperature.exp().item() == pytest.approx(0.1)
    assert Continuity(DDSTConfig()).decay.sigmoid().mean().item() == pytest.approx(0.8)


def test_a_map_turned_over_gives_the_answer_turned_over():
    torch.manual_seed(0)
    tower = zoo.load("ddst/tiny").double()
    for block in tower.blocks:
        # Every direction alike: then left and right are, too.
        torch.nn.init.zeros_(block.layers[3].shares.weight)
        torch.nn.init.zeros_(block.layers[3].shares.bias)
    x = torch.randn(1, 4, 6, 32, dtype=torch.float64)
    plain = tower(x.flatten(1, 2), grid=(4, 6)).tokens.view(1, 4, 6, 32)
    turned = tower(x.flip(2).flatten(1, 2), grid=(4, 6)).tokens.view(1, 4, 6, 32)
    torch.testing.assert_close(turned, plain.flip(2))


def test_the_question_decides_and_its_length_does_not():
    torch.manual_seed(0)
    tower = zoo.load("ddst/tiny")
    x, question = torch.randn(1, 6, 32), torch.randn(1, 24)
    found = tower(x, question, grid=(2, 3))
    assert found.groups.shape == (1, 6, 4)
    torch.testing.assert_close(tower(x, question[:, None].expand(1, 5, 24), grid=(2, 3)).tokens, found.tokens)
    assert not torch.allclose(tower(x, -question, grid=(2, 3)).tokens, found.tokens)
    torch.testing.assert_close(tower(x, torch.zeros(1, 24), (2, 3)).tokens, tower(x, grid=(2, 3)).tokens)


def test_centroids_by_hand():
    groups = torch.zeros(1, 6, 2)
    groups[0, 0, 0] = groups[0, 2, 0] = 1.0
    groups[0, 5, 1] = 0.5
    expected = torch.tensor([[[-0.5, 0.0], [0.5, 2 / 3]]])
    torch.testing.assert_close(centroids(groups, (2, 3)), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (5, 2)])
def test_any_grid(grid):
    tower = zoo.load("ddst/tiny")
    found = tower(torch.randn(1, grid[0] * grid[1], 32), grid=grid)
    assert found.tokens.isfinite().all()


def test_what_does_not_fit_is_refused():
    tower = zoo.load("ddst/tiny")
    with pytest.raises(InputError, match="no square"):
        tower(torch.randn(1, 6, 32))
    with pytest.raises(InputError, match="does not hold"):
        tower(torch.randn(1, 6, 32), grid=(2, 2))
    with pytest.raises(InputError, match="question"):
        tower(torch.randn(1, 4, 32), torch.randn(2, 24))
    with pytest.raises(ConfigError, match="gate_groups"):
        zoo.load("ddst", dim=20)
    with pytest.raises(ConfigError, match="patch_size"):
        zoo.load("ddst-relations", patch_size=5)
    with pytest.raises(InputError, match="integers"):
        zoo.load("ddst-relations/tiny")(torch.rand(1, 3, 16, 16), torch.rand(1, 3))


def test_scenes_ask_about_what_is_there_and_say_yes_half_of_the_time():
    images, questions, answers = next(scenes.batches(1, 200, seed=3))
    assert images.shape == (200, 3, 16, 16)
    assert (questions[:, 0] != questions[:, 2]).all()
    assert 0.4 < answers.float().mean() < 0.6
    red = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
    for image, question in zip(images, questions, strict=True):
        if 0 in question[[0, 2]].tolist():
            assert ((image - red).abs().sum(0) < 1e-6).any()


def test_every_pair_of_colours_is_answered_for_on_both_axes():
    model = zoo.load("ddst-relations/tiny")
    image = torch.rand(40, 30, 3, generator=torch.Generator().manual_seed(0)).numpy()
    found = predict(model, model.config, image)["relations"]
    assert len(found) == 12
    assert len({row["relation"] for row in found}) == 12
    assert all(0.5 <= row["probability"] <= 1 for row in found)
    first = found[0]["relation"].split()
    assert first[0] == "red"
    assert first[-1] == "green"
