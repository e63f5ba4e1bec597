"""NiNformer: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError


def test_parameter_counts():
    assert zoo.info("ninformer/cifar10").parameters == 2_652_170


def test_both_halves_share_one_norm():
    block = zoo.load("ninformer-block/tiny").model[0]
    seen = []
    block.norm.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    x = torch.randn(1, 9, 16)
    block(x)
    assert len(seen) == 2
    assert torch.equal(seen[0], x)


def test_a_token_sees_all_others_through_the_gate():
    model = zoo.load("ninformer-block/tiny", num_layers=1)
    x = torch.randn(1, 9, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x)[0, 0].sum(), x)
    assert (gradient[0].abs().sum(-1) > 0).all()


def test_the_mixer_is_a_baseline_of_the_same_network():
    gated, mixer = (zoo.info(f"ninformer/{preset}").parameters for preset in ("cifar10", "mixer"))
    # Each gated block adds W, b, the norm and a feed-forward network.
    assert gated - mixer == 4 * (256 * 256 + 256 + 512 + 2 * 256 * 512 + 512 + 256)


@pytest.mark.parametrize("shape", [(1, 3, 16, 20), (1, 1, 16, 16), (3, 16, 16)])
def test_images_of_another_form_are_refused(shape):
    with pytest.raises(InputError, match="16, 16"):
        zoo.load("ninformer/tiny")(torch.randn(shape))


def test_a_patch_must_divide_the_image():
    with pytest.raises(ConfigError, match="image_size"):
        zoo.load("ninformer", image_size=30)


def test_grey_images_have_one_channel():
    from PIL import Image

    from zoo_vision.ninformer.network import preprocess

    config = zoo.load("ninformer/mnist").config
    image = preprocess(config)(Image.new("L", (40, 30), 255))["images"]
    assert image.shape == (1, 1, 28, 28)
    torch.testing.assert_close(image, torch.ones_like(image))
