"""Raw images to tensors, tensors to classes and pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo import catalogue, configuration
from zoo.targets import resolve
from zoo_vision import images


def picture(width=40, height=30, mode="RGB"):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


class TestOpening:
    @pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
    def test_every_colour_mode_becomes_three_channels(self, mode, tmp_path):
        path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
        picture(mode=mode).save(path)
        found = images.imagenet_tensor(path, 32)
        assert found.shape == (1, 3, 32, 32)
        assert found.isfinite().all()

    def test_path_image_and_arrays_agree(self, tmp_path):
        image = picture()
        image.save(tmp_path / "a.png")
        array = np.asarray(image)
        expected = images.imagenet_tensor(image, 64)
        for source in (str(tmp_path / "a.png"), tmp_path / "a.png", array, array.astype(np.int64), array / 255):
            assert torch.equal(images.imagenet_tensor(source, 64), expected)

    def test_camera_orientation_is_obeyed(self, tmp_path):
        image = picture(40, 30)
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees
        image.save(tmp_path / "a.png", exif=exif)
        assert images.open_image(tmp_path / "a.png").size == (30, 40)

    def test_16_bits_are_scaled_and_not_cut_off(self, tmp_path):
        grey = np.asarray(picture(mode="L"))
        Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
        Image.fromarray(grey.astype(np.int32) * 257).save(tmp_path / "deep.tif")
        Image.fromarray(grey.astype(np.float32) / 255).save(tmp_path / "float.tif")
        for name in ("deep.png", "deep.tif", "float.tif"):
            assert np.array_equal(np.asarray(images.open_image(tmp_path / name)), grey), name

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
    def test_what_is_transparent_shows_white(self, mode, tmp_path):
        pixels = np.zeros((6, 8, 4), np.uint8)
        pixels[:, :4] = (30, 30, 30, 255)
        if mode == "P":
            places = Image.fromarray((pixels[..., 3] > 0).astype(np.uint8)).convert("P")
            places.putpalette([0, 0, 0, 30, 30, 30])
            places.save(tmp_path / "cut.png", transparency=0)
        else:
            Image.fromarray(pixels).convert(mode).save(tmp_path / "cut.png")
        found = np.asarray(images.open_image(tmp_path / "cut.png").convert("RGB"))
        assert (found[:, :4] == 30).all()
        assert (found[:, 4:] == 255).all()

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.full((8, 8), 16.0), "divide"),
            (np.full((8, 8), 300), "divide"),
            (np.full((8, 8), -1), "divide"),
            (np.full((8, 8), np.nan), "expected values in 0..1"),
            (np.zeros((3, 8, 8)), "channels last"),
            (np.zeros((2, 8, 8, 3)), "channels last"),
            (np.zeros((0, 8)), "shape"),
            (np.zeros((8, 8), complex), "complex128"),
        ],
    )
    def test_arrays_of_another_form_are_refused(self, array, message):
        with pytest.raises(zoo.InputError, match=message):
            images.open_image(array)

    @pytest.mark.parametrize("entry", ["rasm", "mccl", "shiftvit"])
    @pytest.mark.parametrize("source", ["/", "x" * 5000, "a\0b"])
    def test_what_is_no_place_is_no_image_of_any_network(self, entry, source):
        offer = catalogue.current().find(entry).offer
        with pytest.raises(zoo.InputError, match=r"is a folder|cannot be read as an image|holds no image"):
            resolve(offer.entry.preprocess)(configuration.merge(offer.entry).instance)(source)

    def test_what_is_no_image_is_refused(self, tmp_path):
        (tmp_path / "text.png").write_text("not an image")
        picture().save(tmp_path / "whole.png")
        (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:800])
        for source in (tmp_path / "text.png", tmp_path / "cut.png", tmp_path / "absent.png"):
            with pytest.raises(zoo.InputError, match="cannot be read as an image"):
                images.open_image(source)
        with pytest.raises(zoo.InputError, match="is a folder; expected a file"):
            images.open_image(tmp_path)
        with pytest.raises(zoo.InputError, match="list is not an image"):
            images.open_image([1, 2])

    def test_a_picture_made_to_exhaust_memory_is_refused(self, tmp_path, monkeypatch):
        picture().save(tmp_path / "a.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        with pytest.raises(zoo.InputError, match="decompression bomb"):
            images.open_image(tmp_path / "a.png")


class TestTensors:
    @settings(max_examples=25, deadline=None)
    @given(st.integers(1, 3000), st.integers(1, 40), st.booleans())
    def test_any_shape_fits(self, long, short, wide):
        image = Image.new("RGB", (long, short) if wide else (short, long), (124, 116, 104))
        found = images.imagenet_tensor(image, 32)
        assert found.shape == (1, 3, 32, 32)
        # The colour is ImageNet's mean, rounded to a byte.
        assert found.abs().max() < 0.01

    def test_the_centre_is_kept(self):
        pixels = np.zeros((64, 128, 3), np.uint8)
        pixels[8:56, 40:88] = 255
        found = images.imagenet_tensor(pixels, 56)
        middle = found[0, :, 8:48, 8:48]
        assert torch.allclose(middle, middle[:, :1, :1])
        assert found[0, 0, 0, 0] < 0 < middle[0, 0, 0]

    def test_digits_come_back_from_arrays(self):
        digit = torch.rand(1, 8, 8)
        found = images.digits_tensor(digit[0].numpy())
        torch.testing.assert_close(found, images.upsample_digits(digit), atol=1 / 255, rtol=0)

    @pytest.mark.parametrize(
        ("dataset", "shape"), [("ImageNet", (1, 3, 64, 64)), ("CIFAR10", (1, 3, 32, 32)), ("digits", (1, 3, 32, 32))]
    )
    def test_preprocessing_by_data_set(self, dataset, shape):
        assert images.preprocessor(dataset, 64)(picture())["images"].shape == shape


class TestAnswers:
    def test_classes_are_sorted_and_at_most_five(self):
        model = zoo.load("shiftvit/test", num_classes=7)
        classes = images.top_classes(model, torch.randn(1, 3, 32, 32))["classes"]
        assert len(classes) == 5
        probabilities = [answer["probability"] for answer in classes]
        assert probabilities == sorted(probabilities, reverse=True)
        assert (
            len(images.top_classes(zoo.load("shiftvit/test", num_classes=3), torch.randn(1, 3, 32, 32))["classes"]) == 3
        )

    def test_models_of_another_dtype_answer(self):
        model = zoo.load("shiftvit/test", dtype="bfloat16")
        assert len(images.top_classes(model, torch.randn(1, 3, 32, 32))["classes"]) == 5
