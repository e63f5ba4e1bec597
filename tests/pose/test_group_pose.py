"""Group Pose: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_pose.group_pose import losses
from zoo_pose.group_pose.conversion import convert
from zoo_pose.group_pose.decoder import logit
from zoo_pose.group_pose.encoder import centres, valid_shares
from zoo_pose.group_pose.losses import People
from zoo_pose.group_pose.network import VISIBLE, example
from zoo_pose.group_pose.pictures import best, predict, resized
from zoo_pose.skeletons import CROWDPOSE


def test_parameter_counts():
    assert zoo.info("group-pose/r50").parameters == 49_318_396
    pytest.importorskip("transformers")
    assert zoo.info("group-pose/swin-l").parameters == 219_655_280


def test_swin_runs():
    pytest.importorskip("transformers")
    small = zoo.load("group-pose/tiny").config
    options = {name: getattr(small, name) for name in ("dim", "num_heads", "hidden_dim", "num_queries", "norm_groups")}
    model = zoo.load("group-pose/swin-t", **options, num_levels=4, encoder_layers=1, decoder_layers=1)
    with torch.no_grad():
        found = model(torch.randn(1, 3, 64, 96))
    assert found.keypoints.shape == (1, 6, 51)
    assert found.auxiliary_logits.shape == (1, 0, 6, 2)


def test_frozen_norms_do_not_train():
    model = zoo.load("group-pose/r50", encoder_layers=0, decoder_layers=1, num_levels=3, hidden_dim=8)
    assert not [name for name, _ in model.backbone.named_parameters() if ".bn" in name or name.endswith("bias")]
    model.train()
    images = torch.randn(2, 3, 32, 32)
    before = model.backbone.body.bn1.running_mean.clone()
    model(images)
    assert torch.equal(before, model.backbone.body.bn1.running_mean)


def test_shares_and_centres():
    mask = torch.zeros(1, 4, 8, dtype=torch.bool)
    mask[:, :, 6:] = True
    mask[:, 2:] = True
    shares = valid_shares([mask])
    assert shares.tolist() == [[[0.75, 0.5]]]
    at = centres([mask], shares).view(4, 8, 2)
    torch.testing.assert_close(at[0, 0], torch.tensor([0.5 / 6, 0.5 / 2]))
    torch.testing.assert_close(at[1, 5], torch.tensor([5.5 / 6, 1.5 / 2]))


def test_padding_is_not_looked_at():
    """What lies under the mask changes nothing, as long as the trunk does not carry it over the edge."""
    model = zoo.load("group-pose/tiny")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    features = [torch.randn(1, 16, 8, 8), torch.randn(1, 24, 4, 4)]
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[:, :, 32:] = True
    # Group norm and the third level's convolution see whole maps, so the memory alone is changed.
    maps = model.pyramid(features)
    masks = [torch.nn.functional.interpolate(mask[:, None].float(), each.shape[2:])[:, 0].bool() for each in maps]
    changed = [torch.where(hidden[:, None], 9.0, each) for hidden, each in zip(masks, maps, strict=True)]
    plain, other = (model.decoder(*model.encoder(each, masks)) for each in (maps, changed))
    torch.testing.assert_close(plain.poses, other.poses)
    torch.testing.assert_close(plain.logits, other.logits)


def test_dropped_proposals_have_keypoints_at_one():
    model = zoo.load("group-pose/tiny", num_queries=40)
    # A map of 1 x 1 is the whole picture's centre, and its box of 0.05 * 2^level fits.
    features = [torch.randn(1, 16, 2, 2), torch.randn(1, 24, 1, 1)]
    found = model(features=features)
    assert found.first_keypoints.shape == (1, 40, 28)
    mask = torch.ones(1, 16, 16, dtype=torch.bool)
    hidden = model(features=features, padding_mask=mask)
    assert (hidden.first_keypoints == 1).all()
    assert hidden.keypoints.isfinite().all()


def test_positions_in_place_or_not():
    model = zoo.load("group-pose/tiny")
    other = zoo.load("group-pose/tiny", inplace_positions=False)
    other.load_state_dict(model.state_dict())
    x, positions = torch.randn(1, 6, 15, 32), torch.randn(1, 6, 14, 32)
    _, kept = model.decoder.layers[0].within(x, positions)
    torch.testing.assert_close(kept[:, :, 1:], x[:, :, 1:] + positions)
    assert torch.equal(kept[:, :, 0], x[:, :, 0])
    after, kept = other.decoder.layers[0].within(x, positions)
    assert torch.equal(kept, x)
    # Positions that are equal for all queries of an instance shift queries and keys alone: values stay.
    attention = other.decoder.layers[0].within_attn
    asked = torch.cat((x[:, :, :1], x[:, :, 1:] + positions), 2)
    expected = other.decoder.layers[0].within_norm(x + attention(asked.flatten(0, 1), x.flatten(0, 1)).view(x.shape))
    torch.testing.assert_close(after, expected)


def test_layout_of_the_answer():
    model = zoo.load("group-pose/tiny")
    found = model(**example(model.config))
    assert found.keypoints.shape == (2, 6, 42)
    torch.testing.assert_close(found.keypoints[..., 28:], torch.full((2, 6, 14), VISIBLE))
    assert found.auxiliary_keypoints.shape == (2, 1, 6, 42)
    (first, _) = best(found, 100, 50, most=3)
    assert first.keypoints.shape == (3, 14, 2)
    assert (first.scores.diff() <= 0).all()
    index = int(found.logits[0].flatten().argmax()) // 2
    torch.testing.assert_close(
        first.keypoints[0], found.keypoints[0, index, :28].view(14, 2) * torch.tensor([100.0, 50.0])
    )


def test_logit_is_cut():
    found = logit(torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0]))
    torch.testing.assert_close(found.sigmoid(), torch.tensor([1 / 1001, 1 / 1001, 0.5, 1000 / 1001, 1000 / 1001]))


def test_names_of_the_published_checkpoint():
    state = dict.fromkeys(
        (
            "module.backbone.0.body.layer2.0.conv1.weight",
            "transformer.encoder.layers.1.linear1.weight",
            "transformer.encoder.layers.1.self_attn.value_proj.bias",
            "transformer.decoder.layers.0.within_attn.in_proj_weight",
            "transformer.decoder.pose_embed.0.layers.0.weight",
            "pose_embed.0.layers.0.weight",
            "transformer.enc_output_norm.weight",
            "transformer.decoder.half_pose_ref_point_head.layers.0.bias",
        ),
        torch.zeros(1),
    )
    assert set(convert(state, None)) == {
        "backbone.body.layer2.0.conv1.weight",
        "encoder.layers.1.ffn.fc1.weight",
        "encoder.layers.1.self_attn.value_proj.bias",
        "decoder.layers.0.within_attn.in_proj.weight",
        "decoder.pose_embed.0.layers.0.weight",
        "decoder.enc_output_norm.weight",
        "decoder.point_head.layers.0.bias",
    }


class TestLosses:
    def people(self, count):
        generator = torch.Generator().manual_seed(0)
        points = torch.rand(count, 14, 2, generator=generator)
        return People(points, torch.ones(count, 14, dtype=torch.bool), torch.full((count,), 0.1))

    def test_instances_get_the_people_they_are_nearest_to(self):
        people = self.people(3)
        poses = torch.cat((people.keypoints.flip(0), torch.rand(2, 14, 2))) + 0.001
        rows, columns = losses.match(torch.zeros(5, 2), poses, people, CROWDPOSE)
        assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 2, 1: 1, 2: 0}

    def test_a_right_and_sure_answer_costs_nothing(self):
        people = self.people(2)
        poses = people.keypoints[None]
        logits = torch.tensor([[[-20.0, 20.0]] * 2])
        assert losses.stage_loss(logits, poses, [people], CROWDPOSE).item() == pytest.approx(0, abs=1e-4)
        moved = losses.stage_loss(logits, poses + 0.01, [people], CROWDPOSE)
        # L1 alone: 10 * 28 coordinates * 0.01 for each person.
        assert moved.item() > 2.8
        nobody = People(poses[0, :0], people.visible[:0], people.areas[:0])
        assert losses.stage_loss(-logits.abs(), poses, [nobody], CROWDPOSE).item() == pytest.approx(0, abs=1e-4)

    def test_training_reaches_every_part(self):
        model = zoo.load("group-pose/tiny").train()
        found = model(**example(model.config))
        total = losses.losses(found, [self.people(2), self.people(1)], CROWDPOSE)
        assert set(total) == {"first", "layer0", "last"}
        sum(total.values()).backward()
        missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
        assert not missing


def test_people_of_a_picture(tmp_path):
    Image.new("RGB", (90, 60), (10, 120, 200)).save(tmp_path / "photo.png")
    model = zoo.load("group-pose/tiny")
    answer = predict(model, model.config, tmp_path / "photo.png")
    assert answer["picture"].size == (90, 60)
    assert answer["people"] == []
    with torch.no_grad():
        model.decoder.class_embed[-1].bias.fill_(3.0)
    sure = predict(model, model.config, tmp_path / "photo.png")
    assert len(sure["people"]) == 6
    assert len(sure["people"][0]["joints"]) == 14
    assert resized(Image.new("RGB", (200, 100)), model.config).size == (96, 48)
    assert resized(Image.new("RGB", (100, 100)), model.config).size == (64, 64)


def test_wrong_inputs_are_refused():
    model = zoo.load("group-pose/tiny")
    images = torch.zeros(1, 3, 32, 32)
    for wrong in (torch.zeros(1, 32, 32), torch.zeros(1, 16, 32, dtype=torch.bool)):
        with pytest.raises(InputError, match="padding_mask"):
            model(images, wrong)
    with pytest.raises(InputError, match="give"):
        model()
    with pytest.raises(InputError, match="channels"):
        model(features=[torch.zeros(1, 16, 4, 4)])
    for options, message in (
        ({"channels": [1]}, "resnet50"),
        ({"num_levels": 2}, "num_levels"),
        ({"norm_groups": 7}, "norm_groups"),
        ({"dim": 24}, "norm_groups"),
    ):
        with pytest.raises(ConfigError, match=message):
            zoo.load("group-pose/r50", **options)
