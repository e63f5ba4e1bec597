"""Sampling, sines, crops and flows: what networks of keypoints share."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from zoo.errors import InputError
from zoo_pose import crops, flows, sampling, sines


def by_definition(rows, sizes, points, weights):
    """Query by query, level by level, point by point, pixel by pixel."""
    batch, queries = points.shape[:2]
    total = rows.new_zeros(batch, queries, rows.shape[2])
    start = 0
    for level, (height, width) in enumerate(sizes):
        for b in range(batch):
            for q in range(queries):
                for p in range(points.shape[3]):
                    x, y = points[b, q, level, p, 0] * width - 0.5, points[b, q, level, p, 1] * height - 0.5
                    for row in range(height):
                        for column in range(width):
                            near = (1 - (x - column).abs()).clamp(min=0) * (1 - (y - row).abs()).clamp(min=0)
                            value = rows[b, start + row * width + column]
                            total[b, q] = total[b, q] + weights[b, q, level, p] * near * value
        start += height * width
    return total


def case(seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = [(3, 2), (1, 4)]
    rows = torch.randn(2, 10, 3, generator=generator, dtype=torch.float64)
    points = torch.rand(2, 2, 2, 3, 2, generator=generator, dtype=torch.float64) * 1.6 - 0.3
    weights = torch.rand(2, 2, 2, 3, generator=generator, dtype=torch.float64)
    return rows, sizes, points, weights


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_levels_are_sampled_by_the_definition_and_so_are_gradients(seed):
    rows, sizes, points, weights = case(seed)
    leaves = [tensor.requires_grad_() for tensor in (rows, points, weights)]
    found, expected = (f(rows, sizes, points, weights) for f in (sampling.sample_levels, by_definition))
    torch.testing.assert_close(found, expected)
    along = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, right = (torch.autograd.grad((each * along).sum(), leaves) for each in (found, expected))
    for one, other in zip(ours, right, strict=True):
        torch.testing.assert_close(one, other)


def test_second_derivatives_are_those_of_the_definition():
    rows, sizes, points, weights = case(3)

    def ours(*given):
        return sampling.sample_levels(given[0], sizes, *given[1:]).sin()

    leaves = tuple(tensor.requires_grad_() for tensor in (rows, points, weights))
    assert torch.autograd.gradcheck(ours, leaves)
    assert torch.autograd.gradgradcheck(ours, leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_far_points_and_other_dtypes_give_what_indexing_gives(dtype):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1, 12, 3, generator=generator).to(dtype)
    points = torch.tensor([[[1e30, 0.5], [-math.inf, math.inf], [0.4, 0.6], [1.05, -0.02]]]).to(dtype)
    found = sampling.sample_rows(rows, (3, 4), points)
    assert found.dtype == dtype
    assert not found[0, :2].any()
    assert found[0, 2:].all()
    torch.testing.assert_close(found, sampling._indexed(rows, (3, 4), points))


def test_one_map_is_sampled_as_torch_does():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 5, 6, 7, generator=generator)
    points = torch.rand(2, 3, 4, 2, generator=generator) * 1.4 - 0.2
    expected = functional.grid_sample(maps, points * 2 - 1, align_corners=False)
    torch.testing.assert_close(sampling.sample(maps, points), expected, atol=1e-5, rtol=1e-5)
    assert sampling.sample(maps, torch.full((2, 1, 2), 1e30)).abs().max() == 0
    assert sampling.sample(maps, torch.zeros(2, 0, 2)).shape == (2, 5, 0)


def test_second_derivatives():
    rows, sizes, points, weights = case(3)
    inputs = tuple(tensor.requires_grad_() for tensor in (rows[:1], points[:1, :1], weights[:1, :1]))
    assert torch.autograd.gradgradcheck(lambda r, p, w: sampling.sample_levels(r, sizes, p, w), inputs)


def test_wrong_shapes_are_refused():
    rows, sizes, points, weights = case(0)
    with pytest.raises(InputError, match="10 rows"):
        sampling.sample_levels(rows[:, 1:], sizes, points, weights)
    with pytest.raises(InputError, match="points"):
        sampling.sample(torch.zeros(1, 2, 3, 4), torch.zeros(2, 5, 2))


def test_the_ring():
    offsets = sampling.ring(8, 2, 3).view(8, 2, 3, 2)
    torch.testing.assert_close(offsets[0, 1], torch.tensor([[1.0, 0], [2, 0], [3, 0]]))
    torch.testing.assert_close(offsets.abs().amax(-1), torch.arange(1.0, 4).expand(8, 2, 3))


def test_sines_by_hand():
    found = sines.point_sines(torch.tensor([0.25, 0.5]), 4, 100.0, y_first=True)
    angles = (math.pi, math.pi / 10, math.pi / 2, math.pi / 20)
    expected = [value for angle in angles for value in (math.sin(angle), math.cos(angle))]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-6, rtol=0)


def test_places_of_a_padded_map():
    real = torch.ones(1, 2, 4, dtype=torch.bool)
    real[..., 2:] = False
    found = sines.map_sines(real, 2, 10.0)
    # The last unpadded column is at 2 pi, the first at pi.
    torch.testing.assert_close(found[0, 0, :2, 2], torch.tensor([0.0, 0.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(found[0, 0, :2, 3], torch.tensor([-1.0, 1.0]), atol=1e-5, rtol=0)


class TestCrops:
    def test_there_and_back(self):
        boxes = torch.tensor([[10.0, 20, 50, 140], [0, 0, 30, 10]])
        regions = crops.crops_of(boxes, 256, 192, angle=0.4)
        points = torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(0)) * 100
        torch.testing.assert_close(regions.to_picture(regions.to_crop(points)), points, atol=1e-3, rtol=1e-4)
        centre = torch.full((2, 1, 2), 0.5)
        torch.testing.assert_close(regions.to_picture(centre)[:, 0], torch.tensor([[30.0, 80], [15, 5]]))

    def test_shape_and_padding(self):
        regions = crops.crops_of(torch.tensor([[0.0, 0, 60, 40]]), 256, 192, padding=1.25)
        corners = regions.to_picture(torch.tensor([[[0.0, 0], [1, 1]]]))[0]
        # The width decides: 75 wide, 100 high around (30, 20).
        torch.testing.assert_close(corners, torch.tensor([[-7.5, -30], [67.5, 70]]))

    def test_pixels_are_cut_where_they_are(self):
        picture = torch.zeros(1, 40, 30)
        picture[0, 12:16, 9:12] = 1
        regions = crops.crops_of(torch.tensor([[9.0, 12, 12, 16]]), 8, 6, padding=1.0)
        torch.testing.assert_close(crops.cut(picture, regions, 8, 6)[0, :, 2:-2, 2:-2], torch.ones(1, 4, 2))
        whole = crops.crops_of(torch.tensor([[0.0, 0, 30, 40]]), 40, 30, padding=1.0)
        torch.testing.assert_close(crops.cut(picture, whole, 40, 30)[0], picture, atol=1e-4, rtol=0)

    def test_boxes_without_an_area_are_refused(self):
        with pytest.raises(InputError, match="x1 < x2"):
            crops.crops_of(torch.tensor([[5.0, 5, 5, 9]]), 8, 6)


class TestFlow:
    @pytest.fixture
    def flow(self):
        torch.manual_seed(0)
        flow = flows.RealNVP().double()
        for parameter in flow.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return flow

    def test_forward_undoes_inverse(self, flow):
        x = torch.randn(20, 2, dtype=torch.float64)
        torch.testing.assert_close(flow(flow.inverse(x)[0]), x)

    def test_the_determinant_is_that_of_the_jacobian(self, flow):
        x = torch.randn(3, 2, dtype=torch.float64)
        _, log_det = flow.inverse(x)
        for point, value in zip(x, log_det, strict=True):
            jacobian = torch.autograd.functional.jacobian(lambda p: flow.inverse(p[None])[0][0], point)
            torch.testing.assert_close(torch.linalg.det(jacobian).abs().log(), value)

    def test_without_a_flow_the_loss_is_by_hand(self):
        flow = flows.RealNVP()
        for parameter in flow.parameters():
            torch.nn.init.zeros_(parameter)
        coord, sigma, target = torch.tensor([[[0.3, 0.5]]]), torch.tensor([[[0.2, 0.4]]]), torch.tensor([[[0.1, 0.5]]])
        density = -0.5 * ((1 - 0.5) ** 2 + 0.5**2) - math.log(2 * math.pi)
        terms = 0.0
        for s, distance in ((0.2, 0.2), (0.4, 0.0)):
            terms += math.log(s) - density
            terms += math.log(s * math.sqrt(2 * math.pi)) + distance / (math.sqrt(2) * s + 1e-9)
        found = flows.likelihood_loss(flow, coord, sigma, target, torch.ones(1, 1, 2))
        assert found.item() == pytest.approx(terms, abs=1e-5)
        with pytest.raises(InputError, match="of all"):
            flows.likelihood_loss(flow, coord, sigma, target[0], torch.ones(1, 1, 2))

    def test_the_length_divides_before_the_bias(self):
        layer = flows.NormedLinear(3, 2)
        x = torch.randn(4, 3)
        torch.testing.assert_close(layer(5 * x), layer(x))
        torch.testing.assert_close(layer(torch.zeros(1, 3))[0], layer.linear.bias)
