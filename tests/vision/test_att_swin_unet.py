"""Att-SwinU-Net: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file

import zoo
from zoo.errors import CheckpointMismatch, ConfigError, InputError
from zoo_vision import swin
from zoo_vision.att_swin_unet.config import AttSwinUNetConfig
from zoo_vision.att_swin_unet.conversion import convert, start_from_swin
from zoo_vision.att_swin_unet.network import AttSwinUNet
from zoo_vision.att_swin_unet.segmentation import agreement, labels, predict


@pytest.mark.parametrize(("name", "parameters"), [("att-swin-unet", 46_901_892), ("att-swin-unet-plain", 41_388_804)])
def test_parameter_counts(name, parameters):
    assert zoo.info(name).parameters == parameters


def test_the_skips_attention_has_the_stated_parameters():
    counts = [zoo.info(f"att-swin-unet-cross-contextual/skip-{skip}").parameters for skip in (1, 2, 3)]
    assert sum(counts) == 5_513_088


class TestSwin:
    @given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))
    def test_windows_come_back_and_padding_never_shows(self, height, width, window):
        torch.manual_seed(height * 100 + width * 10 + window)
        for shift in {0, window // 2}:
            block = swin.SwinBlock(4, 2, window, shift).eval()
            x = torch.randn(1, height, width, 4)
            with torch.no_grad():
                found, weights = block.attend(x)
                assert found.shape == x.shape
                padded = torch.nn.functional.pad(x, (0, 0, 0, -width % window, 0, -height % window), value=9.0)
                mask = torch.zeros(padded.shape[1:3])
                mask[:height, :width] = 1
                seen = swin.into_windows(mask.roll((-shift, -shift), (0, 1))[None, ..., None], window)[..., 0]
            real, pad = seen[0].bool(), ~seen[0].bool()
            assert (weights[0] * (real[:, None, :, None] & pad[:, None, None])).max() < 1e-30
            assert torch.equal(swin.from_windows(swin.into_windows(padded, window), window, *padded.shape[1:3]), padded)

    @settings(max_examples=15)
    @given(st.integers(2, 3), st.integers(2, 3), st.integers(2, 4))
    def test_a_corner_of_a_shifted_map_sees_only_itself(self, rows, columns, window):
        """By gradient: its window holds three other corners, which only the roll made neighbours."""
        torch.manual_seed(0)
        attention = swin.SwinBlock(4, 1, window, window // 2).eval()
        x = torch.randn(1, rows * window, columns * window, 4, requires_grad=True)
        (gradient,) = torch.autograd.grad(attention(x)[0, 0, 0].sum(), x)
        # A masked weight is e^-100, not quite nothing.
        where = (gradient[0].abs().sum(-1) > 1e-30).nonzero()
        assert where.max() < window // 2

    def test_offsets_are_query_less_key(self):
        index = swin.offsets(2)
        # Query (0, 0) and key (1, 1): dy = dx = -1, the first row of the table.
        assert index[0, 3] == 0
        assert index[3, 0] == 8
        assert index.diagonal().tolist() == [4] * 4

    def test_merging_reads_rows_before_columns(self):
        merging = swin.PatchMerging(1)
        with torch.no_grad():
            merging.norm = torch.nn.Identity()
            merging.reduction.weight.copy_(torch.eye(4)[:2])
        x = torch.tensor([[0.0, 1.0], [2.0, 3.0]])[None, ..., None]
        assert merging(x).flatten().tolist() == [0, 2]


def test_the_recorded_logits_do_not_depend_on_the_published_transfer():
    recorded = load_file("tests/golden/att-swin-unet/att-swin-unet-cross-tiny.safetensors")
    found = {}
    for switch in ("off", "code", "paper"):
        config = AttSwinUNetConfig(
            64, 2, 4, 3, 8, [2, 1, 1, 1], [1, 2, 2, 4], 4, cross_heads=2, cross_head_dim=6, spatial_attention=switch
        )
        model = AttSwinUNet(config).eval()
        state = {name.removeprefix("state."): value for name, value in recorded.items() if name.startswith("state.")}
        unused = {name: value for name, value in model.state_dict().items() if name.startswith("patch_embed.")}
        zoo.fill(model, {**unused, **convert(state, config)})
        with torch.no_grad():
            found[switch] = model(recorded["input.x"])
    assert torch.equal(found["off"], found["code"])
    torch.testing.assert_close(found["off"], recorded["output.logits"], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found["paper"], found["off"], atol=1e-3)


def _weights_used(**fields):
    """The weights that multiply values in the decoder's last stage, block by block, and the encoder's."""
    model = zoo.load("att-swin-unet/tiny", spatial_attention="paper", **fields)
    stage, used, made = model.decoder.layers_up[3], [], []
    for block in stage.blocks:
        attend = block.attend

        def spied(x, change=None, attend=attend):
            def note(weights):
                made.append(weights)
                used.append(weights if change is None else change(weights))
                return used[-1]

            return attend(x, note)

        block.attend = spied
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model(images)
        transferred = model.encoder(images)[2][0]
    return made, used, transferred


def test_the_papers_transfer_goes_to_blocks_shifted_alike():
    made, used, transferred = _weights_used()
    # Two blocks: the encoder's last one is shifted, so only the second uses its weights, whose rows sum to 2 then.
    assert torch.equal(made[0], used[0])
    torch.testing.assert_close(used[1], made[1] + transferred)
    torch.testing.assert_close(used[1].sum(-1), torch.full(used[1].shape[:-1], 2.0))
    made, used, transferred = _weights_used(combine="multiply")
    torch.testing.assert_close(used[1], made[1] * transferred)
    made, used, _ = _weights_used(renormalise=True)
    torch.testing.assert_close(used[1].sum(-1), torch.ones(used[1].shape[:-1]))


def test_skips_are_counted_from_the_deepest():
    torch.manual_seed(0)
    images = torch.rand(1, 3, 64, 64)
    maps = []
    for count in range(4):
        model = zoo.load("att-swin-unet/tiny", skip_num=count)
        assert len(model.decoder.Crossvit_layer) == 3
        for index, module in enumerate(model.decoder.Crossvit_layer):
            used = []
            module.register_forward_hook(lambda *_, used=used: used.append(1))
            with torch.no_grad():
                maps.append(model(images))
            assert bool(used) == (index >= 3 - count)
    plain = zoo.load("att-swin-unet-plain/tiny")
    assert not hasattr(plain.decoder, "Crossvit_layer")


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=8)
def test_any_size_gives_logits_of_that_size(height, width):
    model = zoo.load("att-swin-unet/tiny", spatial_attention="paper")
    with torch.no_grad():
        found = model(torch.rand(1, 3, height, width))
    assert found.shape == (1, 2, height, width)
    assert found.isfinite().all()


def test_a_grey_image_is_three_equal_channels():
    model = zoo.load("att-swin-unet/tiny")
    grey = torch.rand(2, 1, 32, 32)
    assert torch.equal(model(grey), model(grey.expand(-1, 3, -1, -1)))
    with pytest.raises(InputError, match="batch, 3 or 1"):
        model(torch.rand(1, 2, 32, 32))


def test_one_token_is_a_legal_stream_and_streams_must_match():
    layer = zoo.load("att-swin-unet-cross-contextual/tiny")
    x, skip = layer(torch.randn(1, 1, 12), torch.randn(1, 1, 12))
    assert x.shape == skip.shape == (1, 1, 12)
    with pytest.raises(InputError, match="expected"):
        layer(torch.randn(1, 4, 12), torch.randn(1, 5, 12))


def test_configs_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="take 224"):
        zoo.load("att-swin-unet", image_size=200)
    with pytest.raises(ConfigError, match="divisible"):
        zoo.load("att-swin-unet", num_heads=[5, 6, 12, 24])
    with pytest.raises(ConfigError, match="4 stages"):
        zoo.load("att-swin-unet", depths=[2, 2])


def test_training_may_start_from_a_swin_classifier():
    model = zoo.load("att-swin-unet-plain/tiny")
    donor = zoo.load("att-swin-unet-plain/tiny", depths=[2, 1, 3, 1]).encoder.state_dict()
    names = start_from_swin(model, {**donor, "head.weight": torch.ones(3)})
    for name in ("encoder.norm.weight", "decoder.layers_up.3.blocks.1.mlp.fc1.weight", "encoder.patch_embed.proj.bias"):
        assert name in names
    own = model.state_dict()
    assert torch.equal(own["decoder.layers_up.1.blocks.0.attn.qkv.weight"], donor["layers.2.blocks.0.attn.qkv.weight"])
    assert not any("upsample" in name or name.startswith("decoder.norm") for name in names)
    with pytest.raises(CheckpointMismatch, match="no tensor"):
        start_from_swin(model, {"head.weight": torch.ones(3)})
    with pytest.raises(CheckpointMismatch, match="in the state"):
        start_from_swin(model, {"norm.weight": torch.ones(3)})


class TestMasks:
    def test_by_hand(self):
        found = torch.tensor([[[True, True], [False, False]]])
        truth = torch.tensor([[[True, False], [True, False]]])
        scores = agreement(found, truth)
        assert [float(x) for x in (scores.dice, scores.sensitivity, scores.specificity, scores.accuracy)] == [0.5] * 4

    def test_empty_masks_agree(self):
        empty = torch.zeros(1, 3, 3, dtype=torch.bool)
        assert float(agreement(empty, empty).dice) == 1
        assert float(agreement(empty, ~empty).dice) == 0
        with pytest.raises(InputError, match="boolean"):
            agreement(empty.float(), empty)

    def test_one_class_is_a_sigmoid_and_several_a_softmax(self):
        assert labels(torch.tensor([[[[-1.0, 2.0]]]])).tolist() == [[[0, 1]]]
        assert labels(torch.tensor([[[[0.0, 2.0]], [[1.0, 1.0]]]])).tolist() == [[[1, 0]]]


@pytest.mark.parametrize("classes", [1, 2])
def test_a_picture_of_any_shape_gives_a_mask_of_its_shape(tmp_path, classes):
    Image.new("L", (30, 17), 90).save(tmp_path / "grey.png")
    model = zoo.load("att-swin-unet/tiny", num_classes=classes)
    answer = predict(model, model.config, tmp_path / "grey.png")
    assert answer["mask"].size == (30, 17)
    assert sum(answer["shares"].values()) == pytest.approx(1, abs=1e-3)
