"""Dual attention: what is particular to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.heads import at_heads
from zoo.bridges.transformers.maps import attention_maps, queries_keys_values
from zoo.bridges.transformers.sites import find_sites, layer_names
from zoo.building import build_on_meta
from zoo.testing.conformance import tensors
from zoo_sequence.dual_attention import attention
from zoo_sequence.dual_attention.attention import (
    DualAttention,
    DualAttentionLayer,
    RelationalAttention,
    rotate_pairs,
)
from zoo_sequence.dual_attention.config import (
    GAMES,
    OBJECTS,
    RELATION_ACTIVATIONS,
    RETRIEVALS,
    DATConfig,
    DualAttentionConfig,
    RelationalGamesConfig,
    ViDATConfig,
)
from zoo_sequence.dual_attention.conversion import convert, replay
from zoo_sequence.dual_attention.networks import DATLanguageModel, to_patches
from zoo_sequence.dual_attention.relational_games import CELL, GRID, RelationalGames, draw, masks
from zoo_sequence.dual_attention.symbols import PairSymbols
from zoo_sequence.dual_attention.training import count, twin


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dat-lm/dat-343m", 344_386_560),
        ("dat-lm/dat-343m-nr64", 345_074_688),
        ("dat-lm/dat-1.27b", 1_276_827_648),
        ("dat-lm/t-353m", 353_601_536),
        ("dat-lm/t-757m", 756_894_720),
    ],
)
def test_parameter_counts(name, parameters):
    assert zoo.info(name).to_dict()["parameters"] == parameters


def test_the_library_of_the_large_models_is_frozen():
    config = DATConfig(**{str(name): value for name, value in zoo.config("dat-lm/dat-343m").items()})
    model = build_on_meta(lambda: DATLanguageModel(config))
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert trainable == 343_337_984


class TestRelations:
    @pytest.mark.parametrize("activation", RELATION_ACTIVATIONS)
    def test_definition(self, activation):
        torch.manual_seed(0)
        layer = RelationalAttention(12, 2, 4, num_kv_heads=1, num_relations=4, activation=activation)
        x, symbols = torch.randn(1, 5, 12), torch.randn(1, 5, 12)
        relations = layer.relations(x)[0]
        query, key = layer.wq_rel(x)[0].view(5, 4, 2), layer.wk_rel(x)[0].view(5, 4, 2)
        raw = torch.einsum("ilp,jlp->lij", query, key) / 2**0.5
        definition = {
            "identity": lambda r: r,
            "gelu": lambda r: functional.gelu(r, approximate="tanh"),
            "softmax": lambda r: r.softmax(-1),
        }.get(activation, getattr(functional, activation, None))
        torch.testing.assert_close(relations, definition(raw))
        weights, value = layer.attention(x)[0], layer.wv(symbols)[0]
        heads = []
        for head in range(2):
            message = torch.stack(
                [
                    sum(weights[head, i, j] * (layer.wr[head] @ relations[:, i, j] + value[j]) for j in range(5))
                    for i in range(5)
                ]
            )
            heads.append(message)
        torch.testing.assert_close(layer(x, symbols)[0], layer.wo(torch.cat(heads, -1)))

    @pytest.mark.parametrize("activation", ["softmax", "identity", "sigmoid"])
    @pytest.mark.parametrize("causal", [False, True])
    def test_blocks_of_receivers(self, causal, activation, monkeypatch):
        options = {"symbol_retrieval": "position_relative", "relation_activation": activation}
        layer = zoo.load("dual-attention", causal=causal, **options)
        x = torch.randn(2, 23, 64)
        for mask in (None, torch.rand(2, 23) < 0.7, torch.rand(2, 4, 23, 23)[:, :1] < 0.7):
            whole = layer(x, mask)
            with monkeypatch.context() as patch:
                patch.setattr(attention, "_HELD", {"cpu": 0})
                patch.setattr(attention, "_SMALLEST_BLOCK", 5)
                torch.testing.assert_close(layer(x, mask), whole)

    @pytest.mark.parametrize("causal", [False, True])
    def test_memory_grows_with_the_length_and_not_with_its_square(self, causal):
        class Largest(TorchDispatchMode):
            numel = 0

            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                result = func(*args, **(kwargs or {}))
                self.numel = max([self.numel, *(tensor.numel() for tensor in tensors(result))])
                return result

        layer = RelationalAttention(16, 2, 8, causal=causal)
        x = torch.randn(1, 4096, 16)
        with torch.no_grad(), Largest() as seen:
            layer(x, x)
        assert 64 * 4096 < seen.numel < 4096**2 / 20

    def test_symbols_of_pairs(self):
        torch.manual_seed(0)
        layer = RelationalAttention(12, 2, 6)
        x, table = torch.randn(2, 5, 12), torch.randn(3, 12)
        index = torch.randint(3, (5, 5))
        by_index, explicit = PairSymbols(table, index), PairSymbols.explicit(table[index])
        torch.testing.assert_close(layer(x, by_index), layer(x, explicit))
        shared = torch.randn(5, 12)
        per_sender = PairSymbols.explicit(shared.expand(5, 5, 12))  # the symbol of (i, j) is that of j
        torch.testing.assert_close(layer(x, per_sender), layer(x, shared.expand(2, 5, 12)))

    def test_distance_symbols_are_clipped(self):
        layer = zoo.load("dual-attention/relative", max_distance=2)
        symbols = layer.symbol_retriever(torch.zeros(1, 6, 64))
        assert symbols.index[0].tolist() == [2, 3, 4, 4, 4, 4]
        assert symbols.index[5].tolist() == [0, 0, 0, 0, 1, 2]

    def test_hidden_senders_neither_relate_nor_speak(self):
        layer = zoo.load("dual-attention", num_relational_heads=4)
        x, symbols = torch.randn(1, 6, 64), torch.randn(1, 6, 64)
        visible = torch.tensor([[True, True, True, True, True, False]])
        before = layer(x, visible, symbols=symbols)
        x[:, 5] += 1
        symbols[:, 5] += 1
        torch.testing.assert_close(layer(x, visible, symbols=symbols)[:, :5], before[:, :5])


class TestSoftmaxRelations:
    """Normalised over what a receiver sees, so that nothing else has an influence."""

    @pytest.mark.parametrize("causal", [False, True])
    def test_definition(self, causal):
        torch.manual_seed(0)
        layer = RelationalAttention(12, 2, 6, num_relations=3, activation="softmax", causal=causal)
        x, mask = torch.randn(2, 7, 12), torch.rand(2, 7) < 0.7
        relations = layer.relations(x, mask)
        query, key = (project(x).unflatten(-1, (3, 4)) for project in (layer.wq_rel, layer.wk_rel))
        scores = torch.einsum("bilp,bjlp->blij", query, key) / 2
        for example in range(2):
            for i in range(7):
                seen = [j for j in range(7) if mask[example, j] and not (causal and j > i)]
                expected = torch.zeros(3, 7)
                if seen:
                    expected[:, seen] = scores[example, :, i, seen].softmax(-1)
                torch.testing.assert_close(relations[example, :, i], expected)

    @given(st.data())
    @settings(max_examples=25, deadline=None)
    def test_hidden_senders_have_no_influence_whatever_the_mask(self, data):
        causal, length = data.draw(st.booleans()), data.draw(st.integers(1, 9))
        layer = zoo.load("dual-attention", dim=12, num_heads=2, relation_activation="softmax", causal=causal)
        generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
        shape = data.draw(st.sampled_from([(2, length), (2, length, length), (2, 2, length, length)]))
        mask = torch.rand(shape, generator=generator) < 0.6
        per_query = mask[:, None].expand(-1, length, -1) if mask.ndim == 2 else mask
        # A token that no query but itself sees, in any head; its own row may change.
        hidden = data.draw(st.integers(0, length - 1))
        others = torch.arange(length) != hidden
        if mask.ndim == 2:
            mask[:, hidden] = False
        else:
            per_query[..., others, hidden] = False
        x = torch.randn(2, length, 12, generator=generator)
        changed = x.clone()
        changed[:, hidden] += 3
        torch.testing.assert_close(layer(x, mask)[:, others], layer(changed, mask)[:, others])

    @pytest.mark.parametrize("name", ["dat-lm/tiny", "dat-seq2seq/tiny"])
    def test_networks_do_not_see_the_future(self, name):
        torch.manual_seed(0)
        model = zoo.load(name, relation_activation="softmax")
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        ids = torch.randint(50, (1, 12))
        other = ids.clone()
        other[0, 8:] = (other[0, 8:] + 1) % 50
        source = () if name.startswith("dat-lm") else (torch.randint(50, (1, 7)),)
        before, after = model(*source, ids), model(*source, other)
        torch.testing.assert_close(before[:, :8], after[:, :8])
        assert not torch.allclose(before[:, 8:], after[:, 8:])

    def test_recordings_are_replayed_in_the_form_of_the_authors(self):
        torch.manual_seed(0)
        config = {"d_model": 12, "n_heads": 2, "n_relations": 3, "rel_activation": "softmax"}
        layer = RelationalAttention(12, 2, 6, num_relations=3)
        x = torch.randn(1, 5, 12)
        inputs = {"x": x, "symbols": torch.randn(1, 5, 12)}
        causal, whole = (
            replay("relational-attention", config, {"is_causal": order}, layer.state_dict(), inputs)
            for order in (True, False)
        )
        torch.testing.assert_close(causal["relations"], whole["relations"])
        torch.testing.assert_close(causal["relations"].sum(2), torch.ones(1, 5, 3))
        raw = layer.relations(x).softmax(-1)
        expected = torch.einsum("bhij,blij->bihl", causal["attn"], raw)
        values = layer.wv(inputs["symbols"]).unflatten(-1, (2, 6)).transpose(1, 2)
        spoken = (causal["attn"] @ values).transpose(1, 2)
        message = torch.einsum("bihl,hdl->bihd", expected, layer.wr) + spoken
        torch.testing.assert_close(causal["out"], layer.wo(message.flatten(2)))


class TestLayer:
    @given(st.integers(1, 6), st.data())
    @settings(max_examples=30, deadline=None)
    def test_any_split_of_heads(self, heads, data):
        relational = data.draw(st.integers(0, heads))
        retrieval = data.draw(st.sampled_from(["symbolic_attention", "positional_symbols", "position_relative"]))
        config = DualAttentionConfig(
            dim=6 * heads,
            num_heads=heads,
            num_relational_heads=relational,
            num_relations=data.draw(st.integers(1, 6)) if relational else None,
            symbol_retrieval=retrieval,
            rope=data.draw(st.booleans()),
            causal=True,
        )
        layer = DualAttentionLayer(config)
        x = torch.randn(2, 7, 6 * heads)
        output = layer(x)
        assert output.shape == x.shape
        torch.testing.assert_close(layer(x[:, :4]), output[:, :4], atol=1e-5, rtol=1e-4)

    def test_shared_attention_is_one_tensor(self):
        layer = DualAttention(DualAttentionConfig(share_attention=True))
        assert layer.relational_attention.wq_attn.weight is layer.self_attention.wq.weight
        with pytest.raises(zoo.ConfigError, match="as many relational as sensory"):
            DualAttentionConfig(share_attention=True, num_relational_heads=1)

    def test_rotary_pairs(self):
        x, y = torch.randn(2, 1, 1, 9, 6, dtype=torch.float64).unbind(0)
        angles = torch.arange(9)[:, None] * 10_000.0 ** (-torch.arange(0, 6, 2) / 6)
        turn = torch.polar(torch.ones_like(angles), angles)
        turned = [torch.view_as_real(torch.view_as_complex(z.unflatten(-1, (3, 2))) * turn).flatten(-2) for z in (x, y)]
        expected = turned[0] @ turned[1].transpose(-1, -2)
        torch.testing.assert_close(rotate_pairs(x) @ rotate_pairs(y).transpose(-1, -2), expected, atol=1e-6, rtol=1e-6)

    def test_gradients(self):
        torch.manual_seed(0)
        layer = zoo.load("dual-attention", dim=8, num_heads=2, num_symbols=3, causal=True).double()
        x = torch.randn(1, 4, 8, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(layer, (x,))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"dim": 10}, "not divisible"),
            ({"num_relational_heads": 5}, "5 relational heads of num_heads=4"),
            ({"num_kv_heads": 3}, "not a multiple of num_kv_heads=3"),
            ({"num_relations": 33}, "less than one feature"),
            ({"symbol_heads": 5}, "symbol_heads=5"),
            ({"dim": 12, "rope": True}, "even head width"),
        ],
    )
    def test_bad_configs(self, options, words):
        with pytest.raises(zoo.ConfigError, match=words):
            zoo.load("dual-attention", **options)

    def test_more_tokens_than_symbols(self):
        layer = zoo.load("dual-attention", symbol_retrieval="positional_symbols", symbol_length=5)
        with pytest.raises(zoo.InputError, match="symbols for 5"):
            layer(torch.randn(1, 6, 64))

    def test_both_hosts(self):
        model = zoo.load("moh-llama/tiny", attention="dual-attention", attention_options={"rope": True})
        assert model.model.position_table is None
        assert model(torch.randint(64, (1, 9))).shape == (1, 9, 64)


class TestLanguageModel:
    def test_retrievers(self):
        shared, own, tied = (
            zoo.load("dat-lm/tiny", shared_symbols=shared, tied_library=tied)
            for shared, tied in ((True, False), (False, False), (False, True))
        )
        sizes = [sum(p.numel() for p in model.stack.symbol_retrievers.parameters()) for model in (shared, own, tied)]
        assert sizes[1] == 2 * sizes[0]
        assert sizes[2] == sizes[1] - 8 * 32

    def test_no_relational_heads_no_symbols(self):
        model = zoo.load("dat-lm/tiny", num_relational_heads=0)
        assert not any("symbol" in name or "relational" in name for name, _ in model.named_parameters())
        config = DATConfig(num_relational_heads=0)
        unread = {"layers.symbol_retrievers.0.q_proj.bias": torch.zeros(1), "layers.norm.weight": torch.zeros(1)}
        assert convert(unread, config).keys() == {"norm.weight"}

    @pytest.mark.parametrize("retrieval", RETRIEVALS)
    def test_a_plain_transformer_replays_whatever_its_symbols_say(self, retrieval):
        options = {"vocab_size": 11, "dim": 8, "num_layers": 1, "num_heads": 2, "num_relational_heads": 0}
        model = zoo.load("dat-lm", **options, hidden_dim=12, activation="relu")
        config = {
            "vocab_size": 11,
            "d_model": 8,
            "n_layers": 1,
            "n_heads_sa": 2,
            "n_heads_ra": 0,
            "dff": 12,
            "activation": "relu",
            "max_block_size": 16,
            "symbol_retrieval": retrieval,
            "symbol_retrieval_kwargs": None,
        }
        ids = torch.randint(11, (2, 5))
        torch.testing.assert_close(replay("dat-lm", config, {}, model.state_dict(), {"idx": ids})["logits"], model(ids))

    def test_initial_weights(self):
        torch.manual_seed(0)
        model = zoo.load("dat-lm/tiny", dim=128, num_layers=8, activation="swiglu", num_symbols=64)
        block = model.stack.blocks[0]
        for parameter, std in (
            (block.ff_block.linear1.weight, 0.02),
            (block.ff_block.linear3.weight, 0.02),
            (block.ff_block.linear2.weight, 0.005),
            (block.dual_attn.relational_attention.wr, 0.02),
            (block.dual_attn.relational_attention.wo.weight, 0.005),
            (model.stack.symbol_retrievers[0].symbol_library, 1.0),
        ):
            assert float(parameter.detach().std()) == pytest.approx(std, rel=0.1)
        assert bool((block.norm1.weight == 1).all())

    def test_learned_positions_end(self):
        model = zoo.load("dat-lm/tiny", rope=False)
        with pytest.raises(zoo.InputError, match="max_length=64"):
            model(torch.zeros(1, 65, dtype=torch.int64))

    def test_causal_only(self):
        with pytest.raises(zoo.ConfigError, match="causal must be True"):
            zoo.load("dat-lm/tiny", causal=False)

    def test_loss(self):
        model = zoo.load("dat-lm/tiny")
        ids = torch.randint(53, (2, 9))
        expected = -model(ids[:, :-1]).log_softmax(-1).gather(-1, ids[:, 1:, None]).mean()
        torch.testing.assert_close(model.loss(ids), expected)

    def test_generation_goes_on_with_the_likeliest_token(self):
        model = zoo.load("dat-lm/tiny")
        ids = torch.randint(53, (2, 5))
        longer = model.generate(ids, 3)
        assert longer.shape == (2, 8)
        torch.testing.assert_close(longer[:, :5], ids)
        for end in (5, 6, 7):
            assert torch.equal(longer[:, end], model(longer[:, :end])[:, -1].argmax(-1))
        drawn = [
            model.generate(ids, 4, temperature=1.0, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
        ]
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])
        with pytest.raises(zoo.InputError, match="no caches"):
            model(ids, caches=[])

    @pytest.mark.parametrize("options", [{"pre_norm": False}, {"norm": "rmsnorm"}, {"activation": "relu"}])
    def test_variants_learn(self, options):
        torch.manual_seed(0)
        model = zoo.load("dat-lm/tiny", **options).train()
        ids = torch.randint(53, (4, 13))
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(60):
            loss = model.loss(ids)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]


class TestLookingInside:
    def model(self, **options):
        torch.manual_seed(0)
        shape = {"vocab_size": 17, "dim": 48, "num_layers": 2, "num_heads": 6, "num_symbols": 6, "max_length": 12}
        model = zoo.load("dual-attention-lm", weights=None, **{**shape, **options})
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(3.0)
        return model

    def ids(self, seed=0):
        return torch.randint(17, (2, 9), generator=torch.Generator().manual_seed(seed))

    @pytest.mark.parametrize("options", [{}, {"num_relational_heads": 4}, {"symbol_retrieval": "position_relative"}])
    def test_both_kinds_of_heads_are_seen_and_told_apart(self, options, monkeypatch):
        model, ids = self.model(**options), self.ids()
        before = model(ids)
        maps = attention_maps(model, ids)
        assert [site.name.rpartition(".")[2] for site in find_sites(model)] == [
            "self_attention",
            "relational_attention",
        ] * 2
        assert layer_names(model) == [
            f"{layer}, {kind} heads" for layer in (0, 1) for kind in ("sensory", "relational")
        ]
        assert layer_names(model, layers=[-1]) == ["1, relational heads"]
        relational = model.stack.blocks[0].dual_attn.relational_attention
        assert [weights.shape[1] for weights in maps] == [6 - relational.num_heads, relational.num_heads] * 2
        states = []
        with relational.register_forward_pre_hook(lambda module, given: states.append(given[0])):
            model(ids)
        torch.testing.assert_close(maps[1], relational.attention(states[0]))
        monkeypatch.setattr(attention, "_SMALLEST_BLOCK", 2)
        monkeypatch.setattr(attention, "_HELD", {"cpu": 1})
        torch.testing.assert_close(attention_maps(model, ids)[1], maps[1])
        assert "attend" not in vars(relational)
        torch.testing.assert_close(model(ids), before)

    def test_changed_weights_change_relations_and_symbols_alike(self):
        model, ids = self.model(), self.ids()
        site = find_sites(model, layers=[1])[0]
        states, outputs = [], []
        with (
            site.module.register_forward_pre_hook(lambda module, given: states.append(given)),
            at_heads(model, lambda site, heads: outputs.append(heads), sites=[site]),
            attending(model, sites=[site], weights=lambda site, weights: torch.eye(9).expand_as(weights)),
        ):
            model(ids)
        x, symbols = states[0][:2]
        # Every object attends to itself: it gets its relation to itself and its own symbol.
        own = site.module.relations(x).diagonal(dim1=-2, dim2=-1)
        related = torch.einsum("bri,hdr->bihd", own, site.module.wr)
        expected = related + site.module.wv(symbols).unflatten(-1, (3, -1))
        torch.testing.assert_close(outputs[0], expected)

    def test_a_statistic_of_maps_and_tokens_takes_both_groups(self):
        model = self.model()
        found = zoo.load("softmax-limits")(model, self.ids())
        shapes = [value.shape[0] for value in vars(found).values() if isinstance(value, torch.Tensor)]
        assert set(shapes) == {4}

    def test_what_relational_heads_have_not_is_refused(self):
        model, ids = self.model(), self.ids()
        with pytest.raises(zoo.InputError, match="makes its values of something else than its queries and keys"):
            queries_keys_values(model, ids)
        assert [value.shape for _, _, value in queries_keys_values(model, ids, positions=True)] == [(2, 3, 9, 8)] * 4
        mixing = attending(model, mixing=lambda *given: None)
        with pytest.raises(zoo.InputError, match="say more than a mean of values"), mixing:
            model(ids)


class TestVision:
    def test_patches(self):
        images = torch.randn(2, 3, 8, 6)
        patches = to_patches(images, 4, 2)
        assert patches.shape == (2, 6, 24)
        expected = images[1, :, 4:8, 2:4].permute(1, 2, 0).flatten()  # second row, second column
        torch.testing.assert_close(patches[1, 4], expected)

    def test_image_of_another_shape(self):
        with pytest.raises(zoo.InputError, match="expected"):
            zoo.load("vidat/tiny")(torch.randn(1, 3, 16, 16))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"patch_shape": [5, 4]}, "not a multiple of 5"),
            ({"image_shape": [12, 12]}, "image_shape is"),
            ({"symbol_retrieval": "positional_symbols", "max_length": 9}, "10 tokens need as many symbols"),
        ],
    )
    def test_bad_configs(self, options, words):
        with pytest.raises(zoo.ConfigError, match=words):
            zoo.load("vidat/tiny", **options)


class TestSeq2Seq:
    def test_masks(self):
        model = zoo.load("dat-seq2seq/tiny")
        source, target = torch.randint(64, (2, 9)), torch.randint(64, (2, 7))
        real = torch.ones(2, 9, dtype=torch.bool)
        real[:, 6:] = False
        whole = model(source, target, real)
        other = source.clone()
        other[:, 6:] = 1
        torch.testing.assert_close(model(other, target, real), whole)
        torch.testing.assert_close(model(source, target[:, :4], real), whole[:, :4], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(model(source.flip(1), target), model(source, target))

    def test_learned_positions(self):
        model = zoo.load("dat-seq2seq/tiny", rope=False, max_length=8)
        with pytest.raises(zoo.InputError, match="max_length=8"):
            model(torch.zeros(1, 9, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.int64))

    def test_encoder_cannot_be_causal(self):
        with pytest.raises(zoo.ConfigError, match="causal by itself"):
            zoo.load("dat-seq2seq/tiny", causal=True)


def read_objects(image):
    """What stands in the nine cells of an image: None, or bytes that are equal where objects are the same."""
    cells = image.view(3, GRID, CELL, GRID, CELL).permute(1, 3, 0, 2, 4).flatten(0, 1)
    return [cell.numpy().tobytes() if bool(cell.any()) else None for cell in cells]


def pattern(row):
    return [row.index(item) for item in row]


def judge(game, cells):
    """Whether the statement of a game is true of nine cells, from the rules alone."""
    there = [cell for cell in cells if cell is not None]
    top = [cell for cell in cells[:3] if cell is not None]
    bottom = cells[6:]
    if game == "same":
        return len(there) == 2 and there[0] == there[1]
    if game == "between":
        return len(there) == 3 and there[0] == there[2]
    if game == "occurs":
        return top[0] in bottom
    if game == "xoccurs":
        return Counter(bottom)[top[0]] == 1 and len(set(bottom)) == 3
    return pattern(top) == pattern(bottom)


class TestGames:
    def test_shapes(self):
        assert [len(masks(objects)) for objects in OBJECTS] == [63, 216, 30]
        assert {int(size) for size in masks("hexominoes").sum((1, 2))} == {24}
        for objects in OBJECTS:
            assert len(masks(objects).flatten(1).unique(dim=0)) == len(masks(objects))

    @given(st.sampled_from(GAMES), st.sampled_from(OBJECTS), st.integers(0, 10_000))
    @settings(max_examples=40, deadline=None)
    def test_statements_are_true_where_they_should_be(self, game, objects, seed):
        images, truth = draw(game, 20, torch.Generator().manual_seed(seed), objects)
        assert images.shape == (20, 3, 36, 36)
        assert int(truth.sum()) == 10
        assert [judge(game, read_objects(image)) for image in images] == [bool(true) for true in truth]

    def test_unknown_names(self):
        generator = torch.Generator()
        with pytest.raises(zoo.InputError, match="no game"):
            draw("chess", 2, generator)
        with pytest.raises(zoo.InputError, match="no objects"):
            draw("same", 2, generator, "dominoes")

    def test_benchmark(self):
        games = RelationalGames(RelationalGamesConfig(game="occurs", count=50, objects=["pentominoes", "stripes"]))
        cases = list(games.cases())
        assert len(cases) == 100
        right = {
            name: torch.tensor([c.truth for c in cases if c.objects == name]) for name in ("pentominoes", "stripes")
        }
        assert games.score(right) == {"pentominoes": 1.0, "stripes": 1.0}
        assert games.run(lambda images: torch.tensor([1.0, 0.0]).expand(len(images), 2)) == {
            "pentominoes": 0.5,
            "stripes": 0.5,
        }
        with pytest.raises(zoo.InputError, match="50 answers for stripes"):
            games.score({"pentominoes": right["pentominoes"]})


class TestTraining:
    def test_the_twin_is_of_the_same_size(self):
        config = ViDATConfig(**{str(name): value for name, value in zoo.config("vidat/relational-games").items()})
        plain = twin(config)
        assert plain.relational == 0
        assert count(plain) == pytest.approx(count(config), rel=1e-3)
        assert count(replace(config, num_layers=2)) > count(config)

    def test_only_the_games_can_be_trained(self):
        from zoo_sequence.dual_attention.training import train

        with pytest.raises(zoo.ConfigError, match="relational-games"):
            train(ViDATConfig(), preset=None, seed=0, log=print)

    def test_bundled_weights_play_with_objects_they_have_never_seen(self):
        model = zoo.load("vidat/relational-games")
        games = zoo.load("dual-attention-relational-games/occurs", count=500, objects=["pentominoes", "hexominoes"])
        accuracy = games.run(model)
        assert accuracy["pentominoes"] > 0.99
        assert accuracy["hexominoes"] > 0.97
