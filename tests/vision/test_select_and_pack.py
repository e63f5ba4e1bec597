"""Select and pack attention: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import zoo
from zoo.errors import ConfigError, InputError
from zoo_vision.select_and_pack import cost, training
from zoo_vision.select_and_pack.attention import carried
from zoo_vision.select_and_pack.network import predict, preprocess
from zoo_vision.select_and_pack.packing import gathered, pack, scattered
from zoo_vision.select_and_pack.selection import labels_of_masks, mask_of_boxes, selection_loss
from zoo_vision.swin import initialise_narrow


class TestPacking:
    @settings(max_examples=40)
    @given(st.integers(0, 4), st.integers(0, 9), st.integers(1, 6), st.integers(0, 99), st.booleans())
    def test_kept_tokens_come_back_in_place_and_others_are_zero(self, batch, count, length, seed, per_image):
        generator = torch.Generator().manual_seed(seed)
        kept = torch.rand(batch, count, generator=generator) > 0.5
        tokens = torch.randn(batch, count, 3, generator=generator)
        packing = pack(kept, length, per_image)
        assert packing.source.shape[1:] == (length,)
        assert torch.equal(scattered(gathered(tokens, packing), packing), tokens * kept[..., None])
        assert packing.visible.any(-1).all()

    def test_order_and_images_by_hand(self):
        kept = torch.tensor([[True, False, True], [True, True, True]])
        packing = pack(kept, 4)
        assert packing.source.tolist() == [[0, 2, 3, 4], [5, 6, 6, 6]]
        assert packing.image.tolist() == [[0, 0, 1, 1], [1, -1, -1, -1]]
        assert packing.visible[0].tolist() == [[i // 2 == j // 2 for j in range(4)] for i in range(4)]
        # Padding sees itself only.
        assert packing.visible[1].tolist() == torch.eye(4, dtype=torch.bool).tolist()
        own = pack(kept, 4, per_image=True)
        assert own.image.tolist() == [[0, 0, -1, -1], [1, 1, 1, -1]]

    def test_fixed_shapes_give_the_same_answer(self):
        layer = zoo.load("select-and-pack-attention/tiny", window_size=2)
        x = torch.randn(3, 4, 5, 16)
        with torch.no_grad():
            plain = layer(x)
            traced = torch.compile(layer, backend="eager", fullgraph=True)(x)
        for name, value in plain.items():
            torch.testing.assert_close(traced[name], value)


class TestSelection:
    def test_scores_grow_by_what_is_handed_on(self):
        layer = zoo.load("select-and-pack-attention/tiny")
        x = torch.randn(1, 4, 4, 16)
        above = torch.full((1, 2, 2), -9.0)
        above[0, 1, 0] = 7.0
        with torch.no_grad():
            alone, found = layer(x), layer(x, above)
        assert (found["scores"][0, 2:, :2] == 7).all()
        assert torch.equal(found["scores"][0, :2], alone["scores"][0, :2])

    def test_scores_cross_resolutions(self):
        scores = torch.arange(16.0).view(1, 4, 4)
        assert carried(scores, 2, 2).tolist() == [[[5, 7], [13, 15]]]
        assert carried(carried(scores, 2, 2), 4, 4)[0, 0].tolist() == [5, 5, 7, 7]

    def test_kept_tokens_are_scaled_by_their_probability(self):
        layer = zoo.load("select-and-pack-attention/tiny")
        x = torch.randn(1, 3, 3, 16)
        with torch.no_grad():
            layer.proj.weight.copy_(torch.eye(16))
            # One token attends to itself alone: its value passes.
            layer.gate.weight.zero_()
            layer.gate.bias.fill_(-5)
            above = torch.full((1, 3, 3), -9.0)
            above[0, 1, 2] = 0.4
            found = layer(x, above)
            expected = layer.qkv(torch.tensor(0.4).sigmoid() * x[0, 1, 2])[32:]
        assert found["kept"].sum() == 1
        torch.testing.assert_close(found["output"][0, 1, 2], expected)
        assert found["output"].count_nonzero() == 16

    def test_the_threshold_decides(self):
        x = torch.randn(1, 6, 6, 16)
        counts = [int(zoo.load("select-and-pack-attention/tiny", threshold=t)(x)["kept"].sum()) for t in (0, 0.5, 1)]
        assert counts[0] == 36
        assert counts[2] == 0

    def test_training_draws_and_teaches_the_gate(self):
        layer = zoo.load("select-and-pack-attention/tiny").train()
        with torch.no_grad():
            layer.gate.weight.zero_()
            layer.gate.bias.fill_(torch.tensor(0.8).logit())
        shares = [layer(torch.randn(4, 10, 10, 16))["kept"].float().mean() for _ in range(5)]
        assert torch.stack(shares).mean().item() == pytest.approx(0.8, abs=0.05)
        layer(torch.randn(2, 4, 4, 16))["output"].square().sum().backward()
        assert layer.gate.weight.grad.abs().sum() > 0

    def test_rolling_changes_where_lists_are_cut_and_nothing_else(self):
        x = torch.randn(1, 4, 5, 16)
        for window, same in ((5, True), (2, False)):
            plain, rolled = (
                zoo.load("select-and-pack-attention/tiny", shifted=shifted, threshold=0.0, window_size=window)
                for shifted in (False, True)
            )
            rolled.load_state_dict(plain.state_dict())
            assert torch.allclose(plain(x)["output"], rolled(x)["output"], atol=1e-7) == same

    def test_bias_follows_the_difference_of_places(self):
        layers = [
            zoo.load("select-and-pack-attention/tiny", position="relative", shifted=shifted, threshold=0.0)
            for shifted in (False, True)
        ]
        with torch.no_grad():
            for layer in layers:
                layer.qkv.weight[:32].zero_()
                layer.proj.weight.copy_(torch.eye(16))
                layer.relative_position_bias_table.fill_(-50)
                # Only the neighbour to the left is seen: dy 0, dx 1.
                layer.relative_position_bias_table[13 * 27 + 14] = 50
            x = torch.randn(1, 3, 4, 16)
            values = layers[0].qkv.weight[32:] @ (x * layers[0].gate(x).sigmoid())[0, 1, 1]
            layers[1].load_state_dict(layers[0].state_dict())
            for layer in layers:
                torch.testing.assert_close(layer(x)["output"][0, 1, 2], values, atol=1e-5, rtol=1e-4)

    def test_images_do_not_depend_on_company_in_containers_of_their_own(self):
        x = torch.randn(3, 4, 5, 16)
        layer = zoo.load("select-and-pack-attention/tiny", window_size=2, packing="image")
        with torch.no_grad():
            torch.testing.assert_close(layer(x)["output"][1:2], layer(x[1:2])["output"])
            shared = zoo.load("select-and-pack-attention/tiny", window_size=3, threshold=0.0)
            assert not torch.allclose(shared(x)["output"][1:2], shared(x[1:2])["output"])

    def test_what_does_not_fit_is_refused(self):
        layer = zoo.load("select-and-pack-attention/tiny")
        with pytest.raises(InputError, match="expected maps"):
            layer(torch.randn(1, 9, 16))
        with pytest.raises(InputError, match="1 images"):
            layer(torch.randn(1, 2, 2, 16), torch.zeros(2, 2, 2))


class TestBackbone:
    def test_blocks_are_where_the_table_says(self):
        with torch.device("meta"):
            for preset, depths in (("spt-tiny", [2, 2, 10, 2]), ("spt-small", [2, 2, 22, 2])):
                config = zoo.info(f"select-and-pack/{preset}").config
                assert list(config["depths"]) == depths
        model = zoo.load("select-and-pack/tiny")
        assert [stage.selects for stage in model.layers] == [False, False, True, True]
        assert [block.attn.config.shifted for block in model.layers[2].blocks] == [False, True]

    @pytest.mark.parametrize("start", [1, 2, 3, 4, 5])
    def test_any_start_stage(self, start):
        model = zoo.load("select-and-pack/tiny", start_stage=start)
        found = model.features(torch.randn(2, 3, 64, 40))
        assert [tuple(each.shape) for each in found.maps] == [
            (2, 16, 16, 10),
            (2, 32, 8, 5),
            (2, 64, 4, 3),
            (2, 128, 2, 2),
        ]
        assert len(found.scores) == sum([1, 1, 2, 1][start - 1 :])
        assert (model.gate is not None) == (2 <= start <= 4)

    @settings(max_examples=8)
    @given(st.integers(1, 70), st.integers(1, 70))
    def test_any_size_and_padding_is_never_kept(self, height, width):
        model = zoo.load("select-and-pack/tiny", threshold=0.0)
        with torch.no_grad():
            found = model.features(torch.randn(1, 3, height, width))
        for index, each in enumerate(found.maps):
            stride = 4 * 2**index
            assert each.shape[2:] == (-(-height // stride), -(-width // stride))
            assert each.isfinite().all()
        assert all(each.all() for each in found.kept)

    def test_what_is_padded_changes_no_choice(self):
        model = zoo.load("select-and-pack/tiny", threshold=0.0)
        sizes = []
        attention = model.layers[2].blocks[0].attn
        attend = attention._attend
        attention._attend = lambda containers, packing, *rest: (
            sizes.append(int((packing.image >= 0).sum())),
            attend(containers, packing, *rest),
        )[1]
        model(torch.randn(1, 3, 33, 33))
        assert sizes == [9]

    def test_configs_that_cannot_be_are_refused(self):
        with pytest.raises(ConfigError, match="4 stages"):
            zoo.load("select-and-pack/tiny", depths=[1])
        with pytest.raises(ConfigError, match="divisible"):
            zoo.load("select-and-pack/tiny", num_heads=[3, 2, 2, 4])
        with pytest.raises(ConfigError, match="start_stage"):
            zoo.load("select-and-pack/tiny", start_stage=6)
        with pytest.raises(InputError, match="batch, 3"):
            zoo.load("select-and-pack/tiny")(torch.randn(1, 1, 32, 32))


class TestLabels:
    def test_a_cell_that_touches_an_object_is_one(self):
        mask = mask_of_boxes(torch.tensor([[7.5, 0.0, 9.0, 3.0]]), 12, 10)
        assert mask.nonzero().amin(0).tolist() == [0, 7]
        assert mask.nonzero().amax(0).tolist() == [2, 8]
        assert labels_of_masks(mask[None], 4).tolist() == [[[0, 1, 1], [0, 0, 0], [0, 0, 0]]]
        assert not mask_of_boxes(torch.zeros(0, 4), 3, 3).any()

    def test_the_loss_is_summed_over_blocks_at_their_own_resolution(self):
        masks = torch.zeros(1, 33, 20, dtype=torch.bool)
        masks[0, 32, 0] = True
        scores = [torch.full((1, 9, 5), 2.0), torch.full((1, 3, 2), -1.0)]
        fine = (44 * torch.tensor(2.0).exp().log1p() + torch.tensor(-2.0).exp().log1p()) / 45
        coarse = (5 * torch.tensor(-1.0).exp().log1p() + torch.tensor(1.0).exp().log1p()) / 6
        assert selection_loss(scores, masks).item() == pytest.approx(float(fine + coarse), rel=1e-5)
        assert selection_loss([], masks).item() == 0
        with pytest.raises(InputError, match="no stride"):
            selection_loss([torch.zeros(1, 4, 4)], masks)


def test_costs_by_hand():
    assert cost.full(2, 4, 3) == 2 * (4 * 4 * 9 + 2 * 16 * 3)
    assert cost.windows(2, 4, 3, 2) == 2 * (4 * 4 * 9 + 2 * 4 * 4 * 3)
    # Five kept tokens need two containers of four.
    assert cost.packed(2, 4, 3, 2, 5) == 2 * (12 + 36) + 2 * (3 * 4 * 9 + 2 * 16 * 3)


def test_a_picture_shows_what_is_kept(tmp_path):
    Image.new("RGB", (50, 30), (9, 90, 200)).save(tmp_path / "a.png")
    model = zoo.load("select-and-pack/tiny", num_classes=3)
    found = predict(model, model.config, tmp_path / "a.png")
    assert found["selection"].size == (50, 30)
    assert 0 <= found["kept"] <= 1
    assert len(found["classes"]) == 3
    with pytest.raises(InputError, match="selects nothing"):
        predict(
            zoo.load("select-and-pack/tiny", start_stage=5), zoo.load("select-and-pack/tiny").config, tmp_path / "a.png"
        )


def test_digits_stand_in_the_middle_of_a_dark_square():
    model = zoo.load("select-and-pack/digits", weights=None)
    digit = torch.rand(8, 8, generator=torch.Generator().manual_seed(0)).numpy()
    found = preprocess(model.config)(digit)["images"]
    assert found.shape == (1, 3, 64, 64)
    assert (found[..., :16, :] == -1).all()
    assert (found[..., 48:] == -1).all()
    assert found[..., 16:48, 16:48].max() > 0
    answer = predict(model, model.config, digit)
    assert len(answer["classes"]) == 5


def test_a_canvas_of_one_colour_gives_gradients_of_a_sane_size():
    """Patches of zeros made norms divide by the root of their epsilon: the first gradient had a norm of millions."""
    torch.manual_seed(0)
    model = training.started(zoo.load("select-and-pack/digits", weights=None).config)
    pictures, masks, labels = next(training.batches(1, 0))
    found = model.features(pictures)
    torch.nn.functional.cross_entropy(found.logits, labels).backward()
    norms = torch.stack([each.grad.norm() for each in model.parameters() if each.grad is not None])
    assert float(norms.norm()) < 100
    assert masks.any()


def test_narrow_networks_start_with_patches_that_differ():
    torch.manual_seed(0)
    model = zoo.load("select-and-pack/tiny", weights=None)
    grey = torch.full((1, 3, 64, 64), 0.45)
    near = grey + 0.1 * torch.rand(1, 3, 64, 64)

    def spread():
        with torch.no_grad():
            return float(model.patch_embed(near).flatten(1, 2).std(1).mean())

    before = spread()
    initialise_narrow(model, model.patch_embed, 0.45)
    assert spread() > 3 * before
    assert model.patch_embed.proj(grey).abs().max() < 1e-4
