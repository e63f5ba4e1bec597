"""Poseur: what is particular to it."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_pose.poseur.conversion import convert
from zoo_pose.poseur.decoder import DecoderLayer
from zoo_pose.poseur.head import Pose, PoseurHead
from zoo_pose.poseur.network import Mapper, fused, predict


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts():
    assert zoo.info("poseur/resnet50").parameters == 33_256_408
    with torch.device("meta"):
        model = zoo.load("poseur/tiny").config
        model.dim, model.hidden_dim, model.num_points, model.channels = 256, 1024, 4, [256] * 4
        for layers, expected in ((6, 8_763_288), (3, 4_512_774)):
            model.num_layers = layers
            assert count(PoseurHead(model)) == expected
        assert count(DecoderLayer(model)) == 1_020_544
        assert sum(count(Mapper(channels, 256, 32)) for channels in (256, 512, 1024, 2048)) == 985_088


@pytest.mark.parametrize(
    ("preset", "trunk"),
    [
        ("mobilenetv2", 2_223_872),
        ("hrnet-w32", 29_305_536),
        ("hrnet-w48", 65_325_120),
        ("hrformer-tiny", 2_572_388),
        ("hrformer-small", 7_891_050),
        ("hrformer-big", 44_040_666),
        ("vit-base", 85_794_048),
    ],
)
def test_presets_are_trunk_neck_and_head(preset, trunk):
    """Heads of 6 and 3 layers as the specification counts them, and a neck of one convolution and norm for each map."""
    config = zoo.info(f"poseur/{preset}").config
    neck = sum(config.channels) * 256 + 4 * 2 * 256
    if config.neck == "deconvolution":
        neck = (768 + 2 * 256) * 256 * 16 + 3 * 2 * 256
    head = {6: 8_763_288, 3: 4_512_774}[config.num_layers]
    # Every level has an embedding and, in every layer, offsets and weights of 4 points in 8 heads.
    missing = 1 if config.neck == "deconvolution" else 0
    head -= missing * (256 + config.num_layers * 8 * 4 * 3 * 257)
    assert zoo.info(f"poseur/{preset}").parameters == trunk + neck + head


def pose(coord, sigma):
    coord, sigma = torch.tensor([[coord]]), torch.tensor([[sigma]])
    return Pose(coord, sigma, 1 - sigma.mean(-1, True), coord[None], sigma[None], coord, sigma)


def test_fusion_by_hand():
    coord, score = fused(pose([0.2, 0.4], [0.1, 0.1]), pose([0.4, 0.4], [0.1, 0.1]))
    torch.testing.assert_close(coord[0, 0], torch.tensor([0.3, 0.4]))
    expected = 0.7 * (1 - torch.exp(torch.tensor(-2.0))) ** 2
    torch.testing.assert_close(score[0, 0], expected)
    # The surer pose decides.
    coord, _ = fused(pose([0.2, 0.4], [0.01, 0.01]), pose([0.4, 0.4], [0.9, 0.9]))
    torch.testing.assert_close(coord[0, 0], torch.tensor([0.2, 0.4]), atol=1e-3, rtol=0)


def test_references_begin_unclipped_and_queries_see_both():
    """A first guess outside the crop is sampled where it is; the query's embedding also knows the clipped point."""
    head = zoo.load("poseur/tiny").head
    outside, edge = torch.tensor([[[1.5, 0.5]] * 17]), torch.tensor([[[1.0, 0.5]] * 17])
    assert not torch.allclose(head.queries(outside, edge), head.queries(edge, edge))
    maps = [torch.randn(1, 16, 8, 6), torch.randn(1, 16, 4, 3)]
    seen = []
    hook = head.layers[0].register_forward_pre_hook(lambda module, args: seen.append(args[4]))
    head.decode(maps, outside)
    hook.remove()
    assert (seen[0][..., 0] == 1.5).all()
    # What the first layer adds to is the logit of the clipped point.
    torch.nn.init.zeros_(head.coord_branches[0][-1].weight)
    torch.nn.init.zeros_(head.coord_branches[0][-1].bias)
    torch.nn.init.zeros_(head.output_branches[0][-1].weight)
    torch.nn.init.zeros_(head.output_branches[0][-1].bias)
    torch.testing.assert_close(head.decode(maps, outside)[0][:, 0], edge.clamp(max=1 - 1e-5))


def test_noise_leaves_the_first_group_and_the_stated_share_of_others():
    head = zoo.load("poseur/tiny").head
    references = torch.rand(3, 17, 2)
    found = head.noisy(references, torch.Generator().manual_seed(0))
    assert found.shape == (3, 4 * 17, 2)
    assert torch.equal(found[:, :17], references)
    changed = (found[:, 17:] != references.repeat(1, 3, 1)).any(-1)
    assert changed.sum(1).tolist() == [12, 12, 12]
    assert torch.equal(changed[0], changed[1])
    assert found.min() >= -0.7
    assert found.max() <= 1.7


def test_training_losses_use_the_groups_and_reach_everything():
    model = zoo.load("poseur/tiny").train()
    images = torch.randn(2, 3, 32, 24)
    target, weight = torch.rand(2, 17, 2), torch.ones(2, 17, 2)
    losses = model.losses(target, weight, images, generator=torch.Generator().manual_seed(0))
    assert set(losses) == {"coarse", "layer0", "layer1"}
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    plain = model.losses(target, weight, images)
    without = model.losses(target, weight * 0, images)
    assert plain["layer1"] != losses["layer1"]
    assert all(value == 0 for value in without.values())


def test_the_decoder_moves_the_first_guess_in_eval_mode_alone():
    model = zoo.load("poseur/tiny")
    images = torch.randn(1, 3, 32, 24)
    for training in (False, True):
        model.train(training)
        (gradient,) = torch.autograd.grad(
            model(images).coord.sum(), model.head.fc_coord.linear.weight, allow_unused=True, materialize_grads=True
        )
        assert bool(gradient.any()) is not training


def test_given_features_and_deconvolutions():
    model = zoo.load("poseur/vit-base", dim=16, num_layers=1, hidden_dim=8)
    answer = model(features=[torch.randn(1, 768, 2, 2)])
    assert answer.coord.shape == (1, 17, 2)
    maps = model.pyramid(None, [torch.randn(1, 768, 2, 2)])
    assert [tuple(each.shape[2:]) for each in maps] == [(16, 16), (8, 8), (4, 4)]
    with pytest.raises(InputError, match="256 x 192"):
        model(torch.zeros(1, 3, 32, 32))
    with pytest.raises(InputError, match="768"):
        zoo.load("poseur/vit-base", backbone="none", dim=16, num_layers=1)(torch.zeros(1, 3, 32, 32))
    with pytest.raises(InputError, match="channels"):
        model(features=[torch.zeros(1, 3, 2, 2)])


def test_names_of_the_whole_checkpoint():
    state = {
        "keypoint_head.transformer.decoder.layers.2.attentions.1.value_proj_weight.weight": torch.zeros(2048, 32),
        "keypoint_head.transformer.decoder.layers.2.attentions.1.value_proj_bias.weight": torch.zeros(8, 32),
        "keypoint_head.fc_sigma_branches.0.2.linear.bias": torch.zeros(2),
        "neck.convs.0.conv.weight": torch.zeros(1),
        "backbone.layer1.0.conv1.weight": torch.zeros(1),
    }
    found = {name: tuple(tensor.shape) for name, tensor in convert(state, None).items()}
    assert found == {
        "head.layers.2.cross_attn.value_weight": (8, 256, 32),
        "head.layers.2.cross_attn.value_bias": (8, 32),
        "head.sigma_branches.0.2.bias": (2,),
        "neck.0.conv.weight": (1,),
        "backbone.layer1.0.conv1.weight": (1,),
    }


def test_published_names_cover_the_network():
    """Ours, renamed to the authors' as the specification lists them, come back whole."""
    model = zoo.load("poseur/tiny")
    own = model.state_dict()
    assert set(convert(own, model.config)) == set(own)


def test_people_in_a_picture(tmp_path):
    Image.new("RGB", (90, 60), (200, 30, 10)).save(tmp_path / "photo.png")
    model = zoo.load("poseur/tiny")
    whole = predict(model, model.config, tmp_path / "photo.png")
    assert len(whole["people"]) == 1
    assert whole["picture"].size == (90, 60)
    (tmp_path / "people.json").write_text(
        json.dumps({"image": "photo.png", "boxes": [[0, 0, 30, 60], [40, 10, 80, 50]]})
    )
    two = predict(model, model.config, tmp_path / "people.json")
    assert len(two["people"]) == 2
    assert set(two["people"][0]) >= {"nose", "left_ankle"}
    for boxes in ([[5, 5, 5, 9]], "abc"):
        with pytest.raises(InputError, match="boxes"):
            predict(model, model.config, (Image.new("RGB", (9, 9)), boxes))
    with pytest.raises(InputError, match="cannot be read"):
        predict(model, model.config, tmp_path / "none.png")


def test_configs_that_cannot_be_are_refused():
    for wrong, message in (
        ({"channels": [3, 4]}, "of resnet50"),
        ({"dim": 258, "num_heads": 2}, "multiple of 4"),
        ({"norm_groups": 7}, "norm_groups"),
        ({"noisy_per_group": 20}, "noisy_per_group"),
        ({"backbone": "none", "neck": "deconvolution"}, "one map"),
        ({"backbone": "hrnet-w32"}, "32, 64, 128, 256"),
        ({"backbone": "vit-base", "channels": [768], "neck": "deconvolution", "width": 100}, "patches of 16"),
    ):
        with pytest.raises(ConfigError, match=message):
            zoo.load("poseur/resnet50", **wrong)
