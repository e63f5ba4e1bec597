"""Context clusters: what is particular to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision.context_cluster.config import ContextClusterConfig
from zoo_vision.context_cluster.conversion import convert
from zoo_vision.context_cluster.network import preprocess, with_places


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("tiny", 5_570_584),
        ("tiny2", 5_570_584),
        ("tiny_plain", 5_570_584),
        ("small", 14_657_024),
        ("base_dim64", 54_231_100),
    ],
)
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"context-cluster/{preset}").parameters == parameters


def by_definition(operator, x):
    """Region by region, head by head, point by point."""
    config = operator.config
    rows, columns = config.regions
    height, width = x.shape[2] // rows, x.shape[3] // columns
    f, v = operator.f(x), operator.v(x)
    mixed = torch.zeros_like(v)
    for sample in range(len(x)):
        for head in range(config.num_heads):
            channels = slice(head * config.head_dim, (head + 1) * config.head_dim)
            for row in range(rows):
                for column in range(columns):
                    place = (
                        sample,
                        channels,
                        slice(row * height, (row + 1) * height),
                        slice(column * width, (column + 1) * width),
                    )
                    points, values = f[place], v[place]
                    centres, value_centres = (
                        functional.adaptive_avg_pool2d(part, config.centres).flatten(1) for part in (points, values)
                    )
                    flat, flat_values = points.flatten(1), values.flatten(1)
                    cosine = functional.cosine_similarity(centres[:, :, None], flat[:, None, :], dim=0, eps=1e-12)
                    similarity = torch.sigmoid(operator.sim_beta + operator.sim_alpha * cosine)
                    output = torch.zeros_like(flat_values)
                    winners = similarity.argmax(0)
                    for centre in range(similarity.shape[0]):
                        mine = winners == centre
                        weights = similarity[centre, mine]
                        total = (flat_values[:, mine] * weights).sum(1) + value_centres[:, centre]
                        output[:, mine] = weights * (total / (weights.sum() + 1))[:, None]
                    mixed[place] = output.unflatten(1, (height, width))
    return operator.proj(mixed)


@pytest.mark.parametrize(("regions", "centres"), [([1, 1], [2, 2]), ([2, 3], [2, 1]), ([3, 2], [3, 2])])
def test_the_operator_is_its_definition(regions, centres):
    torch.manual_seed(0)
    operator = zoo.load("context-cluster-operator/tiny", regions=regions, centres=centres).double()
    with torch.no_grad():
        operator.sim_alpha.fill_(1.7)
        operator.sim_beta.fill_(-0.3)
        x = torch.randn(2, 16, 6, 12, dtype=torch.float64)
        torch.testing.assert_close(operator(x), by_definition(operator, x))


def test_regions_are_cut_only_where_both_exceed_one():
    one = zoo.load("context-cluster-operator/tiny", regions=[1, 1])
    half = zoo.load("context-cluster-operator/tiny", regions=[2, 1])
    half.load_state_dict(one.state_dict())
    x = torch.randn(1, 16, 8, 8)
    assert torch.equal(one(x), half(x))


def test_assignments_count_through_the_regions():
    operator = zoo.load("context-cluster-operator/tiny", regions=[2, 2])
    labels = operator.assignment(torch.randn(1, 16, 8, 8))
    assert labels.shape == (1, 2, 8, 8)
    assert 0 <= labels[..., :4, :4].min() <= labels[..., :4, :4].max() < 4
    assert 12 <= labels[..., 4:, 4:].min() <= labels[..., 4:, 4:].max() < 16


def test_places_run_from_minus_to_plus_a_half():
    found = with_places(torch.zeros(1, 3, 3, 5))
    assert found[0, 3, :, 0].tolist() == [-0.5, 0, 0.5]
    assert found[0, 4, 0].tolist() == [-0.5, -0.25, 0, 0.25, 0.5]
    assert with_places(torch.zeros(1, 3, 1, 1))[0, 3:].flatten().tolist() == [-0.5, -0.5]


def test_features_are_a_pyramid():
    model = zoo.load("context-cluster/test")
    maps = model(torch.randn(1, 3, 64, 32), features=True)
    assert [tuple(found.shape[1:]) for found in maps] == [(8, 16, 8), (12, 8, 4), (16, 4, 2), (20, 2, 1)]
    labels = model.assignments(torch.randn(1, 3, 64, 32))
    assert [tuple(found.shape[1:]) for found in labels] == [(2, 16, 8), (2, 8, 4), (2, 4, 2), (2, 2, 1)]


def test_maps_that_cannot_be_cut_are_refused():
    with pytest.raises(InputError, match="cannot be cut into 2 x 2"):
        zoo.load("context-cluster/test")(torch.randn(1, 3, 36, 36))


def test_configs_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="dims"):
        zoo.load("context-cluster", dims=[8, 8])
    with pytest.raises(ConfigError, match="reducers"):
        zoo.load("context-cluster", reducers=[True, False, True, True])


def test_old_checkpoints_store_mlps_as_convolutions():
    model = zoo.load("context-cluster/test")
    old = {
        name: t[..., None, None] if ".mlp.fc" in name and t.ndim == 2 else t for name, t in model.state_dict().items()
    }
    found = convert({f"module.{name}": tensor for name, tensor in old.items()}, model.config)
    assert all(torch.equal(found[name], tensor) for name, tensor in model.state_dict().items())


def test_maps_for_dense_networks_are_normed_each_by_its_own():
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    model = zoo.load("context-cluster/test", stage_norms=True)
    for norm in model.stage_norms:
        torch.nn.init.constant_(norm.weight, 2.0)
    with torch.no_grad():
        for normed, raw in zip(model(images, features=True), model.stage_maps(images), strict=True):
            expected = (raw - raw.mean((1, 2, 3), keepdim=True)) / raw.std((1, 2, 3), correction=0, keepdim=True)
            torch.testing.assert_close(normed, 2 * expected, atol=1e-4, rtol=1e-3)


def test_sizes_see_the_share_of_an_image_that_they_were_trained_for():
    """A frame that lies outside 90% of the picture, and inside 95%."""
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[7:-7, 7:-7] = 255
    for preset, seen in (("tiny", False), ("small", False), ("medium", True)):
        config = ContextClusterConfig(crop=zoo.config(f"context-cluster/{preset}").crop)
        prepared = preprocess(config)(pixels)["images"]
        assert bool((prepared < 0).any()) == seen
