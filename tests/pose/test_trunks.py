"""Trunks: the sizes their papers state, and what their parts compute."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from zoo.errors import InputError
from zoo_pose import backbones
from zoo_pose.hrformer import Block, WindowAttention, hrformer
from zoo_pose.hrnet import Exchange, hrnet
from zoo_pose.mobilenet import InvertedResidual, MobileNetV2
from zoo_pose.plain_vit import PlainViT


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("width", "paper"), [(32, 28.5), (48, 63.6)])
def test_hrnet_has_the_paper_s_size(width, paper):
    """The paper's network puts out the finest map alone, through a 1x1 convolution to 17 heatmaps."""
    with torch.device("meta"):
        trunk = hrnet(width)
    unused = count(trunk.stage4[-1].fuse_layers) - count(trunk.stage4[-1].fuse_layers[0])
    assert round((count(trunk) - unused + 17 * width + 17) / 1e6, 1) == paper


@pytest.mark.parametrize(("name", "paper"), [("tiny", 2.5), ("small", 7.8), ("big", 43.2)])
def test_hrformer_has_the_paper_s_size(name, paper):
    """Within a hundredth: the paper leaves some of the paths between branches open."""
    with torch.device("meta"):
        trunk = hrformer(f"hrformer-{name}")
    width = backbones.CHANNELS[f"hrformer-{name}"][0]
    unused = count(trunk.stage4[-1].fuse_layers) - count(trunk.stage4[-1].fuse_layers[0])
    assert (count(trunk) - unused + 17 * width + 17) / 1e6 == pytest.approx(paper, rel=0.01)


def test_sizes_of_classifiers_without_their_classifiers():
    """The usual figures: MobileNetV2 has 3,504,872 parameters, ViT-B/16 86,567,656, of a thousand classes."""
    with torch.device("meta"):
        assert count(MobileNetV2()) == 3_504_872 - 1281 * 1000
        # No class token; positions of 16 x 12 patches instead of 14 x 14 and the token's.
        assert count(backbones.published("vit-base", 256, 192)) == 86_567_656 - 769 * 1000 - 768 + (192 - 197) * 768


@pytest.mark.parametrize("name", ["mobilenetv2", "hrformer-tiny"])
def test_maps_have_the_stated_channels_and_strides(name):
    maps = backbones.published(name, 64, 96).eval().maps(torch.randn(1, 3, 64, 96))
    assert tuple(each.shape[1] for each in maps) == backbones.CHANNELS[name]
    assert [tuple(each.shape[2:]) for each in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_all_trunks_are_built_without_memory():
    with torch.device("meta"):
        for name in backbones.CHANNELS:
            assert count(backbones.published(name, 256, 192)) > 0


def test_hrnet_takes_any_size_and_trains_all_of_itself():
    trunk = hrnet(4)
    maps = trunk.maps(torch.randn(2, 3, 70, 37))
    assert [tuple(each.shape[1:]) for each in maps] == [(4, 18, 10), (8, 9, 5), (16, 5, 3), (32, 3, 2)]
    sum(each.square().mean() for each in maps).backward()
    assert all(parameter.grad is not None for parameter in trunk.parameters())


def test_an_exchange_adds_every_branch_to_every_other():
    module = Exchange([2, 4, 8], lambda index: torch.nn.Identity()).eval()
    maps = [torch.randn(1, 2 << level, 16 >> level, 8 >> level) for level in range(3)]
    found = module(maps)
    paths = module.fuse_layers
    up = functional.interpolate(paths[0][1](maps[1]), scale_factor=2) + functional.interpolate(
        paths[0][2](maps[2]), scale_factor=4
    )
    torch.testing.assert_close(found[0], (maps[0] + up).relu())
    torch.testing.assert_close(found[2], (paths[2][0](maps[0]) + paths[2][1](maps[1]) + maps[2]).relu())
    # From the finest to the coarsest in two steps, with ReLU after the first alone.
    first, last = paths[2][0]
    assert paths[2][0](maps[0]).min() < 0 <= first(maps[0]).min()
    assert first[0].out_channels == 2
    assert last[0].out_channels == 8


def test_window_attention_is_that_of_each_window():
    torch.manual_seed(0)
    layer, image = WindowAttention(8, 2), torch.randn(2, 9, 12, 8)
    found = layer(image)
    for rows, columns in (((0, 7), (0, 7)), ((7, 9), (0, 7)), ((0, 7), (7, 12)), ((7, 9), (7, 12))):
        window = image[:, slice(*rows), slice(*columns)]
        places = torch.cartesian_prod(torch.arange(window.shape[1]), torch.arange(window.shape[2]))
        apart = places[:, None] - places + 6
        bias = layer.bias[apart[..., 0] * 13 + apart[..., 1]].permute(2, 0, 1)
        query, key, value = layer.qkv(window.flatten(1, 2)).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        weights = (query @ key.mT / 2 + bias).softmax(-1)
        expected = layer.proj((weights @ value).transpose(1, 2).flatten(2)).view_as(window)
        torch.testing.assert_close(found[:, slice(*rows), slice(*columns)], expected)


def test_hrformer_s_block_sees_across_windows_by_its_convolution_alone():
    block = Block(8, 2).eval()
    image = torch.randn(1, 8, 14, 14, requires_grad=True)
    block(image)[0, :, 6, 3].sum().backward()
    seen = image.grad[0].abs().sum(0) > 0
    # All of the pixel's window, and of the next one what attention gave to the row that the convolution reads.
    assert seen[:7, :7].all()
    assert seen[7:, :7].all()
    assert not seen[:, 7:].any()


def test_inverted_residuals_add_their_input_where_shapes_agree():
    image = torch.randn(1, 8, 6, 6)
    for block, same in ((InvertedResidual(8, 8, 1, 6), True), (InvertedResidual(8, 8, 2, 6), False)):
        block.eval()
        torch.nn.init.zeros_(block.conv[-1].weight)
        assert torch.equal(block(image), image if same else torch.zeros(1, 8, 3, 3))


def test_the_transformer_keeps_patches_in_place_and_refuses_other_sizes():
    trunk = PlainViT(32, 48, 8, 0, 2)
    torch.nn.init.zeros_(trunk.pos_embed)
    image = torch.zeros(1, 3, 32, 48)
    image[:, :, 16:, 32:] = 1
    (found,) = trunk.maps(image)
    assert found.shape == (1, 8, 2, 3)
    changed = (found != found[:, :, :1, :1]).any(1)[0]
    assert changed.nonzero().tolist() == [[1, 2]]
    with pytest.raises(InputError, match="32 x 48"):
        trunk.maps(torch.zeros(1, 3, 48, 32))
