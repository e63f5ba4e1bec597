"""A2N: what is particular to it."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo_vision import restoration
from zoo_vision.a2n.config import A2NConfig
from zoo_vision.a2n.network import A2N


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("a2n/x2", 1_036_443),
        ("a2n/x3", 1_036_443),
        ("a2n/x4", 1_047_459),
        ("a2n-m/x2", 831_643),
        ("a2n-m/x3", 831_643),
        ("a2n-m/x4", 842_659),
    ],
)
def test_parameter_counts(name, parameters):
    assert zoo.info(name).parameters == parameters


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlarges_odd_images_by_its_scale(scale):
    model = zoo.load("a2n/tiny", scale=scale)
    for height, width in ((1, 1), (5, 8)):
        assert model(torch.rand(1, 3, height, width)).shape == (1, 3, scale * height, scale * width)


def test_the_temperature_sharpens_the_choice():
    torch.manual_seed(0)
    model = A2N(A2NConfig(dim=16, num_blocks=3, reduction=1)).eval()
    images = torch.rand(4, 3, 8, 8) * 255
    even = model.branch_weights(images)
    assert even.shape == (4, 3, 2)
    for block in model.AAB_trunk:
        block.temperature = 1e-6
    sharp = model.branch_weights(images)
    assert (sharp.max(-1).values > even.max(-1).values).all()
    assert sharp.max(-1).values.min() > 0.99


def test_a_published_checkpoint_may_be_wrapped():
    model = zoo.load("a2n/tiny")
    wrapped = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    from zoo_vision.a2n.conversion import convert

    assert convert(wrapped, model.config).keys() == model.state_dict().keys()


def test_a_picture_goes_in_and_out(tmp_path):
    from PIL import Image

    path = tmp_path / "small.png"
    Image.new("RGB", (7, 5), (250, 100, 0)).save(path)
    model = zoo.load("a2n/photographs")
    entry = next(offer.entry for offer in zoo.entries(plugin="vision") if offer.entry.id == "a2n")
    from zoo.targets import resolve

    answer = resolve(entry.predict)(model, model.config, path)
    assert answer["picture"].size == (14, 10)
    assert 0 < answer["attention"] < 1
    # A plain colour stays that colour away from the border.
    assert answer["picture"].getpixel((6, 5)) == pytest.approx((250, 100, 0), abs=8)


def test_metrics_agree_with_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 1, 40, 33, generator=generator, dtype=torch.float64)
    found = (truth + 0.1 * torch.randn(truth.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    first, second = found[0, 0].numpy(), truth[0, 0].numpy()
    assert restoration.psnr(found, truth).item() == pytest.approx(
        metrics.peak_signal_noise_ratio(second, first, data_range=1)
    )
    theirs = metrics.structural_similarity(
        second, first, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert restoration.ssim(found, truth).item() == pytest.approx(theirs, abs=1e-6)
    assert restoration.psnr(truth, truth).item() == float("inf")


def test_luma_of_white_and_black():
    assert restoration.luma(torch.ones(1, 3, 1, 1)).item() == pytest.approx(235 / 255, abs=1e-6)
    assert restoration.luma(torch.zeros(1, 3, 1, 1)).item() == pytest.approx(16 / 255)
