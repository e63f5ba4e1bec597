"""Pictures of attention: what stands on them, and what the page of all heads does in a browser."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

import zoo
from zoo.evidence.attention_view import write_view

pytest.importorskip("matplotlib")

from PIL import Image

from zoo.evidence.attention_plots import attention_over_images, attention_over_tokens, head_tables, patch_maps

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WORDS = ["When", " Mary", " and", "\n", " $5"]


def weights(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).softmax(-1)


def labels(axis) -> list[str]:
    return [text.get_text() for text in axis.get_ticklabels()]


def written(path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


class TestTokens:
    def test_one_head_has_its_tokens_on_both_axes_and_a_scale(self, tmp_path):
        figure = attention_over_tokens(weights(5, 5), WORDS, title="layer 0", path=tmp_path / "head.png")
        axis, bar = figure.axes
        assert labels(axis.yaxis) == labels(axis.xaxis) == ["When", "Mary", "and", "⏎", r"\$5"]
        assert (axis.get_ylabel(), axis.get_xlabel()) == ("from (query)", "to (key)")
        assert bar.get_ylabel() == "attention weight"
        assert figure._suptitle.get_text() == "layer 0"
        assert written(tmp_path / "head.png").std() > 10

    def test_all_heads_share_one_scale_that_starts_at_zero(self):
        maps = weights(6, 5, 5)
        figure = attention_over_tokens(maps, WORDS)
        panels = [axis for axis in figure.axes if axis.images]
        assert [axis.get_title() for axis in panels[:6]] == [f"head {head}" for head in range(6)]
        ((low, high),) = {axis.images[0].get_clim() for axis in panels[:6]}
        assert (low, high) == (0.0, pytest.approx(float(maps.max())))

    @pytest.mark.parametrize(("heads", "tokens"), [(4, 16), (9, 13), (12, 8), (16, 30), (2, 40)])
    def test_a_layer_is_no_wider_than_a_page_leaves_legible(self, heads, tokens):
        assert attention_over_tokens(weights(heads, tokens, tokens)).get_figwidth() <= 9.7

    @pytest.mark.parametrize("texts", [None, [f"t{index}" for index in range(80)]])
    def test_many_tokens_get_whole_numbers(self, texts):
        figure = attention_over_tokens(weights(80, 80), texts)
        figure.canvas.draw()
        ticks = figure.axes[0].get_xticks()
        assert len(ticks) < 20
        assert all(float(tick).is_integer() for tick in ticks)

    def test_two_sequences_have_their_own_texts(self):
        figure = attention_over_tokens(weights(2, 3), ["a", "b"], keys=["x", "y", "z"])
        assert labels(figure.axes[0].yaxis) == ["a", "b"]
        assert labels(figure.axes[0].xaxis) == ["x", "y", "z"]

    def test_what_does_not_fit_is_said(self):
        with pytest.raises(zoo.InputError, match=r"expected \(queries, keys\) or \(heads, queries, keys\)"):
            attention_over_tokens(weights(1, 2, 3, 3))
        with pytest.raises(zoo.InputError, match="5 texts for 4 tokens"):
            attention_over_tokens(weights(4, 4), WORDS)


class TestImages:
    def test_a_map_per_head_lies_over_every_image(self, tmp_path):
        images, maps = torch.rand(3, 3, 32, 32), weights(3, 2, 64).unflatten(-1, (8, 8))
        titles = ("image", "head 0", "head 1")
        figure = attention_over_images(images, maps, titles=titles, path=tmp_path / "maps.png")
        panels = [axis for axis in figure.axes if axis.images]
        assert [axis.get_ylabel() for axis in panels[:9:3]] == list(titles)
        assert [len(axis.images) for axis in panels[:9]] == [1, 1, 1, 2, 2, 2, 2, 2, 2]
        assert len({axis.images[1].get_clim() for axis in panels[3:9]}) == 1
        assert written(tmp_path / "maps.png").std() > 10

    def test_patches_become_maps(self):
        keys = torch.arange(7.0)
        assert patch_maps(keys, (2, 3)).tolist() == [[1, 2, 3], [4, 5, 6]]
        with pytest.raises(zoo.InputError, match="7 keys are not 0 tokens and 2 x 3 patches"):
            patch_maps(keys, (2, 3), skip=0)

    def test_every_image_needs_its_maps_and_every_row_its_title(self, tmp_path):
        with pytest.raises(zoo.InputError, match="for each image"):
            attention_over_images(torch.rand(3, 3, 8, 8), torch.rand(2, 8, 8), path=tmp_path / "maps.png")
        with pytest.raises(zoo.InputError, match="1 titles for 2 rows"):
            attention_over_images(torch.rand(1, 3, 8, 8), torch.rand(1, 8, 8), titles=("image",))
        assert not (tmp_path / "maps.png").exists()


class TestTables:
    def test_layers_and_heads_are_whole_numbers(self):
        figure = head_tables({"one": torch.rand(2, 3), "other": torch.rand(2, 3)}, diverging=True)
        figure.canvas.draw()
        for axis in figure.axes[:2]:
            assert (axis.get_xlabel(), axis.get_ylabel()) == ("head", "layer")
            assert all(float(tick).is_integer() for tick in (*axis.get_xticks(), *axis.get_yticks()))
            low, high = axis.images[0].get_clim()
            assert low == -high

    def test_other_shapes_are_refused(self):
        with pytest.raises(zoo.InputError, match=r"\{'one': \(2, 3, 4\)\}"):
            head_tables({"one": torch.rand(2, 3, 4)})


class TestPage:
    def test_the_page_holds_all_it_needs(self, tmp_path):
        path = write_view([weights(2, 5, 5), weights(3, 5, 5)], WORDS, tmp_path / "view.html", title="<b> & co")
        page = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|src=|@import|<link", page)
        assert "<title>&lt;b&gt; &amp; co</title>" in page
        places = ["{{data}}", "{{title}}", "</script>", "a", "b"]
        page = write_view([weights(2, 5, 5)], places, path, title="{{data}}").read_text(encoding="utf-8")
        data = re.search(r'id="data">(.*)</script>', page)[1]
        assert json.loads(data)["queries"] == places
        assert "<title>{{data}}</title>" in page

    def test_tokens_of_any_text_are_drawn_and_written(self, tmp_path):
        odd = ["\ud83d", "", "\x00", "\u202eevil", "مرحبا"]
        attention_over_tokens(weights(5, 5), odd, path=tmp_path / "odd.png")
        page = write_view([weights(2, 5, 5)], odd, tmp_path / "view.html").read_text(encoding="utf-8")
        data = json.loads(re.search(r'id="data">(.*)</script>', page)[1])
        assert data["queries"] == ["?", "␣", "\x00", "\u202eevil", "مرحبا"]

    def test_what_a_page_cannot_show_is_said(self, tmp_path):
        path = tmp_path / "view.html"
        with pytest.raises(zoo.InputError, match=r"expected \(heads, 5, 5\)"):
            write_view([weights(2, 5, 4)], WORDS, path)
        with pytest.raises(zoo.InputError, match="colours start at zero"):
            write_view([weights(2, 5, 5) - 1], WORDS, path)
        for odd in (math.inf, math.nan):
            with pytest.raises(zoo.InputError, match="no finite numbers"):
                write_view([weights(2, 5, 5), torch.full((2, 5, 5), odd)], WORDS, path)
        with pytest.raises(zoo.InputError, match="choose layers"):
            write_view([torch.zeros(1, 1, 1).expand(17, 1000, 1000)], ["a"] * 1000, path)
        with pytest.raises(zoo.InputError, match="1 names for 2 layers"):
            write_view([weights(2, 5, 5)] * 2, WORDS, path, layers=[3])
        assert not path.exists()

    @pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page in")
    @pytest.mark.parametrize("cross", [False, True])
    def test_a_browser_shows_the_head_that_is_asked_for(self, tmp_path, cross):
        maps = [torch.full((2, 5, 5), 0.2) for _ in range(3)]
        maps[2][1, 4] = torch.tensor([0.0, 0.75, 0.25, 0.0, 0.0])
        keys = ["</script>", "<i>", "c", "d", "e"] if cross else None
        path = write_view(maps, WORDS, tmp_path / "view.html", keys=keys, layers=[3, 5, "7, own heads"])
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
        ]
        url = f"{path.as_uri()}#7%2C%20own%20heads.1"
        shown = subprocess.run(
            [CHROMIUM, *options, url], capture_output=True, text=True, timeout=120, check=True
        ).stdout
        assert "Layer 7, own heads, head 1" in shown
        assert shown.count("<canvas") == 6 + 2
        second = "&lt;i&gt;" if cross else "Mary"
        assert f"“$5” attends most to “{second}” 0.750" in shown
        assert 'aria-label="layer 5, head 0"' in shown
