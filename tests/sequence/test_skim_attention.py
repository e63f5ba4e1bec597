"""Skim-attention: what is particular to it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from zoo.building import build_on_meta
from zoo_sequence.skim_attention.band import band_attention
from zoo_sequence.skim_attention.claims import captured_weights, score_products
from zoo_sequence.skim_attention.config import LayoutAnalysisConfig, LongSkimformerConfig, SkimformerConfig
from zoo_sequence.skim_attention.conversion import convert
from zoo_sequence.skim_attention.heads import MaskedLanguageModel, TokenClassifier, build_skimformer
from zoo_sequence.skim_attention.hosts import SkimmingMask, keep_top
from zoo_sequence.skim_attention.layout import Skim
from zoo_sequence.skim_attention.layout_analysis import LayoutAnalysis, area_f1
from zoo_sequence.skim_attention.pages import LABELS, draw_page, encode, read_docbank
from zoo_sequence.skim_attention.skimformer import LongSkimformer, Skimformer
from zoo_sequence.skim_attention.training import fit, mask_words, train

SMALL = {
    "vocab_size": 50,
    "dim": 24,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_dim": 32,
    "layout_dim": 12,
    "skim_head_dim": 5,
    "max_2d_positions": 64,
    "max_length": 40,
    "num_layout_heads": 3,
}


def document(batch: int = 2, length: int = 11, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random ids and boxes."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(64, (batch, length, 2, 2), generator=generator).sort(2).values
    return torch.randint(50, (batch, length), generator=generator), corners.flatten(2)


def small(**options) -> Skimformer:
    torch.manual_seed(0)
    return Skimformer(SkimformerConfig(**SMALL | options)).eval()


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("skimformer/skimformer-base", {}, 113_451_066),
        ("skimformer/skimformer-base", {"head": "none"}, 112_828_416),
        ("skimformer/skimformer-base", {"head": "none", "pooler": True}, 112_828_416 + 590_592),
        ("skim-attention/skimformer-base-plain", {}, 99_275_322),
        ("skimformer/skimformer-base", {"head": "token-classification", "num_classes": 13}, 112_828_416 + 13 * 769),
        # Two tables of 1024 rows less; none of the four, one of 512 rows and no layout encoder instead.
        ("skimformer/skimformer-base", {"degrade_2d_positions": True}, 113_451_066 - 2 * 1024 * 768),
        ("skimformer/skimformer-base", {"use_1d_positions": True}, 99_275_322 - 4 * 1024 * 768 + 512 * 768),
        ("skimformer/skimformer-base-plain", {"head_dim": 32}, 99_275_322 - 12 * (2 * 768 * 384 + 384)),
        ("skimming-mask/skimming-mask-bert-plain", {}, 109_482_240 + 3_147_264 + 1_181_184),
        ("skimming-mask/skimming-mask-bert", {}, 109_482_240 + 3_147_264 + 1_181_184 + 2 * 7_087_872),
        ("skimming-mask/skimming-mask-layoutlm", {"pooler": False}, 127_986_432 + 4 * 1024 * 768 - 590_592),
        ("long-skimformer/long-skimformer-30522", {}, 113_451_066),
        ("long-skimformer/long-skimformer", {}, 113_451_066 + (50_265 - 30_522) * 769),
        ("bert-with-skim-embed", {}, 109_482_240 - 590_592 + 4 * (1024 * 768 + 768 * 768 + 768)),
    ],
)
def test_parameter_counts(name, options, parameters):
    assert zoo.info(name, **options).to_dict()["parameters"] == parameters


class TestAttention:
    @given(seed=st.integers(0, 100), layers=st.integers(0, 1))
    @settings(max_examples=10, deadline=None)
    def test_does_not_depend_on_words(self, seed, layers):
        model = small(num_layout_layers=layers)
        ids, bbox = document(seed=seed)
        plain, other = model(ids, bbox), model((ids + 1) % 50, bbox)
        assert torch.equal(plain.attention, other.attention)
        assert not torch.equal(plain.last_hidden_state, other.last_hidden_state)
        torch.testing.assert_close(plain.attention.sum(-1), torch.ones(2, 4, 11))

    def test_equals_the_equations(self):
        model = small()
        ids, bbox = document()
        skim, (x0, y0, x1, y1) = model.skim, bbox.unbind(-1)
        table = {axis: skim.layout_embeddings.tables[axis].weight for axis in "xyhw"}
        layout = table["x"][x0] + table["y"][y0] + table["x"][x1] + table["y"][y1]
        layout = layout + table["h"][y1 - y0] + table["w"][x1 - x0]
        layout = torch.nn.functional.layer_norm(layout, (12,), eps=1e-12)
        query, key = (p(layout).view(2, 11, 4, 5).transpose(1, 2) for p in (skim.query, skim.key))
        expected = (query @ key.transpose(-1, -2) / 5**0.5).softmax(-1)
        torch.testing.assert_close(model(ids, bbox).attention, expected)

    @given(st.data())
    @settings(max_examples=20, deadline=None)
    def test_is_equivariant_to_the_order_of_tokens(self, data):
        order = torch.tensor(data.draw(st.permutations(range(11))))
        model = small(num_layout_layers=1)
        ids, bbox = document(seed=data.draw(st.integers(0, 9)))
        plain = model(ids, bbox).last_hidden_state
        torch.testing.assert_close(model(ids[:, order], bbox[:, order]).last_hidden_state, plain[:, order])

    def test_centres_see_no_size(self):
        model = small(degrade_2d_positions=True)
        ids = document(1, 2)[0]
        near, far = (torch.tensor([[[20 - s, 30 - s, 20 + s, 30 + s], [0, 0, 3, 3]]]) for s in (1, 9))
        assert torch.equal(model(ids, near).attention, model(ids, far).attention)

    def test_places_need_no_boxes(self):
        model = small(use_1d_positions=True, num_layout_layers=2)
        ids, bbox = document()
        output = model(ids)
        assert model.skim.layout_encoder is None
        assert output.attention.shape == (2, 4, 11, 11)
        assert torch.equal(output.attention[0], output.attention[1])
        assert torch.equal(output.last_hidden_state, model(ids, bbox - 1000).last_hidden_state)
        with pytest.raises(zoo.InputError, match="41 tokens"):
            model(document(1, 41)[0])

    def test_padding_is_not_seen(self):
        model = small()
        ids, bbox = document()
        mask = torch.ones(2, 11)
        mask[1, 7:] = 0
        output = model(ids, bbox, mask)
        assert torch.equal(output.attention[1, ..., 7:], torch.zeros(4, 11, 4))
        short = model(ids[1:, :7], bbox[1:, :7]).last_hidden_state
        torch.testing.assert_close(output.last_hidden_state[1:, :7], short)

    def test_masks_of_pairs_and_keys_agree(self):
        model = small()
        ids, bbox = document()
        keys = torch.rand(2, 11, generator=torch.Generator().manual_seed(0)) < 0.6
        pairs = keys[:, None].expand(-1, 11, -1)
        assert torch.equal(model(ids, bbox, keys).attention, model(ids, bbox, pairs.float()).attention)

    def test_nothing_to_see_and_one_token(self):
        for model in (small(), small(num_layout_layers=1)):
            ids, bbox = document()
            output = model(ids, bbox, torch.zeros(2, 11))
            torch.testing.assert_close(output.attention.sum(-1), torch.ones(2, 4, 11))
            assert bool(output.last_hidden_state.isfinite().all())
            assert bool(model(ids[:, :1], bbox[:, :1]).last_hidden_state.isfinite().all())

    def test_scores_are_computed_once(self):
        ids, bbox = document()
        for model in (small(num_layers=1), small(num_layers=5)):
            assert score_products(lambda model=model: model(ids, bbox), 11) == 1

    def test_dropout_is_one_mask_for_all_layers(self):
        model = small(attention_dropout=0.5, dropout=0.0).train()
        ids, bbox = document()
        torch.manual_seed(0)
        output = model(ids, bbox)
        assert 0.3 < float((output.attention == 0).float().mean()) < 0.7
        hidden = model.text_embeddings(ids)
        expected = model.encoder(hidden, [output.attention.matmul] * 2)
        torch.testing.assert_close(output.last_hidden_state, expected)


class TestLayers:
    def test_head_masks(self):
        model = small()
        ids, bbox = document()
        plain = model(ids, bbox).last_hidden_state
        assert torch.equal(model(ids, bbox, head_mask=torch.ones(4)).last_hidden_state, plain)
        mask = torch.tensor([[1.0, 0, 1, 1], [1, 1, 1, 1]])
        masked = model(ids, bbox, head_mask=mask).last_hidden_state
        assert not torch.allclose(masked, plain)
        with torch.no_grad():
            model.encoder.layer[0].attention.output.dense.weight[:, 6:12] = 0
        torch.testing.assert_close(model(ids, bbox).last_hidden_state, masked)
        with pytest.raises(zoo.MaskError, match="head_mask"):
            model(ids, bbox, head_mask=torch.ones(3))

    def test_widths_of_values_and_queries_are_free(self):
        model = small(dim=26, head_dim=7, skim_head_dim=3)
        ids, bbox = document()
        assert model(ids, bbox).last_hidden_state.shape == (2, 11, 26)
        assert model.encoder.layer[0].attention.value.weight.shape == (28, 26)

    def test_token_types(self):
        model = small()
        ids, bbox = document()
        zeros = torch.zeros_like(ids)
        plain = model(ids, bbox).last_hidden_state
        assert torch.equal(model(ids, bbox, token_type_ids=zeros).last_hidden_state, plain)
        assert not torch.allclose(model(ids, bbox, token_type_ids=zeros + 1).last_hidden_state, plain)

    def test_gradients(self):
        model = small(dim=8, num_heads=2, layout_dim=6, hidden_dim=8, num_layout_layers=1, pooler=True).double()
        ids, bbox = document(1, 4)
        parameters = {name: p.detach().requires_grad_() for name, p in model.named_parameters() if p.numel() < 100}

        def call(*values):
            output = torch.func.functional_call(model, dict(zip(parameters, values, strict=True)), (ids, bbox))
            return output.last_hidden_state, output.pooler_output

        assert torch.autograd.gradcheck(call, tuple(parameters.values()), fast_mode=True)

    def test_tied_decoder(self):
        model = zoo.load("skimformer/tiny")
        assert isinstance(model, MaskedLanguageModel)
        predictions = model.cls.predictions
        assert predictions.decoder.weight is model.backbone.word_embeddings.weight
        assert predictions.decoder.bias is predictions.bias

    def test_initial_values(self):
        model = build_skimformer(SkimformerConfig(vocab_size=2000, num_layers=1, head="mlm", num_layout_layers=1))
        for name, parameter in model.named_parameters():
            if "LayerNorm" in name:
                assert bool((parameter == (1 if name.endswith("weight") else 0)).all()), name
            elif name.endswith("bias"):
                assert float(parameter.detach().abs().max()) == 0, name
            elif parameter.numel() > 10_000:
                assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.05), name


class TestInputs:
    @pytest.mark.parametrize(
        ("box", "words"),
        [
            ([9, 0, 8, 5], "ends before it begins"),
            ([0, 9, 8, 5], r"box \(0, 9, 8, 5\) of token \(1, 3\)"),
            ([0, 0, 64, 5], "from 0 to 64; expected 0 to 63"),
            ([-1, 0, 8, 5], "scale boxes to the page"),
        ],
    )
    @pytest.mark.parametrize("name", ["skimformer", "skimming-mask", "bert-with-skim-embed", "long-skimformer"])
    def test_bad_boxes(self, name, box, words):
        options = {key: value for key, value in SMALL.items() if key in zoo.config(name)}
        model = zoo.load(name, **options)
        ids, bbox = document()
        bbox = bbox.clamp(max=62)
        bbox[1, 3] = torch.tensor(box)
        with pytest.raises(zoo.InputError, match=words):
            model(ids, bbox)

    def test_bad_shapes_and_types(self):
        model = small()
        ids, bbox = document()
        for wrong, words in (
            (bbox[:, :-1], r"shape \(2, 10, 4\)"),
            (bbox[..., :3], r"expected \(2, 11, 4\)"),
            (bbox.float(), "dtype torch.float32; expected integers"),
            (None, "no bbox"),
        ):
            with pytest.raises(zoo.InputError, match=words):
                model(ids, wrong)
        with pytest.raises(zoo.InputError, match="input_ids has values"):
            model(ids + 50, bbox)
        with pytest.raises(zoo.InputError, match="token_type_ids has values"):
            model(ids, bbox, token_type_ids=ids)
        with pytest.raises(zoo.InputError, match="input_ids has shape"):
            model(ids[0], bbox)
        for mask in (torch.ones(2, 10), torch.ones(11, 11), torch.ones(2, 1, 11, 11)):
            with pytest.raises(zoo.MaskError, match="attention_mask has shape"):
                model(ids, bbox, mask)

    @pytest.mark.parametrize(
        ("name", "options", "words"),
        [
            ("skimformer", {"degrade_2d_positions": True, "use_1d_positions": True}, "exclude each other"),
            ("skimformer/tiny", {"num_layout_heads": 5}, "layout_dim=24 is not divisible"),
            ("skimformer", {"dim": 100}, "dim=100 is not divisible"),
            ("skimming-mask", {"dim": 100}, "dim=100 is not divisible"),
            ("skimming-mask", {"core": "roberta"}, "not one of 'bert', 'layoutlm'"),
            ("long-skimformer/tiny", {"window": [8, 8, 8]}, "3 windows for 2 layers"),
            ("long-skimformer", {"window": [7]}, "even"),
        ],
    )
    def test_bad_configs(self, name, options, words):
        with pytest.raises(zoo.ConfigError, match=words):
            zoo.load(name, **options)


class TestSkimmingMask:
    @given(st.integers(1, 20), st.integers(1, 9))
    @settings(max_examples=30, deadline=None)
    def test_keeps_the_largest(self, top_k, keys):
        attention = torch.rand(2, 3, keys, generator=torch.Generator().manual_seed(top_k))
        kept = keep_top(attention, top_k)
        assert bool((kept.sum(-1) == min(top_k, keys)).all())
        smallest = attention.masked_fill(~kept, 2).amin(-1)
        assert bool((smallest >= attention.masked_fill(kept, -1).amax(-1)).all())

    @pytest.mark.parametrize("masked", [None, "keys", "pairs"])
    def test_weights_obey(self, masked):
        torch.manual_seed(0)
        model = zoo.load("skimming-mask/tiny", top_k=4)
        model.encoder.config._attn_implementation = "eager"
        ids, bbox = document()
        mask = None
        if masked:
            mask = torch.ones(2, 11)
            mask[0, 5:] = 0
            mask = mask[:, None].expand(-1, 11, -1) if masked == "pairs" else mask
        with captured_weights(model.encoder) as weights, torch.no_grad():
            output = model(ids, bbox, mask)
        assert len(weights) == 2
        for layer in weights:
            assert int((layer > 0).sum(-1).max()) <= 4
            assert bool((keep_top(output.attention, 4) | (layer == 0)).all())
            if masked:
                assert float(layer[0, ..., 5:].max()) == 0
        if masked:
            whole = model(ids, bbox, torch.ones(2, 11)).last_hidden_state
            assert not torch.allclose(whole[0], output.last_hidden_state[0])
            torch.testing.assert_close(whole[1], output.last_hidden_state[1])

    def test_keeping_everything_is_plain_bert(self):
        transformers = pytest.importorskip("transformers")
        core = _transformers_model("BertModel")
        model = SkimmingMask.around(core, top_k=999, layout_dim=12, max_2d_positions=64, skim_head_dim=5)
        ids, bbox = document()
        mask = torch.ones(2, 11, dtype=torch.int64)
        mask[1, 6:] = 0
        expected = core(ids, attention_mask=mask)
        output = model(ids, bbox, mask)
        torch.testing.assert_close(output.last_hidden_state, expected.last_hidden_state)
        torch.testing.assert_close(output.pooler_output, expected.pooler_output)
        assert isinstance(core, transformers.BertModel)

    @pytest.mark.parametrize("kind", ["BertForTokenClassification", "LayoutLMForMaskedLM"])
    def test_around_trained_parts(self, kind):
        core, skimformer = _transformers_model(kind), small(num_layout_layers=1)
        model = SkimmingMask.around(core, skimformer.skim, top_k=3)
        ids, bbox = document()
        output = model(ids, bbox)
        assert torch.equal(output.attention, skimformer(ids, bbox).attention)
        assert model.word_embeddings is core.get_input_embeddings()
        output.last_hidden_state.sum().backward()
        assert core.get_input_embeddings().weight.grad is not None
        assert all(parameter.grad is None for parameter in skimformer.skim.parameters())

    def test_boxes_must_fit_both_parts(self):
        model = SkimmingMask.around(_transformers_model("LayoutLMModel"), small(max_2d_positions=100).skim)
        ids, bbox = document()
        model(ids, bbox)
        with pytest.raises(zoo.InputError, match="expected 0 to 63"):
            model(ids, bbox + 30)

    def test_refusals(self):
        transformers = pytest.importorskip("transformers")
        with pytest.raises(zoo.InputError, match="the core is a Linear"):
            SkimmingMask.around(torch.nn.Linear(2, 2))
        gpt2 = transformers.GPT2Model(transformers.GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=50))
        with pytest.raises(zoo.InputError, match="the core is a gpt2"):
            SkimmingMask.around(gpt2)
        with pytest.raises(zoo.InputError, match="of 2 heads for an encoder of 4"):
            SkimmingMask.around(_transformers_model("BertModel"), small(num_heads=2).skim)
        model = zoo.load("skimming-mask/tiny")
        ids, bbox = document(1, 33)
        with pytest.raises(zoo.InputError, match="33 tokens"):
            model(ids, bbox)
        with pytest.raises(zoo.InputError, match="no bbox"):
            model(ids[:, :5])
        for name, options in (
            ("skimming-mask", {"core": "layoutlm", "use_1d_positions": True}),
            ("bert-with-skim-embed", {}),
        ):
            with pytest.raises(zoo.InputError, match="no bbox"):
                zoo.load(f"{name}/tiny", **options)(ids[:, :5])

    def test_every_head_in_both_cores(self):
        ids, bbox = document()
        for core in ("bert", "layoutlm"):
            for head, width in (("mlm", 61), ("token-classification", 13)):
                model = zoo.load("skimming-mask/tiny", core=core, head=head)
                assert model(ids, bbox).logits.shape == (2, 11, width)


def _transformers_model(kind: str):
    transformers = pytest.importorskip("transformers")
    family = "LayoutLMConfig" if kind.startswith("LayoutLM") else "BertConfig"
    boxes = {"max_2d_position_embeddings": 64} if kind.startswith("LayoutLM") else {}
    config = getattr(transformers, family)(
        vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=40, **boxes,
    )  # fmt: skip
    torch.manual_seed(0)
    return getattr(transformers, kind)(config).eval()


class TestSkimEmbed:
    def test_without_layout_it_is_bert(self):
        core = _transformers_model("BertModel")
        options = {key: value for key, value in SMALL.items() if key in zoo.config("bert-with-skim-embed")}
        model = zoo.load("bert-with-skim-embed", **options, pooler=True)
        state = dict(core.state_dict())
        zoo.fill(model, model.state_dict() | state)
        for projection in model.layout_embeddings.projections.values():
            torch.nn.init.zeros_(projection.weight)
        ids, bbox = document()
        mask = torch.ones(2, 11)
        mask[0, 8:] = 0
        torch.testing.assert_close(
            model(ids, bbox, mask).last_hidden_state, core(ids, attention_mask=mask).last_hidden_state
        )

    def test_left_and_right_share_a_table_and_a_projection(self):
        model = zoo.load("bert-with-skim-embed/tiny", head="none")
        terms = dict(model.layout_embeddings.terms(torch.tensor([[[3, 5, 9, 8]]])))
        assert set(terms) == {"x", "y", "h", "w"}
        box = model.layout_embeddings
        x, y, h, w = (box.projections[axis] for axis in "xyhw")
        table = {axis: box.tables[axis].weight for axis in "xyhw"}
        expected = x(table["x"][3]) + x(table["x"][9]) + y(table["y"][5]) + y(table["y"][8])
        expected = expected + h(table["h"][3]) + w(table["w"][6])
        torch.testing.assert_close(box(torch.tensor([[[3, 5, 9, 8]]]))[0, 0], expected)


def dense_contexts(query, key, value, reach, real=None, chosen=None):
    """The band written out."""
    length = query.shape[2]
    places = torch.arange(length)
    visible = ((places[:, None] - places).abs() <= reach)[None, None]
    if chosen is not None:
        visible = visible | chosen[:, None, :, None] | chosen[:, None, None, :]
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if real is not None:
        scores = scores + (1 - real.to(scores)[:, None, None]) * -10_000
    weights = scores.masked_fill(~visible, -torch.inf).softmax(-1)
    return weights, weights @ value


class TestBand:
    @given(
        length=st.integers(1, 40),
        reach=st.integers(1, 12),
        padded=st.booleans(),
        share=st.sampled_from([None, 0.0, 0.1, 0.5, 1.0]),
        seed=st.integers(0, 99),
    )
    @settings(max_examples=80, deadline=None)
    def test_equals_masked_attention(self, length, reach, padded, share, seed):
        generator = torch.Generator().manual_seed(seed)
        query, key, value = (torch.randn(3, 2, length, 4, generator=generator).double() for _ in range(3))
        real = torch.rand(3, length, generator=generator) < 0.7 if padded else None
        chosen = torch.rand(3, length, generator=generator) < share if share is not None else None
        (band,) = band_attention(query, key, [reach], attention_mask=real, global_mask=chosen)
        weights, contexts = dense_contexts(query, key, value, reach, real, chosen)
        torch.testing.assert_close(band.read(value), contexts)
        torch.testing.assert_close(band.dense(), weights)

    @given(length=st.integers(1, 30), reach=st.integers(1, 9), wider=st.integers(0, 5), seed=st.integers(0, 9))
    @settings(max_examples=30, deadline=None)
    def test_diagonals(self, length, reach, wider, seed):
        generator = torch.Generator().manual_seed(seed)
        query, key = (torch.randn(2, 3, length, 4, generator=generator) for _ in range(2))
        chosen = torch.rand(2, length, generator=generator) < 0.2
        bands = band_attention(query, key, [reach + wider, reach], global_mask=chosen)
        weights = bands[1].dense()
        diagonals = bands[1].diagonals()
        columns = int(chosen.sum(-1).max())
        assert diagonals.shape == (2, 3, length, columns + 2 * reach + 1)
        for example in range(2):
            for token in range(length):
                if chosen[example, token]:
                    continue
                row = torch.zeros(3, length)
                for place, other in enumerate(chosen[example].nonzero().flatten().tolist()):
                    row[:, other] += diagonals[example, :, token, place]
                for step in range(2 * reach + 1):
                    if 0 <= token - reach + step < length:
                        row[:, token - reach + step] += diagonals[example, :, token, columns + step]
                torch.testing.assert_close(row, weights[example, :, token])

    def test_layers_share_what_is_equal(self):
        query, key, value = torch.randn(3, 1, 2, 20, 4)
        bands = band_attention(query, key, [3, 5, 3])
        assert bands[0] is bands[2]
        for band, reach in zip(bands, [3, 5, 3], strict=True):
            torch.testing.assert_close(band.read(value), dense_contexts(query, key, value, reach)[1])

    def test_gradients(self):
        query, key, value = torch.randn(3, 1, 2, 7, 3, dtype=torch.float64, requires_grad=True)
        chosen = torch.zeros(1, 7, dtype=torch.bool)
        chosen[0, 2] = True

        def call(query, key, value):
            return band_attention(query, key, [2], global_mask=chosen)[0].read(value)

        assert torch.autograd.gradcheck(call, (query, key, value))

    def test_masks_of_the_wrong_shape(self):
        query, key = torch.randn(2, 1, 2, 7, 3)
        for options in ({"attention_mask": torch.ones(1, 7, 7)}, {"global_mask": torch.ones(1, 6)}):
            with pytest.raises(zoo.MaskError, match="expected \\(1, 7\\)"):
                band_attention(query, key, [2], **options)


class LargestTensor(TorchDispatchMode):
    """Remembers the largest number of elements that an operation returned."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


class TestLong:
    def test_a_wide_window_is_skimformer(self):
        plain = small(num_layout_layers=1)
        long = LongSkimformer(LongSkimformerConfig(**SMALL, num_layout_layers=1, window=[64])).eval()
        long.load_state_dict(plain.state_dict())
        ids, bbox = document()
        mask = torch.ones(2, 11)
        mask[0, 6:] = 0
        expected, output = plain(ids, bbox, mask), long(ids, bbox, mask)
        torch.testing.assert_close(output.last_hidden_state, expected.last_hidden_state)
        torch.testing.assert_close(output.attention[0].dense(), expected.attention)

    def test_global_tokens_reach_across(self):
        long = LongSkimformer(LongSkimformerConfig(**SMALL, window=[2, 4])).eval()
        ids, bbox = document(1, 30)
        other = ids.clone()
        other[0, 0] = (ids[0, 0] + 1) % 50
        chosen = torch.zeros_like(ids)
        chosen[0, 0] = 1
        far = [
            (long(x, bbox, global_attention_mask=mask).last_hidden_state[0, 20:])
            for mask in (None, chosen)
            for x in (ids, other)
        ]
        assert torch.equal(far[0], far[1])
        assert not torch.allclose(far[2], far[3])

    @pytest.mark.parametrize("layers", [0, 1])
    def test_no_matrix_of_the_length(self, layers):
        long = LongSkimformer(LongSkimformerConfig(**SMALL, window=[16], num_layout_layers=layers)).eval()
        length = 1000
        with LargestTensor() as seen, torch.no_grad():
            long(*document(1, length))
        assert seen.largest <= 4 * (length + 16) * max(24, 3 * 12, 2 * 24)


class TestConversion:
    def published(self, config: SkimformerConfig) -> dict[str, Tensor]:
        """A state in the authors' names, from one of ours."""
        torch.manual_seed(0)
        own = build_skimformer(config).state_dict()
        renamed = {}
        for name, tensor in own.items():
            name = name.replace("backbone.", "skimformer.")
            for ours, theirs in (
                ("skim.layout_embeddings.tables.x.", "two_dim_pos_embeddings.x_position_embeddings."),
                ("skim.layout_embeddings.tables.y.", "two_dim_pos_embeddings.y_position_embeddings."),
                ("skim.layout_embeddings.tables.h.", "two_dim_pos_embeddings.h_position_embeddings."),
                ("skim.layout_embeddings.tables.w.", "two_dim_pos_embeddings.w_position_embeddings."),
                ("skim.layout_embeddings.", "two_dim_pos_embeddings."),
                ("skim.layout_encoder.", "layout_encoder."),
                ("skim.query.", "skim_attention.query."),
                ("skim.key.", "skim_attention.key."),
                (".attention.value.", ".attention.self.value."),
            ):
                if "layout_encoder" not in name or ours == "skim.layout_encoder.":
                    name = name.replace(ours, theirs)
            renamed[name] = tensor
        return renamed

    @pytest.mark.parametrize("head", ["mlm", "token-classification"])
    def test_published_names(self, head):
        config = SkimformerConfig(**SMALL, head=head, num_layout_layers=1, pooler=True)
        state = self.published(config)
        assert "skimformer.skim_attention.query.weight" in state
        assert "skimformer.layout_encoder.layer.0.attention.self.value.weight" in state
        model = zoo.fill(build_on_meta(lambda: build_skimformer(config)), convert(state, config)).eval()
        ids, bbox = document()
        torch.manual_seed(0)
        torch.testing.assert_close(model(ids, bbox).logits, build_skimformer(config).eval()(ids, bbox).logits)
        own = model.state_dict()
        assert convert(own, config).keys() == own.keys()

    def test_a_backbone_leaves_head_and_pooler(self):
        state = self.published(SkimformerConfig(**SMALL, head="mlm", pooler=True))
        bare = SkimformerConfig(**SMALL)
        model = zoo.fill(build_skimformer(bare), convert(state, bare))
        assert isinstance(model, Skimformer)
        assert torch.equal(model.word_embeddings.weight, state["cls.predictions.decoder.weight"])

    def test_what_is_missing_is_said(self):
        config = SkimformerConfig(**SMALL, head="mlm")
        state = self.published(config)
        del state["skimformer.skim_attention.key.bias"]
        with pytest.raises(zoo.CheckpointMismatch, match=r"backbone\.skim\.key\.bias"):
            zoo.fill(build_skimformer(config), convert(state, config))

    def test_tied_decoder_may_be_left_out(self):
        config = SkimformerConfig(**SMALL, head="mlm")
        state = self.published(config)
        for name in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):
            del state[name]
        model = zoo.fill(build_skimformer(config), convert(state, config))
        assert model.cls.predictions.decoder.weight is model.backbone.word_embeddings.weight

    def test_a_path_with_the_authors_names(self, tmp_path):
        from safetensors.torch import save_file

        config = SkimformerConfig(**SMALL, head="mlm", num_layout_layers=1)
        state = {name: tensor.clone() for name, tensor in self.published(config).items()}
        save_file(state, tmp_path / "model.safetensors")
        model = zoo.load("skimformer", weights=tmp_path, **SMALL, head="mlm", num_layout_layers=1)
        assert torch.equal(model.backbone.skim.key.weight, state["skimformer.skim_attention.key.weight"])

    def test_the_skimming_part_moves(self):
        skimformer = small(num_layout_layers=1)
        other = Skim(skimformer.config)
        other.load_state_dict(skimformer.skim.state_dict())
        ids, bbox = document()
        assert torch.equal(other.eval()(bbox, None, 2, 11), skimformer(ids, bbox).attention)


class TestLayoutAnalysis:
    def test_area_weighted(self):
        boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 30], [0, 0, 20, 10], [0, 0, 5, 0]])
        found = area_f1(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 0]), boxes, 4)
        # Class 0: 100 of the 400 given it are right, all 100 that have it; class 1: all of 200 given, 200 of 500.
        torch.testing.assert_close(found[0].tolist(), [0.25, 1.0, 0.4])
        torch.testing.assert_close(found[1].tolist(), [1.0, 0.4, 4 / 7])
        assert bool(found[2:].isnan().all())
        with pytest.raises(zoo.InputError, match="expected"):
            area_f1(torch.tensor([0]), torch.tensor([0, 1]), boxes[:2], 2)

    def test_pages_are_reproducible_and_sound(self):
        for seed in range(50):
            page = draw_page(seed)
            assert page == draw_page(seed)
            assert set(page.labels) <= set(LABELS)
            assert all(0 <= x0 <= x1 <= 1000 and 0 <= y0 <= y1 <= 1000 for x0, y0, x1, y1 in page.boxes)

    def test_right_answers_score_one(self):
        benchmark = LayoutAnalysis(LayoutAnalysisConfig(count=20, max_length=50))
        scores = benchmark.score([page.labels for page in benchmark.cases()])
        assert scores["macro F1"] == 1
        assert max(len(page.words) for page in benchmark.cases()) <= 50
        with pytest.raises(zoo.InputError, match="a label for each word"):
            benchmark.score([])
        with pytest.raises(zoo.InputError, match="unknown labels margin"):
            benchmark.score([["margin"] * len(page.words) for page in benchmark.cases()])

    def test_docbank_files(self, tmp_path):
        line = "\t".join(["Skim", "10", "20", "40", "30", "0", "0", "0", "Times", "title"])
        (tmp_path / "a.txt").write_text(f"{line}\n{line}\n", encoding="utf-8")
        benchmark = zoo.load("skim-attention-layout-analysis", path=str(tmp_path))
        (page,) = benchmark.cases()
        assert page.words == ("Skim", "Skim")
        assert page.boxes[0] == (10, 20, 40, 30)
        assert benchmark.score([["title", "list"]])["title"] == pytest.approx(2 / 3)
        (tmp_path / "a.txt").write_text("Skim\t1\t2\n", encoding="utf-8")
        with pytest.raises(zoo.InputError, match="line 1"):
            read_docbank(tmp_path / "a.txt")
        with pytest.raises(zoo.InputError, match="does not exist"):
            read_docbank(tmp_path / "b.txt")
        with pytest.raises(zoo.ConfigError, match="no such file"):
            zoo.load("skim-attention-layout-analysis", path=str(tmp_path / "none"))
        (tmp_path / "empty").mkdir()
        benchmark = zoo.load("skim-attention-layout-analysis", path=str(tmp_path / "empty"))
        with pytest.raises(zoo.InputError, match="holds no DocBank page"):
            list(benchmark.cases())

    def test_encoding_fits_small_tables(self):
        batch = encode([draw_page(seed) for seed in range(4)], 20, 64)
        assert int(batch.bbox.max()) <= 63
        assert int(batch.input_ids.max()) < 20
        real = batch.attention_mask.bool()
        assert int(batch.input_ids[real].min()) >= 2
        assert int(batch.input_ids[~real].sum() + batch.bbox[~real].sum()) == 0

    def test_masked_words(self):
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(2, 90, (64, 100), generator=generator)
        real = torch.ones_like(ids)
        real[:, 80:] = 0
        shown, labels = mask_words(ids, real, 90, generator)
        chosen = labels != -100
        assert bool((labels[chosen] == ids[chosen]).all())
        assert torch.equal(shown[~chosen], ids[~chosen])
        assert not bool(chosen[:, 80:].any())
        assert float(chosen[:, :80].float().mean()) == pytest.approx(0.15, abs=0.01)
        assert float((shown[chosen] == 1).float().mean()) == pytest.approx(0.8, abs=0.04)

    @pytest.mark.parametrize("head", ["mlm", "token-classification"])
    def test_training_lowers_the_loss(self, head):
        lines: list[str] = []
        model = fit(SkimformerConfig(**SMALL, head=head), steps=36, seed=0, log=lines.append)
        losses = [float(line.rpartition(" ")[2]) for line in lines]
        assert losses[-1] < losses[0] - 0.1
        assert not model.training

    def test_training_refusals(self):
        with pytest.raises(zoo.ConfigError, match="without a head"):
            train(SkimformerConfig(**SMALL), preset=None, seed=0, log=print)
        with pytest.raises(zoo.ConfigError, match="13 classes"):
            train(SkimformerConfig(**SMALL, head="token-classification", num_classes=4), preset=None, seed=0, log=print)

    def test_the_bundled_weights_read_pages(self):
        model = zoo.load("skimformer/layout-analysis")
        assert isinstance(model, TokenClassifier)
        assert LayoutAnalysis(LayoutAnalysisConfig(count=40)).run(model)["macro F1"] > 0.85
        assert LayoutAnalysis(LayoutAnalysisConfig(count=3)).run(model.apply(_forget))["macro F1"] < 0.5


def _forget(module) -> None:
    if isinstance(module, torch.nn.Linear):
        torch.nn.init.zeros_(module.weight)
