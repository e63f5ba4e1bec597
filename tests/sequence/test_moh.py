"""Mixture-of-head attention: what is particular to it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.nn.attention import dense_attention
from zoo_sequence.moh.attention import MoHAttention
from zoo_sequence.moh.config import MoHConfig, MoHDiTConfig, MoHLlamaConfig, MoHViTConfig, QueryNormConfig
from zoo_sequence.moh.conversion import convert, replay
from zoo_sequence.moh.diffusion import Diffusion
from zoo_sequence.moh.dit import MoHDiT, grid_positions
from zoo_sequence.moh.llama import MoHLlama, QueryNormAttention, query_norm_attention, query_norm_routing
from zoo_sequence.moh.routing import Router, Routing, balance_loss, choose, gated_heads, softmax_heads
from zoo_sequence.moh.vit import MoHViT, log_coordinates, neighbours


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("moh-vit/s-80", 49_910_548),
        ("moh-vit/b-75", 90_020_632),
        ("moh-dit/XL/2-90", 675_666_464),
        ("moh-dit/L/2-75", 458_528_800),
        ("moh-dit/b/2-90", 130_638_368),
        ("moh-dit/S/2-75", 32_998_688),
        ("moh-llama/llama3-8b", 8_030_261_248),
    ],
)
def test_parameter_counts(name, parameters):
    assert zoo.info(name).to_dict()["parameters"] == parameters


class TestRouter:
    @pytest.mark.parametrize(
        ("heads", "shared", "routed", "names"),
        [
            (6, 2, 2, {"pool", "balance", "shared"}),
            (6, 1, 2, {"pool", "balance"}),
            (6, 0, 3, {"pool"}),
            (6, 6, 0, {"shared"}),
            (1, 1, 0, set()),
        ],
    )
    def test_parameters_exist_as_needed(self, heads, shared, routed, names):
        assert {name.split(".")[0] for name, _ in Router(8, heads, shared, routed).named_parameters()} == names

    @given(st.integers(1, 12), st.data())
    @settings(max_examples=40, deadline=None)
    def test_gates(self, heads, data):
        shared = data.draw(st.integers(0, heads))
        routed = data.draw(st.integers(1, heads - shared)) if shared < heads else 0
        router = Router(8, heads, shared, routed)
        x = torch.randn(2, 5, 8)
        routing = router(x)
        assert routing.num_shared == shared
        assert bool(((routing.gates > 0).sum(-1) == shared + routed).all())
        first = second = torch.ones(2, 5)
        if routed and shared:
            first, second = (2 * router.balance(x).softmax(-1)).unbind(-1)
        torch.testing.assert_close(routing.gates.sum(-1), shared * first + routed * second)

    def test_balance_loss_is_the_mean_over_routing_layers(self):
        uniform = Routing(torch.ones(1, 4, 4), torch.full((1, 4, 4), 0.25), torch.eye(4, dtype=torch.bool)[None])
        collapsed = Routing(
            torch.ones(1, 4, 4),
            torch.tensor([1.0, 0, 0, 0]).expand(1, 4, 4),
            torch.tensor([True, False, False, False]).expand(1, 4, 4),
        )
        unrouted = Routing(torch.ones(1, 4, 4))
        assert uniform.imbalance().item() == pytest.approx(1.0)
        assert collapsed.imbalance().item() == pytest.approx(4.0)
        assert balance_loss([uniform, unrouted, collapsed]).item() == pytest.approx(0.01 * 2.5)
        assert balance_loss([unrouted]).item() == 0

    def test_balance_loss_trains_the_pool(self):
        layer = MoHAttention(MoHConfig(dim=16, num_heads=4, shared_heads=1, routed_heads=1))
        routings: list[Routing] = []
        layer(torch.randn(2, 9, 16), routings=routings)
        balance_loss(routings).backward()
        assert float(layer.router.pool.weight.grad.abs().sum()) > 0


class TestSkipping:
    @given(
        batch=st.integers(1, 3),
        queries=st.integers(1, 90),
        earlier=st.integers(0, 20),
        heads=st.integers(2, 6),
        causal=st.booleans(),
        masking=st.sampled_from(["none", "padding", "square", "per head"]),
        data=st.data(),
    )
    @settings(max_examples=60, deadline=None)
    def test_equals_computing_all_heads(self, batch, queries, earlier, heads, causal, masking, data):
        shared = data.draw(st.integers(0, heads - 1))
        routed = data.draw(st.integers(1, heads - shared))
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
        keys = queries + earlier
        query = torch.randn(batch, heads, queries, 4, generator=generator)
        key, value = (torch.randn(batch, heads, keys, 4, generator=generator) for _ in range(2))
        shape = {
            "padding": (batch, 1, 1, keys),
            "square": (1, 1, queries, keys),
            "per head": (batch, heads, queries, keys),
        }
        mask = None if masking == "none" else torch.rand(shape[masking], generator=generator) < 0.7
        pool = heads - shared
        chosen = choose(torch.rand(batch, queries, pool, generator=generator), routed)
        weights = chosen * torch.rand(chosen.shape, generator=generator)
        gates = torch.cat((torch.ones(batch, queries, shared), weights), -1)
        routing = Routing(gates, weights, chosen)
        attend = softmax_heads(query, key, value, mask, causal=causal)
        torch.testing.assert_close(
            gated_heads(routing, attend), gated_heads(routing, attend, skip=False), atol=1e-5, rtol=1e-5
        )

    def test_evaluates_only_what_was_chosen(self):
        seen = []

        def heads(which, rows):
            count = which.stop - (which.start or 0)
            seen.append((count, 50 if rows is None else rows.shape[1]))
            return torch.ones(1, count, seen[-1][1], 3)

        chosen = choose(torch.rand(1, 50, 6, generator=torch.Generator().manual_seed(0)), 2)
        gates = torch.cat((torch.ones(1, 50, 2), chosen.float()), -1)
        output = gated_heads(Routing(gates, gates[..., 2:], chosen), heads)
        assert seen[0] == (2, 50)
        assert [rows for _, rows in seen[1:]] == chosen[0].sum(0).tolist()
        torch.testing.assert_close(output, gates.transpose(1, 2)[..., None].expand(-1, -1, -1, 3))

    def test_a_head_that_nobody_chose(self):
        chosen = torch.tensor([True, False]).expand(2, 5, 2)
        routing = Routing(chosen.float(), chosen.float(), chosen)
        query, key, value = torch.randn(3, 2, 2, 5, 4)
        output = gated_heads(routing, softmax_heads(query, key, value, causal=True))
        assert float(output[:, 1].abs().max()) == 0
        torch.testing.assert_close(output[:, 0], dense_attention(query, key, value, causal=True)[:, 0])

    def test_gradients(self):
        torch.manual_seed(0)
        layer = MoHAttention(MoHConfig(dim=8, num_heads=4, shared_heads=1, routed_heads=1, causal=True)).double()
        x = torch.randn(1, 4, 8, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(layer, (x,), eps=1e-7, atol=1e-5)


class TestLayer:
    @pytest.mark.parametrize("heads", range(1, 18))
    def test_default_head_counts_fit_any_number(self, heads):
        config = MoHConfig(dim=4 * heads, num_heads=heads)
        assert config.shared + config.routed == max(1, heads // 2)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"dim": 10, "num_heads": 4}, "not divisible"),
            ({"shared_heads": 9}, "9 shared heads"),
            ({"shared_heads": 6, "routed_heads": 3}, "only 2 of 8"),
            ({"shared_heads": 4, "routed_heads": 0}, "never be on"),
        ],
    )
    def test_bad_head_counts(self, options, words):
        with pytest.raises(zoo.ConfigError, match=words):
            zoo.load("moh-attention", **options)

    def test_rows_that_see_nothing_give_the_bias(self):
        layer = zoo.load("moh-attention/tiny")
        mask = torch.ones(1, 5, 5, dtype=torch.bool)
        mask[:, 2] = False
        output = layer(torch.randn(1, 5, 24), mask)
        torch.testing.assert_close(output[0, 2], layer.proj.bias)
        assert bool(output.isfinite().all())

    def test_ungated_is_plain_attention_without_router(self):
        plain = zoo.load("moh-attention", gated=False)
        assert not any("router" in name for name, _ in plain.named_parameters())

    def test_hosts_take_both_layers(self):
        for name in ("moh-attention", "moh-llama-attention"):
            model = zoo.load("moh-llama/tiny", attention=name, attention_options={})
            logits = model(torch.randint(64, (2, 9)))
            assert logits.shape == (2, 9, 64)


class TestLlama:
    def test_parameters_are_those_of_plain_attention(self):
        routed, plain = zoo.load("moh-llama/tiny"), zoo.load("moh-llama/tiny", attention="full")
        assert {n: p.shape for n, p in routed.named_parameters()} == {n: p.shape for n, p in plain.named_parameters()}

    def test_gates_are_binary_and_the_largest_norms_win(self):
        query = torch.randn(2, 8, 5, 4)
        routing = query_norm_routing(query, 4, 2)
        assert set(routing.gates.unique().tolist()) == {0.0, 1.0}
        assert bool((routing.gates.sum(-1) == 6).all())
        norms = query[:, 4:].norm(dim=-1).transpose(1, 2)
        assert bool(
            (
                norms.masked_fill(~routing.chosen, math.inf).amin(-1) >= norms.masked_fill(routing.chosen, 0).amax(-1)
            ).all()
        )

    def test_straight_through_gradients_reach_the_choice(self):
        torch.manual_seed(0)
        query = torch.randn(1, 8, 5, 4, requires_grad=True)
        value = torch.randn(1, 8, 5, 4)
        # Keys of zero make the attention weights constant: only the gates depend on the query.
        config = QueryNormConfig(dim=32)
        for straight_through in (False, True):
            output = query_norm_attention(
                query, torch.zeros_like(query), value, causal=True, config=config, training=straight_through
            )
            grad = torch.autograd.grad(output.square().sum(), query, allow_unused=True)[0]
            assert (grad is not None and float(grad[:, 4:].abs().sum()) > 0) == straight_through

    def test_training_and_evaluation_agree(self):
        layer = zoo.load("moh-llama-attention/tiny")
        x = torch.randn(2, 11, 32)
        torch.testing.assert_close(layer.train()(x), layer.eval()(x), atol=1e-6, rtol=1e-5)

    def test_generation_with_cache(self):
        model = zoo.load("moh-llama/tiny")
        ids = torch.randint(64, (2, 7))
        assert torch.equal(model.generate(ids, 12), model.generate(ids, 12, use_cache=False))

    def test_one_pool_head_and_none(self):
        for shared, activated in ((0.5, 1.0), (0.5, 0.5), (1.0, 1.0)):
            config = QueryNormConfig(dim=8, num_heads=2, shared_fraction=shared, activated_fraction=activated)
            output = QueryNormAttention(config).train()(torch.randn(1, 3, 8))
            output.sum().backward()
            assert bool(output.isfinite().all())

    def test_more_shared_than_activated(self):
        with pytest.raises(zoo.ConfigError, match="always on"):
            zoo.load("moh-llama/tiny", shared_fraction=0.9)

    def test_in_transformers_all_heads_on_is_the_models_own_attention(self):
        transformers = pytest.importorskip("transformers")
        zoo.register_transformers({"moh-llama-attention": {"activated_fraction": 1.0}})
        config = transformers.LlamaConfig(
            vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2,
        )  # fmt: skip
        model = transformers.LlamaForCausalLM(config).eval()
        ids = torch.randint(50, (2, 9))
        padding = torch.ones_like(ids)
        padding[0, :3] = 0
        with torch.no_grad():
            expected = model(ids, attention_mask=padding).logits
            real = padding.bool()
            model.set_attn_implementation("zoo-moh-llama-attention")
            all_on = model(ids, attention_mask=padding).logits
            torch.testing.assert_close(all_on[real], expected[real], atol=1e-5, rtol=1e-4)
            model.set_attn_implementation("sdpa")
            zoo.register_transformers()
            model.set_attn_implementation("zoo-moh-llama-attention")
            routed = model(ids, attention_mask=padding).logits
            assert not torch.allclose(routed[real], expected[real], atol=1e-4)


@pytest.fixture
def model():
    """A MoH-DiT whose output is not zero."""
    torch.manual_seed(0)
    model = zoo.load("moh-dit/tiny")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


class TestDiT:
    def test_a_fresh_network_predicts_zero(self):
        model = zoo.load("moh-dit/tiny")
        output = model(torch.randn(2, 4, 8, 8), torch.tensor([3.0, 700.0]), torch.tensor([0, 9]))
        assert output.shape == (2, 8, 8, 8)
        assert bool((output == 0).all())

    def test_positions(self):
        table = grid_positions(8, 3).view(3, 3, 8)
        row, column = 2, 1
        expected = [math.sin(column), math.sin(column / 100), math.cos(column), math.cos(column / 100)]
        expected += [math.sin(row), math.sin(row / 100), math.cos(row), math.cos(row / 100)]
        assert table[row, column].tolist() == pytest.approx(expected)

    def test_guidance(self, model):
        x, t = torch.randn(2, 4, 8, 8).repeat(2, 1, 1, 1), torch.full((4,), 10.0)
        y = torch.tensor([1, 2, 9, 9])
        plain, guided = model(x, t, y), model.guided(x, t, y, 1.25)
        torch.testing.assert_close(guided[:2, :3], guided[2:, :3])
        torch.testing.assert_close(guided[:2, :3], plain[2:, :3] + 1.25 * (plain[:2, :3] - plain[2:, :3]))
        torch.testing.assert_close(guided[:, 3:], plain[:, 3:])

    def test_labels_are_dropped_in_training_only(self, model):
        embedder = model.y_embedder
        labels = torch.zeros(400, dtype=torch.int64)
        null = embedder.weight[9]
        dropped = (embedder.train()(labels) == null).all(-1).float().mean()
        assert 0.04 < float(dropped) < 0.2
        assert not bool((embedder.eval()(labels) == null).all(-1).any())

    @pytest.mark.parametrize(("label", "side"), [(10, 8), (-1, 8), (0, 16)])
    def test_bad_input(self, model, label, side):
        with pytest.raises(zoo.InputError):
            model(torch.randn(1, 4, side, side), torch.zeros(1), torch.tensor([label]))

    def test_one_number_or_one_per_layer(self):
        with pytest.raises(zoo.ConfigError, match="give one, or one each"):
            zoo.load("moh-dit/tiny", shared_heads=[1, 1, 1])

    def test_same_step_as_diffusers(self, model):
        diffusers = pytest.importorskip("diffusers")
        scheduler = diffusers.DDPMScheduler(
            beta_start=1e-4, beta_end=0.02, variance_type="learned_range", clip_sample=False
        )
        ours = Diffusion()
        torch.testing.assert_close(ours.alpha_bar.float(), scheduler.alphas_cumprod, atol=1e-6, rtol=1e-4)
        noisy, output = torch.randn(2, 4, 8, 8), torch.randn(2, 8, 8, 8)
        for step in (1, 400, 999):
            theirs = scheduler.step(output, step, noisy, generator=torch.Generator().manual_seed(1)).prev_sample
            mean, log_variance = ours.previous(output, noisy, torch.tensor([step, step]))
            noise = torch.randn(noisy.shape, generator=torch.Generator().manual_seed(1))
            torch.testing.assert_close(mean + (log_variance / 2).exp() * noise, theirs, atol=1e-4, rtol=1e-4)

    def test_the_bound_vanishes_for_the_true_posterior(self):
        diffusion = Diffusion()
        clean, noise = torch.randn(3, 4, 8, 8, dtype=torch.float64), torch.randn(3, 4, 8, 8, dtype=torch.float64)
        step = torch.tensor([5, 300, 900])
        noisy = diffusion.add_noise(clean, noise, step)
        right = torch.cat((noise, -torch.ones_like(noise)), 1)  # v = -1: the posterior's own variance
        assert float(diffusion._bound(right, clean, noisy, step).abs().max()) < 1e-6
        wrong = torch.cat((noise + 0.1, -torch.ones_like(noise)), 1)
        assert bool((diffusion._bound(wrong, clean, noisy, step) > 1e-6).all())

    def test_training_and_sampling(self, model):
        generator = torch.Generator().manual_seed(0)
        routings: list[Routing] = []
        loss = Diffusion().loss(
            model, torch.randn(2, 4, 8, 8), torch.tensor([1, 2]), generator=generator, routings=routings
        )
        (loss + balance_loss(routings)).backward()
        assert bool(loss.isfinite())
        start, labels = torch.randn(2, 4, 8, 8), torch.tensor([1, 2])
        diffusion = Diffusion(steps=3)
        for guidance in (1.0, 1.25):
            draws = [
                diffusion.sample(
                    model, start, labels, null_class=9, guidance=guidance, generator=torch.Generator().manual_seed(3)
                )
                for _ in range(2)
            ]
            assert torch.equal(*draws)
            assert draws[0].shape == start.shape
        with pytest.raises(zoo.InputError, match="1 diffusion steps"):
            Diffusion(steps=1)


class TestViT:
    def test_skipping_and_computing_all_heads_agree(self):
        torch.manual_seed(0)
        skipping = zoo.load("moh-vit/tiny")
        whole = zoo.load("moh-vit/tiny", skip=False)
        whole.load_state_dict(skipping.state_dict())
        images = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(skipping(images), whole(images), atol=1e-6, rtol=1e-5)

    def test_neighbours(self):
        index, inside = neighbours(4, 3)
        assert index[5].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
        assert inside[0].tolist() == [False, False, False, False, True, True, False, True, True]
        assert bool((index[~inside] == 16).all())

    def test_log_coordinates(self):
        table, index = log_coordinates(4, 2)
        centres = (0.5, 2.5)
        for row, column, key_row, key_column in itertools.product(range(4), range(4), range(2), range(2)):
            scaled = [distance / 3 * 8 for distance in (row - centres[key_row], column - centres[key_column])]
            expected = [math.copysign(math.log2(abs(value) + 1) / 3, value) for value in scaled]
            found = table[index[4 * row + column, 2 * key_row + key_column]]
            assert found.tolist() == pytest.approx(expected, abs=1e-6)

    def test_temperature_starts_at_its_reciprocal(self):
        for stage in zoo.load("moh-vit/tiny").stages:
            temperature = torch.nn.functional.softplus(stage.blocks[0].attn.temperature)
            torch.testing.assert_close(temperature, torch.full_like(temperature, 1 / 0.24))

    @pytest.mark.parametrize("side", [32, 96])
    def test_other_image_sizes(self, side):
        model = zoo.load("moh-vit/tiny", image_size=side)
        assert model(torch.randn(1, 3, side, side)).shape == (1, 7)
        with pytest.raises(zoo.InputError, match="expected"):
            model(torch.randn(1, 3, 64, 64))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"image_size": 72}, "multiple of 32"),
            ({"depths": [1, 1, 1]}, "3 numbers for 4 stages"),
            ({"window_sizes": [4, 3, 3, None]}, "odd window"),
            ({"dims": [9, 12, 16, 24]}, "do not divide"),
        ],
    )
    def test_bad_configs(self, options, words):
        with pytest.raises(zoo.ConfigError, match=words):
            zoo.load("moh-vit/tiny", **options)

    def test_routings_of_all_layers(self):
        routings: list[Routing] = []
        zoo.load("moh-vit/tiny")(torch.randn(1, 3, 64, 64), routings=routings)
        assert [routing.gates.shape[-1] for routing in routings] == [2, 3, 4, 6]
        assert bool(balance_loss(routings).isfinite())


@pytest.mark.parametrize("unread", [{"shared_head": 0, "routed_head": 0}, {"shared_head": [1, 2], "routed_head": 9}])
def test_a_plain_diffusion_transformer_replays_whatever_its_head_counts_say(unread):
    config = {
        "input_size": 4,
        "patch_size": 2,
        "in_channels": 4,
        "hidden_size": 8,
        "depth": 2,
        "num_heads": 2,
        "head_dim": None,
        "mlp_ratio": 2.0,
        "num_classes": 3,
        "learn_sigma": False,
        "moh": False,
        **unread,
    }
    model = zoo.load(
        "moh-dit", input_size=4, dim=8, num_layers=2, num_heads=[2], mlp_ratio=2, num_classes=3, learn_sigma=False,
        gated=False,
    )  # fmt: skip
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    inputs = {"x": torch.randn(2, 4, 4, 4), "t": torch.tensor([3.0, 999.0]), "y": torch.tensor([0, 3])}
    replayed = replay("moh-dit", config, {}, model.state_dict(), inputs)
    torch.testing.assert_close(replayed["out"], model(**inputs))


def test_conversion_is_one_to_one():
    for model in (MoHViT(MoHViTConfig(depths=[1, 1, 1, 1], image_size=32)), MoHDiT(MoHDiTConfig(num_layers=1, dim=24))):
        ours = model.state_dict()
        assert convert(ours, None).keys() == ours.keys()  # what is ours already stays
    assert convert({"blocks.3.attn.wg_0.weight": torch.zeros(1)}).keys() == {"blocks.3.attn.router.balance.weight"}
    assert convert({"block2.0.attn.wg.weight": torch.zeros(1)}).keys() == {"stages.1.blocks.0.attn.router.pool.weight"}
    assert MoHLlama(MoHLlamaConfig(vocab_size=8, dim=16, num_heads=2, hidden_dim=8, num_layers=1))


@pytest.mark.parametrize("name", ["moh", "moh-llama-attention"])
def test_programs_hold_for_any_batch_and_length(name: str) -> None:
    layer = zoo.load(name, causal=True)
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    program = torch.export.export(layer, (torch.randn(2, 9, 64),), dynamic_shapes=(any_size,)).module()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    for shape in ((2, 9, 64), (3, 17, 64)):
        x = torch.randn(shape)
        torch.testing.assert_close(program(x), layer(x))
        torch.testing.assert_close(compiled(x), layer(x))
