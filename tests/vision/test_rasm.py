"""RASM: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision import restoration
from zoo_vision.rasm.attention import neighbourhood, regional_attention
from zoo_vision.rasm.network import predict


@pytest.mark.parametrize(
    ("preset", "parameters"), [("width-32", 5_180_489), ("width-16", 1_346_921), ("width-24", 2_949_785)]
)
def test_parameter_counts(preset, parameters):
    assert zoo.info(f"rasm/{preset}").parameters == parameters


def by_definition(query, key, value, bias, kernel, dilation):
    """Query by query and key by key."""
    height, width = query.shape[2:4]
    rows, columns = (neighbourhood(length, kernel, dilation) for length in (height, width))
    output = torch.zeros_like(value)
    for row in range(height):
        for column in range(width):
            near = [(int(r), int(c)) for r in rows[row] for c in columns[column]]
            offsets = [((r - row) // dilation + kernel - 1, (c - column) // dilation + kernel - 1) for r, c in near]
            scores = torch.stack(
                [
                    (query[:, :, row, column] * key[:, :, r, c]).sum(-1) + bias[:, a, b]
                    for (r, c), (a, b) in zip(near, offsets, strict=True)
                ],
                -1,
            )
            values = torch.stack([value[:, :, r, c] for r, c in near], -2)
            output[:, :, row, column] = (scores.softmax(-1)[..., None] * values).sum(-2)
    return output


@settings(max_examples=12)
@given(st.sampled_from([1, 3, 5]), st.integers(1, 3), st.integers(0, 9), st.integers(0, 9))
def test_tiles_compute_the_definition(kernel, dilation, extra_rows, extra_columns):
    generator = torch.Generator().manual_seed(extra_rows * 10 + extra_columns)
    shape = (1, 2, kernel * dilation + extra_rows, kernel * dilation + extra_columns, 3)
    query, key, value = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    bias = torch.randn(2, 2 * kernel - 1, 2 * kernel - 1, generator=generator, dtype=torch.float64)
    found = regional_attention(query, key, value, bias, dilation)
    torch.testing.assert_close(found, by_definition(query, key, value, bias, kernel, dilation))


@given(st.sampled_from([1, 3, 11]), st.integers(1, 3), st.integers(0, 30))
def test_a_neighbourhood_never_shrinks_nor_leaves_its_class(kernel, dilation, extra):
    length = kernel * dilation + extra
    found = neighbourhood(length, kernel, dilation)
    assert found.shape == (length, kernel)
    assert 0 <= found.min() <= found.max() < length
    assert ((found - torch.arange(length)[:, None]) % dilation == 0).all()
    assert (found.diff(dim=1) == dilation).all()
    assert (found == torch.arange(length)[:, None]).any(1).all()


def test_gradients_are_those_of_the_definition():
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(1, 1, 7, 10, 2, generator=generator, dtype=torch.float64) for _ in range(3)]
    inputs.append(torch.randn(1, 5, 5, generator=generator, dtype=torch.float64))
    weight = torch.randn(1, 1, 7, 10, 2, generator=generator, dtype=torch.float64)
    gradients = []
    for function in (
        lambda q, k, v, b: regional_attention(q, k, v, b, 2),
        lambda q, k, v, b: by_definition(q, k, v, b, 3, 2),
    ):
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        gradients.append(torch.autograd.grad((function(*leaves) * weight).sum(), leaves))
    for ours, right in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, right)


def test_a_map_below_the_reach_is_refused_by_the_function_and_padded_by_the_layer():
    small = torch.zeros(1, 1, 4, 9, 2)
    with pytest.raises(InputError, match="at least 6"):
        regional_attention(small, small, small, torch.zeros(1, 5, 5), 2)
    layer = zoo.load("rasm-neighborhood-attention/tiny")
    assert layer(torch.randn(1, 2, 9, 16)).shape == (1, 2, 9, 16)


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (33, 47)])
def test_any_size_comes_back_at_that_size(size):
    model = zoo.load("rasm/tiny")
    assert model(torch.rand(1, 3, *size), torch.ones(1, 1, *size)).shape == (1, 3, *size)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(InputError, match="mask"):
        zoo.load("rasm/tiny")(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 9))


def test_configs_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="odd"):
        zoo.load("rasm-neighborhood-attention", kernel_size=4)
    with pytest.raises(ConfigError, match=r"num_heads\[2\]"):
        zoo.load("rasm", num_heads=[1, 2, 3, 8, 16, 16, 8, 4, 2])


def test_stochastic_depth_follows_the_table():
    model = zoo.load("rasm")
    rates = [
        block.drop_path.rate
        for stage in ("encoderlayer_0", "encoderlayer_2", "conv")
        for block in getattr(model, stage).blocks
    ]
    rising = torch.linspace(0, 0.1, 8).tolist()
    assert rates == pytest.approx([*rising[:2], *rising[4:6], 0.1, 0.1])
    falling = rising[::-1]
    decoder = [block.drop_path.rate for index in range(3) for block in getattr(model, f"decoderlayer_{index}").blocks]
    assert decoder == pytest.approx(falling[2:8])


def test_a_photograph_and_its_mask_go_in_and_a_picture_comes_out(tmp_path):
    Image.new("RGB", (20, 13), (90, 80, 70)).save(tmp_path / "photo.png")
    mask = Image.new("L", (20, 13))
    mask.paste(255, (5, 5, 10, 10))
    mask.save(tmp_path / "photo-mask.png")
    model = zoo.load("rasm/tiny")
    assert predict(model, model.config, tmp_path / "photo.png")["picture"].size == (20, 13)
    (tmp_path / "photo-mask.png").unlink()
    with pytest.raises(InputError, match=r"photo-mask\.png"):
        predict(model, model.config, tmp_path / "photo.png")


def test_a_laid_shadow_darkens_inside_and_leaves_what_is_far_alone():
    images = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    dark, mask = restoration.shadowed(images, torch.Generator().manual_seed(1))
    assert mask.mean(dim=(1, 2, 3)).tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    near = torch.nn.functional.max_pool2d(mask, 5, 1, 2).bool().expand_as(images)
    assert torch.equal(dark[~near], images[~near])
    inside = (torch.nn.functional.max_pool2d(1 - mask, 5, 1, 2) == 0).expand_as(images)
    assert (dark[inside] <= 0.8 * images[inside]).all()


def test_colours_in_lab_are_those_of_scikit_image():
    color = pytest.importorskip("skimage.color")
    images = torch.rand(2, 3, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) ** 3
    images[0, :, 0] = torch.tensor([[0.0, 1.0, 0.5]] * 3, dtype=torch.float64).repeat(1, 4)[:, :11]
    theirs = torch.from_numpy(color.rgb2lab(images.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2)
    torch.testing.assert_close(restoration.lab(images), theirs, atol=2e-3, rtol=0)


def test_the_error_in_lab_counts_the_pixels_of_the_mask():
    black, grey = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5)
    half = torch.cat((black[..., :1], grey[..., 1:]), -1)
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 1:] = 1
    lightness = restoration.lab(grey)[0, 0, 0, 0].item()
    assert restoration.lab_error(half, black).item() == pytest.approx(lightness / 2, abs=0.05)
    assert restoration.lab_error(half, black, mask).item() == pytest.approx(lightness, abs=0.05)
    assert restoration.lab_error(half, black, 1 - mask).item() == 0
