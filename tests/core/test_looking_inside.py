"""Looking inside models: maps, heads, streams, decompositions and paths, of every family and of the zoo's own."""

from __future__ import annotations

import math
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import zoo
from zoo.bridges.transformers import progress
from zoo.bridges.transformers.attending import attending, only_where
from zoo.bridges.transformers.circuits import head_weights
from zoo.bridges.transformers.decomposition import decompose
from zoo.bridges.transformers.heads import at_heads, head_outputs, head_writes, mean_head_outputs, patching
from zoo.bridges.transformers.inputs import as_inputs, batches, token_ids
from zoo.bridges.transformers.maps import as_distributions, attention_maps, documents, queries_keys_values
from zoo.bridges.transformers.paths import Receiver, activation_effects, logit_difference, path_effects
from zoo.bridges.transformers.sites import find_blocks, find_sites, layer_names
from zoo.bridges.transformers.streams import at_streams, residual_streams
from zoo.bridges.transformers.tiny import FAMILIES, tiny_model, tiny_tokenizer
from zoo.nn.heads import repeat_heads
from zoo.nn.language_model import LanguageModel, LanguageModelConfig
from zoo.nn.vision_transformer import VisionTransformer, VisionTransformerConfig

DECODERS = ("gpt2", "llama", "qwen3", "gpt-neox", "phi3")
TWO_SIDES = ("bart", "t5", "whisper")


def ids(seed: int = 0, batch: int = 2, length: int = 9) -> torch.Tensor:
    return torch.randint(3, 97, (batch, length), generator=torch.Generator().manual_seed(seed))


def inputs_of(family: str, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    if family == "vit":
        return {"pixel_values": torch.randn(2, 3, 16, 16, generator=generator)}
    if family == "whisper":
        return {"input_features": torch.randn(2, 8, 40, generator=generator), "decoder_input_ids": ids(seed, 2, 6)}
    tokens = {"input_ids": ids(seed)}
    return tokens | ({"decoder_input_ids": ids(seed + 1, 2, 6)} if family in TWO_SIDES else {})


def logits(model: nn.Module, inputs) -> torch.Tensor:
    with torch.no_grad():
        output = model(**inputs)
    return output if isinstance(output, torch.Tensor) else output.logits


def own_language_model(**config) -> LanguageModel:
    torch.manual_seed(0)
    shape = {"vocab_size": 97, "dim": 32, "num_layers": 2, "num_heads": 4, "hidden_dim": 48, "max_length": 64}
    return LanguageModel(LanguageModelConfig(**{**shape, **config})).eval()


def own_vision_transformer() -> VisionTransformer:
    torch.manual_seed(0)
    shape = {"dim": 32, "num_layers": 2, "num_heads": 4, "image_size": 16, "patch_size": 4, "num_classes": 5}
    return VisionTransformer(VisionTransformerConfig(**shape)).eval()


class TestSites:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_every_family_has_its_layers_and_blocks(self, family):
        model = tiny_model(family)
        groups = "".join(site.group for site in find_sites(model))
        assert groups == ("EEDADA" if family in TWO_SIDES else "DD" if family in DECODERS else "EE")
        assert {(site.num_heads, site.head_dim) for site in find_sites(model)} == {(4, 8)}
        grouped = 2 if family in ("llama", "qwen3", "phi3") else 4
        assert {site.num_kv_heads for site in find_sites(model)} == {grouped}
        assert [len(block.sites) for block in find_blocks(model)] == ([1, 1, 2, 2] if family in TWO_SIDES else [1, 1])

    def test_layers_are_chosen_by_group_and_number(self):
        model = tiny_model("bart")
        assert [site.name for site in find_sites(model, group="A", layers=[-1])] == [
            "model.decoder.layers.1.encoder_attn"
        ]
        with pytest.raises(zoo.InputError, match=r"layers \[2\]: the model has 2"):
            find_sites(model, group="E", layers=[0, 2])
        with pytest.raises(zoo.InputError, match="no attention of group 'A'; its groups: D"):
            find_sites(tiny_model("gpt2"), group="A")
        with pytest.raises(zoo.InputError, match="no attention layer"):
            find_sites(nn.Linear(2, 2))

    def test_layers_have_names_for_pictures(self):
        assert layer_names(tiny_model("gpt2")) == ["0", "1"]
        assert layer_names(tiny_model("bart")) == [
            *("encoder 0", "encoder 1"),
            *("decoder 0, self-attention", "decoder 0, cross-attention"),
            *("decoder 1, self-attention", "decoder 1, cross-attention"),
        ]
        assert layer_names(tiny_model("bart"), group="A") == [
            "decoder 0, cross-attention",
            "decoder 1, cross-attention",
        ]
        assert layer_names(own_language_model(), layers=[-1]) == ["1"]


class TestMaps:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_maps_are_those_of_eager_attention_and_the_model_is_as_before(self, family):
        model, inputs = tiny_model(family), inputs_of(family)
        before = logits(model, inputs)
        maps = attention_maps(model, inputs)
        assert torch.equal(logits(model, inputs), before)
        assert {config._attn_implementation for config in configs_of(model)} == {"sdpa"}
        with torch.no_grad():
            output = tiny_model(family, attn_implementation="eager")(**inputs, output_attentions=True)
        expected = output.attentions if family not in TWO_SIDES else output.encoder_attentions
        if family in TWO_SIDES:
            pairs = zip(output.decoder_attentions, output.cross_attentions, strict=True)
            expected = [*expected, *(weights for pair in pairs for weights in pair)]
        assert len(maps) == len(expected)
        assert all(torch.equal(found, wanted) for found, wanted in zip(maps, expected, strict=True))

    @pytest.mark.parametrize("family", FAMILIES)
    def test_maps_mix_the_values_that_meet_them_into_the_heads_outputs(self, family):
        model, inputs = tiny_model(family), inputs_of(family)
        parts = queries_keys_values(model, inputs, positions=True)
        for weights, (_, _, value), outputs in zip(
            attention_maps(model, inputs), parts, head_outputs(model, inputs), strict=True
        ):
            mixed = weights @ repeat_heads(value, weights.shape[1])
            torch.testing.assert_close(mixed.transpose(1, 2), outputs, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "bert", "bart", "t5"])
    def test_projections_before_positions_are_those_of_the_layers(self, family):
        model, inputs = tiny_model(family), inputs_of(family)
        before, after = (queries_keys_values(model, inputs, positions=turned) for turned in (False, True))
        turns = family in ("llama", "qwen3")
        for (query, _, value), (turned, _, same) in zip(before, after, strict=True):
            torch.testing.assert_close(value, same)
            torch.testing.assert_close(query[:, :, 0], turned[:, :, 0])
            assert torch.allclose(query, turned) != turns
            assert torch.allclose(query.norm(dim=-1), turned.norm(dim=-1), atol=1e-5)

    def test_a_body_that_raises_leaves_no_trace(self):
        for model, inputs in (
            (tiny_model("bart"), inputs_of("bart")),
            (own_language_model(), {"input_ids": ids()}),
        ):
            before = logits(model, inputs)

            def fail(*args):
                raise RuntimeError("in the middle")

            for context in (
                attending(model, weights=fail),
                attending(model, projections=fail),
                at_heads(model, fail),
                at_streams(model, fail, group=find_blocks(model)[-1].group),
            ):
                with pytest.raises(RuntimeError, match="in the middle"), context:
                    model(**inputs)
            assert torch.equal(logits(model, inputs), before)
            assert not [name for part in model.modules() for name in ("attend",) if name in vars(part)]
            assert not [part for part in model.modules() if part._forward_pre_hooks]
            assert all(config._attn_implementation == "sdpa" for config in configs_of(model))

    def test_layers_that_nobody_asks_for_keep_their_fast_attention(self, monkeypatch):
        model, inputs = tiny_model("llama"), inputs_of("llama")
        calls = []
        plain = torch.nn.functional.scaled_dot_product_attention
        monkeypatch.setattr(
            torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or plain(*a, **k)
        )
        maps = attention_maps(model, inputs, layers=[1])
        assert (len(maps), len(calls)) == (1, 1)
        calls.clear()
        queries_keys_values(model, inputs, positions=True)
        assert len(calls) == 2

    def test_gradients_and_outputs_of_a_model_nobody_looks_at_are_unchanged(self):
        model, inputs = tiny_model("llama"), inputs_of("llama")

        def gradients():
            model.zero_grad()
            model(**inputs).logits.square().sum().backward()
            return [parameter.grad.clone() for parameter in model.parameters()]

        before = gradients()
        attention_maps(model, inputs)
        decompose(model, inputs)
        assert all(torch.equal(one, other) for one, other in zip(before, gradients(), strict=True))

    def test_gradients_reach_the_weights_that_are_seen(self):
        model, inputs, seen = tiny_model("gpt2"), inputs_of("gpt2"), []
        with attending(model, weights=lambda site, weights: seen.append(weights)):
            output = model(**inputs).logits[:, -1].sum()
        gradients = torch.autograd.grad(output, seen)
        assert all(float(gradient.abs().max()) > 0 for gradient in gradients)

    def test_changed_weights_mix_the_values(self):
        model, inputs = tiny_model("llama"), inputs_of("llama")
        site = find_sites(model)[0]
        own = torch.eye(9).expand(2, 4, 9, 9)
        with attending(model, sites=[site], weights=lambda site, weights: own):
            outputs = head_outputs(model, inputs, layers=[0])[0]
        _, _, value = queries_keys_values(model, inputs, layers=[0])[0]
        torch.testing.assert_close(outputs, repeat_heads(value, 4).transpose(1, 2))

    def test_hiding_keys_by_weights_is_hiding_them_by_the_mask(self):
        model, tokens = tiny_model("bert"), ids()
        visible = torch.ones(2, 9, dtype=torch.long)
        visible[:, 3] = 0
        masked = logits(model, {"input_ids": tokens, "attention_mask": visible})
        with attending(model, weights=lambda site, weights: only_where(weights, visible.bool()[:, None, None])):
            hidden = logits(model, {"input_ids": tokens})
        torch.testing.assert_close(hidden[:, :3], masked[:, :3], atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("own", [False, True])
    def test_contexts_nest_and_act_in_order(self, own):
        model = own_language_model() if own else tiny_model("llama")
        inputs, seen = {"input_ids": ids()}, []
        before = logits(model, inputs)
        with attending(model, weights=lambda site, weights: weights * 2):
            doubled = logits(model, inputs)
            with attending(model, weights=lambda site, weights: seen.append(weights.sum(-1).mean())):
                assert torch.equal(logits(model, inputs), doubled)
            assert torch.equal(logits(model, inputs), doubled)
        assert [round(float(mean), 4) for mean in seen] == [2.0, 2.0]
        assert torch.equal(logits(model, inputs), before)

    def test_with_a_cache_maps_reach_back_to_it(self):
        for family in ("gpt2", "llama"):
            model, tokens = tiny_model(family), ids()
            whole = attention_maps(model, tokens)
            with torch.no_grad():
                cache = model(tokens[:, :6], use_cache=True).cache
            later = attention_maps(model, {"input_ids": tokens[:, 6:], "cache": cache})
            for one, other in zip(whole, later, strict=True):
                assert other.shape == (2, 4, 3, 9)
                torch.testing.assert_close(other, one[:, :, 6:], atol=1e-6, rtol=1e-4)

    @pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
    @pytest.mark.parametrize("side", ["left", "right"])
    def test_padding_changes_nothing_for_real_tokens(self, family, side):
        model, tokens = tiny_model(family), ids(length=6)
        plain = attention_maps(model, tokens[:1])
        pad = (3, 0) if side == "left" else (0, 3)
        mask = nn.functional.pad(torch.ones(1, 6, dtype=torch.long), pad)
        places = (torch.arange(9) - pad[0]).clamp(min=0)[None]
        padded = {"input_ids": nn.functional.pad(tokens[:1], pad), "attention_mask": mask, "position_ids": places}
        real = mask[0].bool()
        for one, other in zip(plain, attention_maps(model, padded), strict=True):
            torch.testing.assert_close(other[..., real, :][..., real], one, atol=1e-6, rtol=1e-4)
        (document,) = documents(model, padded)
        assert torch.equal(document.ids, tokens[0])
        torch.testing.assert_close(document.maps, torch.stack([one[0] for one in plain]), atol=1e-6, rtol=1e-4)

    def test_texts_stream_in_batches_and_memory_does_not_grow_with_them(self):
        model, words, lines = tiny_model("gpt2"), tiny_tokenizer(), []
        texts = [" ".join(f"w{3 + (index * 7 + place) % 90}" for place in range(2 + index % 4)) for index in range(7)]
        found = list(documents(model, texts, words, batch_size=3, log=lines.append))
        assert lines == ["3 texts", "6 texts", "7 texts"]
        for text, document in zip(texts, found, strict=True):
            alone = torch.stack(attention_maps(model, text, words))[:, 0]
            torch.testing.assert_close(document.maps, alone, atol=1e-6, rtol=1e-4)

    def test_a_statistic_of_maps_never_holds_more_than_one_layer(self):
        from zoo.evidence.measuring import PeakMemory

        inputs = {"input_ids": ids(batch=1, length=128)}
        peaks = []
        for layers in (2, 8):
            model, means = tiny_model("gpt2", n_layer=layers), []
            with (
                torch.no_grad(),
                PeakMemory() as memory,
                attending(model, weights=lambda site, weights, means=means: means.append(weights.amax(-1).mean())),
            ):
                model(**inputs)
            assert len(means) == layers
            peaks.append(memory.peak)
        assert peaks[1] - peaks[0] < 4 * 128 * 128 * 4, "less than one more map for six more layers"

    def test_architectures_that_never_dispatch_are_read_where_they_return_maps_and_refused_elsewhere(self):
        import transformers

        torch.manual_seed(0)
        shape = {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global"], 2]]}
        config = transformers.GPTNeoConfig(vocab_size=97, max_position_embeddings=32, **shape)
        model = transformers.GPTNeoForCausalLM(config).eval()
        maps = attention_maps(model, ids())
        with torch.no_grad():
            expected = model(ids(), output_attentions=True).attentions
        assert all(torch.equal(one, other) for one, other in zip(maps, expected, strict=True))
        seeing = attending(model, weights=lambda site, weights: None)
        with pytest.raises(zoo.InputError, match=r"GPTNeoSelfAttention.*nothing can step in"), seeing:
            pass

    def test_a_layer_that_is_used_several_times_gives_a_map_each_time(self):
        import transformers

        torch.manual_seed(0)
        shape = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 3}
        model = transformers.AlbertModel(transformers.AlbertConfig(vocab_size=97, embedding_size=8, **shape)).eval()
        maps = attention_maps(model, ids())
        model.set_attn_implementation("eager")
        with torch.no_grad():
            expected = model(ids(), output_attentions=True).attentions
        assert all(torch.equal(one, other) for one, other in zip(maps, expected, strict=True))
        assert len(head_outputs(model, ids())) == len(queries_keys_values(model, ids())) == 3

    def test_layers_that_do_not_run_are_named(self):
        model = tiny_model("bart")
        with pytest.raises(zoo.InputError, match="maps of 6 keys are not of the input ids"):
            list(documents(model, inputs_of("bart"), group="D"))
        encoder = model.get_encoder()
        model.forward = lambda **inputs: encoder(inputs["input_ids"])
        with pytest.raises(zoo.InputError, match=r"decoder\.layers\.0\.self_attn.* never ran"):
            attention_maps(model, ids())

    def test_mechanisms_of_the_zoo_in_transformers_show_their_own_maps(self):
        zoo.register_transformers({"moba": {"block_size": 4, "topk": 2}})
        model, tokens = tiny_model("llama", attn_implementation="zoo-moba"), ids(length=30)
        before = logits(model, {"input_ids": tokens})
        maps = attention_maps(model, tokens)
        assert torch.equal(logits(model, {"input_ids": tokens}), before)
        for weights in maps:
            torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 30))
            blocks = (weights > 0).unflatten(-1, (-1, 2))
            assert int((weights[:, :, -1] > 0).sum(-1).max()) <= 8, "the last token sees two blocks of four"
            assert blocks.any()
            assert float(weights.triu(1).abs().max()) == 0


def configs_of(model: nn.Module) -> list:
    found = (getattr(part, "config", None) for part in model.modules())
    return [config for config in found if hasattr(config, "_attn_implementation")]


class TestOwnNetworks:
    @pytest.mark.parametrize(
        ("attention", "options"),
        [
            ("full", {}),
            ("moba", {"block_size": 4, "topk": 2}),
            ("moh-llama-attention", {}),
            ("softmax-limits-attention", {}),
            ("better-attention", {}),
        ],
    )
    def test_maps_of_any_mechanism_mix_its_values(self, attention, options):
        model = own_language_model(attention=attention, attention_options=options)
        inputs = {"input_ids": ids(length=12)}
        before = logits(model, inputs)
        maps = attention_maps(model, ids(length=12))
        assert torch.equal(logits(model, inputs), before)
        assert [weights.shape for weights in maps] == [(2, 4, 12, 12)] * 2
        assert all(float(weights.triu(1).abs().max()) == 0 for weights in maps)

    def test_full_attention_has_the_softmax_of_its_scores(self):
        model = own_language_model(num_kv_heads=2)
        for weights, (query, key, _) in zip(
            attention_maps(model, ids()), queries_keys_values(model, ids(), positions=True), strict=True
        ):
            scores = query @ repeat_heads(key, 4).transpose(-1, -2) / math.sqrt(8)
            later = torch.ones(9, 9, dtype=torch.bool).triu(1)
            torch.testing.assert_close(weights, scores.masked_fill(later, -math.inf).softmax(-1))

    def test_texts_padding_and_caches_work_as_for_transformers(self):
        model, words = own_language_model(), tiny_tokenizer()
        inputs = as_inputs(model, ["w5 w6 w7", "w8"], words)
        assert set(inputs) == {"input_ids", "attn_mask"}
        short = attention_maps(model, "w8", words)
        batch = attention_maps(model, inputs)
        torch.testing.assert_close(batch[1][1, :, :1, :1], short[1][0])
        caches = model.new_caches()
        with torch.no_grad():
            model(ids()[:, :6], caches=caches)
        later = attention_maps(model, {"input_ids": ids()[:, 6:], "caches": caches})
        torch.testing.assert_close(later[1], attention_maps(model, ids())[1][:, :, 6:], atol=1e-6, rtol=1e-4)

    def test_images_are_taken_by_vision_transformers(self):
        model = own_vision_transformer()
        images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        maps = attention_maps(model, images)
        assert [weights.shape for weights in maps] == [(2, 4, 17, 17)] * 2
        torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 4, 17))
        parts = decompose(model, images, position=0)
        whole = parts.logits(range(5)).sum(0) + parts.norm.bias @ parts.head.weight.T + parts.head.bias
        torch.testing.assert_close(whole, model(images), atol=1e-5, rtol=1e-4)

    def test_weights_below_zero_have_no_entropy(self):
        maps = attention_maps(own_language_model(attention="pavlovian-attention"), ids())
        assert float(maps[0].min()) < 0
        with pytest.raises(zoo.InputError, match="are no probabilities"):
            as_distributions(maps[0])
        softmax = attention_maps(own_language_model(), ids())[0]
        assert torch.equal(as_distributions(softmax), softmax)

    def test_mechanisms_without_maps_are_named(self):
        model = own_language_model(attention="adaptive-filter-attention")
        with pytest.raises(zoo.InputError, match="AdaptiveFilterAttention: a mechanism whose weights cannot be read"):
            attention_maps(model, ids())
        nonlinear = own_language_model()
        layer = nonlinear.model.layers[0].self_attn
        plain = layer.attend
        own = layer.attend = lambda *args: plain(*args).tanh()
        with pytest.raises(zoo.InputError, match="no weighted mean of values"):
            attention_maps(nonlinear, ids())
        assert layer.attend is own


class TestInputs:
    def test_texts_tensors_and_mappings(self):
        model, words = tiny_model("bert"), tiny_tokenizer(ends=True)
        assert as_inputs(model, "w5 w6", words)["input_ids"].tolist() == [[1, 5, 6, 2]]
        assert "token_type_ids" not in as_inputs(tiny_model("gpt2"), "w5", words)
        assert list(as_inputs(model, ids())) == ["input_ids"]
        assert list(as_inputs(tiny_model("vit"), torch.zeros(1, 3, 16, 16))) == ["pixel_values"]
        with pytest.raises(zoo.InputError, match="texts need tokenizer="):
            as_inputs(model, "w5")
        with pytest.raises(zoo.InputError, match="int is no input"):
            as_inputs(model, 7)

    def test_token_ids_are_asked_for_by_name(self):
        assert torch.equal(token_ids(own_language_model(), ids()), ids())
        with pytest.raises(zoo.InputError, match="probes of tokens need token ids"):
            token_ids(own_vision_transformer(), torch.randn(1, 3, 16, 16))

    def test_a_tokenizer_without_padding_is_left_as_it_is(self):
        words = tiny_tokenizer()
        words.pad_token = None
        inputs = as_inputs(tiny_model("gpt2"), ["w5 w6 w7", "w8"], words)
        assert inputs["input_ids"].tolist() == [[5, 6, 7], [8, 2, 2]]
        assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
        assert words.pad_token is None
        sizes = [len(batch["input_ids"]) for batch in batches(tiny_model("gpt2"), ["w5"] * 5, words, batch_size=2)]
        assert sizes == [2, 2, 1]


class TestHeads:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_what_heads_write_adds_up_to_the_layers_output(self, family):
        model, inputs, seen = tiny_model(family), inputs_of(family), {}
        for site in find_sites(model):
            site.output.register_forward_hook(lambda module, args, out, name=site.name: seen.update({name: out}))
        for site, outputs in zip(find_sites(model), head_outputs(model, inputs), strict=True):
            bias = getattr(site.output, "bias", None)
            total = head_writes(site, outputs).sum(-2) + (0.0 if bias is None else bias)
            torch.testing.assert_close(total, seen[site.name], atol=1e-5, rtol=1e-4)

    def test_a_patched_head_has_the_output_of_the_other_run(self):
        model, clean, other = tiny_model("llama"), {"input_ids": ids(0)}, {"input_ids": ids(1)}
        outputs = head_outputs(model, other)
        before = logits(model, clean)
        with patching(model, {(0, 2): outputs[0][:, :, 2]}, position=torch.tensor([3, 5])):
            inside = head_outputs(model, clean)[0]
        expected = head_outputs(model, clean)[0]
        for row, place in enumerate((3, 5)):
            expected[row, place, 2] = outputs[0][row, place, 2]
        assert torch.equal(inside, expected)
        with patching(model, {(0, 0): 0.0, (1, 3): 0.0}):
            assert float(head_outputs(model, clean)[1][:, :, 3].abs().max()) == 0
            assert not torch.equal(logits(model, clean), before)
        assert torch.equal(logits(model, clean), before)
        with pytest.raises(zoo.InputError, match="no head 4 in layer 0"), patching(model, {(0, 4): 0.0}):
            pass

    def test_all_heads_from_the_other_run_give_the_other_run_in_one_layer(self):
        model = tiny_model("gpt2", n_layer=1)
        clean = ids(0)
        other = torch.cat((ids(1)[:, :-1], clean[:, -1:]), 1)
        outputs = head_outputs(model, other)[0]
        with patching(model, {(0, head): outputs[:, :, head] for head in range(4)}):
            patched = logits(model, {"input_ids": clean})
        torch.testing.assert_close(patched[:, -1], logits(model, {"input_ids": other})[:, -1])

    def test_means_count_real_tokens_alone(self):
        model, words = tiny_model("gpt2"), tiny_tokenizer()
        mean = mean_head_outputs(model, ["w5 w6 w7", "w8"], words, batch_size=2)
        alone = [head_outputs(model, text, words) for text in ("w5 w6 w7", "w8")]
        expected = torch.stack([torch.cat((a[0], b[0])).mean(0) for a, b in zip(*alone, strict=True)])
        torch.testing.assert_close(mean, expected)

    @settings(max_examples=20, deadline=None)
    @given(layer=st.integers(0, 1), head=st.integers(0, 3), scale=st.floats(0.0, 3.0))
    def test_gates_scale_what_a_head_writes(self, layer, head, scale):
        model, inputs = tiny_model("gpt2"), inputs_of("gpt2")
        site = find_sites(model)[layer]
        plain = head_outputs(model, inputs)[layer]

        def gate(where, outputs):
            changed = outputs.clone()
            changed[:, :, head] *= scale
            return changed if where.name == site.name else None

        with at_heads(model, gate):
            gated = head_outputs(model, inputs)[layer]
        torch.testing.assert_close(gated[:, :, head], plain[:, :, head] * scale)


class TestCircuits:
    @pytest.mark.parametrize("family", ["gpt2", "llama", "gpt-neox", "phi3", "bert", "bart", "t5", "vit"])
    def test_weights_of_heads_are_those_that_the_model_computes_with(self, family):
        model, inputs, seen = tiny_model(family), inputs_of(family), {}
        site = find_sites(model)[0]
        with torch.no_grad():
            for bias in (part.bias for part in site.module.modules() if getattr(part, "bias", None) is not None):
                bias.normal_(generator=torch.Generator().manual_seed(0))

        def keep(module, args, kwargs):
            seen["states"] = args[0] if args else kwargs["hidden_states"]

        handle = site.module.register_forward_pre_hook(keep, with_kwargs=True)
        parts = queries_keys_values(model, inputs, layers=[0])[0]
        handle.remove()
        weights = head_weights(site)
        states = seen["states"][:, None]
        for found, matrix, bias in zip(
            parts,
            (weights.query, weights.key, weights.value),
            (weights.query_bias, weights.key_bias, weights.value_bias),
            strict=True,
        ):
            computed = states @ matrix + bias[:, None]
            torch.testing.assert_close(computed, repeat_heads(found, 4), atol=1e-5, rtol=1e-4)
        moved = head_writes(site, (states @ weights.value).transpose(1, 2))
        torch.testing.assert_close(moved[:, :, 2], states[:, 0] @ weights.ov(2), atol=1e-5, rtol=1e-4)
        assert weights.qk(1).shape == (32, 32)
        assert int(torch.linalg.matrix_rank(weights.qk(1))) == 8


class TestStreams:
    @pytest.mark.parametrize("family", ["gpt2", "llama", "bert", "vit"])
    def test_streams_are_the_models_hidden_states(self, family):
        model, inputs = tiny_model(family), inputs_of(family)
        streams = residual_streams(model, inputs)
        with torch.no_grad():
            hidden = model(**inputs, output_hidden_states=True).hidden_states
        assert len(streams) == 3
        assert all(torch.equal(one, other) for one, other in zip(streams[:2], hidden[:2], strict=True))

    def test_each_side_of_an_encoder_decoder_has_its_own(self):
        model, inputs = tiny_model("t5"), inputs_of("t5")
        assert residual_streams(model, inputs, group="E")[2].shape == (2, 9, 32)
        assert residual_streams(model, inputs, group="D")[2].shape == (2, 6, 32)
        with pytest.raises(zoo.InputError, match='choose group="E" or group="D"'):
            residual_streams(model, inputs)

    @pytest.mark.parametrize("own", [False, True])
    def test_what_is_returned_is_what_the_blocks_read(self, own):
        model, inputs = own_language_model() if own else tiny_model("llama"), {"input_ids": ids()}
        before, other = logits(model, inputs), residual_streams(model, {"input_ids": ids(1)})
        for place in range(3):
            with at_streams(model, lambda place, stream: other[place], before=[place]):
                torch.testing.assert_close(logits(model, inputs), logits(model, {"input_ids": ids(1)}))
        assert torch.equal(logits(model, inputs), before)
        with pytest.raises(zoo.InputError, match="places 0 to 2"), at_streams(model, lambda *a: None, before=[3]):
            pass


class TestDecomposition:
    @pytest.mark.parametrize("family", DECODERS)
    def test_parts_add_up_to_the_logits(self, family):
        model, inputs = tiny_model(family), inputs_of(family)
        parts = decompose(model, inputs, position=torch.tensor([4, 7]))
        whole = parts.logits(range(97)).sum(0)
        if getattr(parts.norm, "bias", None) is not None:
            whole = whole + parts.norm.bias @ parts.head.weight.T
        expected = logits(model, inputs)[torch.arange(2), torch.tensor([4, 7])]
        torch.testing.assert_close(whole, expected, atol=1e-5, rtol=1e-4)
        assert parts.heads(parts.vectors).shape == (2, 4, 2, 32)
        at = parts.names.index("1.2")
        assert torch.equal(parts.heads(parts.vectors)[1, 2], parts.vectors[at])

    def test_the_zoos_own_model_comes_apart_too(self):
        model = own_language_model(num_kv_heads=2)
        parts = decompose(model, ids())
        assert parts.names[:5] == ("embedding", "0.0", "0.1", "0.2", "0.3")
        torch.testing.assert_close(parts.logits(range(97)).sum(0), model(ids())[:, -1], atol=1e-5, rtol=1e-4)

    def test_models_whose_parts_do_not_add_up_are_refused_by_name(self):
        with pytest.raises(zoo.InputError, match="BertForMaskedLM: embedding, heads"):
            decompose(tiny_model("bert"), ids())
        with pytest.raises(zoo.InputError, match="no head, so its parts have no logits"):
            decompose(tiny_model("gpt2", head="Model"), ids()).logits([3])
        assert decompose(tiny_model("whisper"), inputs_of("whisper"), group="E").vectors.shape[-1] == 32
        with pytest.raises(zoo.InputError, match="not one attention and one feed-forward"):
            decompose(tiny_model("whisper"), inputs_of("whisper"), group="D")


class TestPaths:
    def runs(self):
        clean = ids(0, 3)
        corrupt = torch.cat((ids(1, 3)[:, :-1], clean[:, -1:]), 1)
        return clean, corrupt, logit_difference(torch.tensor([[5, 6], [7, 8], [9, 10]]))

    def test_in_one_layer_paths_to_the_logits_are_the_heads_total_effects(self):
        model, (clean, corrupt, metric) = tiny_model("gpt2", n_layer=1), self.runs()
        direct = path_effects(model, clean, corrupt, metric=metric)
        total = activation_effects(model, clean, corrupt, metric=metric)
        assert direct.effects.shape == (1, 4)
        torch.testing.assert_close(direct.effects, total.effects, atol=1e-4, rtol=1e-3)
        assert direct.clean != direct.corrupt
        assert direct.strongest(1)[0][0] == (0, int(direct.effects[0].abs().argmax()))

    @pytest.mark.parametrize("family", ["llama", "gpt2"])
    def test_direct_effects_with_frozen_feed_forward_networks_are_what_heads_write(self, family):
        """With everything else frozen, the stream changes by the difference of what the sender writes."""
        model, (clean, corrupt, metric) = tiny_model(family), self.runs()
        found = path_effects(model, clean, corrupt, metric=metric, freeze_feed_forward=True)
        stream = residual_streams(model, clean)[-1]
        one, other = (head_writes(find_sites(model)[0], head_outputs(model, x)[0]) for x in (clean, corrupt))

        def put(place, now):
            changed = stream.clone()
            changed[:, -1] += (other - one)[:, -1, 1]
            return changed

        with at_streams(model, put, before=[2]), torch.no_grad():
            patched = float(metric(model(clean)))
        expected = (patched - found.clean) / (found.corrupt - found.clean)
        assert float(found.effects[0, 1]) == pytest.approx(expected, rel=1e-3, abs=1e-4)

    def test_receivers_take_what_the_sender_wrote_for_them(self):
        for model in (tiny_model("llama"), own_language_model(num_kv_heads=2)):
            clean, corrupt, metric = self.runs()
            for component, heads in (("query", 4), ("value", 2)):
                receivers = [Receiver(1, head, component) for head in range(heads)]
                found = path_effects(model, clean, corrupt, metric=metric, receivers=receivers)
                assert float(found.effects[0].abs().max()) > 0
                if component == "query":
                    assert float(found.effects[1].abs().max()) == 0, "receivers do not send to themselves"
            before = path_effects(model, clean, corrupt, metric=metric, receivers=[Receiver(0, 0, "query")])
            assert float(before.effects.abs().max()) == 0, "no head comes before the first layer"

    def test_a_sender_without_a_change_has_no_effect(self):
        model, (clean, corrupt, metric) = tiny_model("gpt2"), self.runs()
        shift = head_outputs(model, clean)
        with patching(model, {(0, 1): shift[0][:, :, 1]}):
            found = path_effects(model, clean, corrupt, metric=metric, senders=[(0, 1)])
        assert float(found.effects.abs().max()) == 0

    def test_what_cannot_be_patched_is_said(self):
        model, (clean, corrupt, metric) = tiny_model("gpt2"), self.runs()
        with pytest.raises(zoo.InputError, match="the metric is the same"):
            path_effects(model, clean, clean, metric=metric)
        with pytest.raises(zoo.InputError, match="differ in shape"):
            path_effects(model, clean, corrupt[:, 1:], metric=metric)
        with pytest.raises(zoo.InputError, match="no receiver"):
            path_effects(model, clean, corrupt, metric=metric, receivers=[Receiver(2, 0, "key")])


def test_two_models_are_looked_at_in_two_threads_at_once():
    models = [tiny_model("llama", seed=seed) for seed in range(2)]
    expected = [attention_maps(model, ids()) for model in models]
    wrong = []

    def look(index):
        for _ in range(5):
            found = attention_maps(models[index], ids())
            if not all(torch.equal(one, other) for one, other in zip(found, expected[index], strict=True)):
                wrong.append(index)

    threads = [threading.Thread(target=look, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_unknown_families_and_heads_are_named():
    with pytest.raises(zoo.UnknownName, match="Did you mean 'llama'"):
        tiny_model("lama")
    with pytest.raises(zoo.UnknownName, match="no GPT2ForNothing"):
        tiny_model("gpt2", head="ForNothing")
    state = torch.random.get_rng_state()
    tiny_model("gpt2")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_who_waits_long_is_told_how_far_it_is_and_who_does_not_is_left_alone(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    log = progress.patient()
    for second in (1.0, 4.9, 5.1, 6.0, 10.5):
        now[0] = second
        log(f"{second} done")
    assert capsys.readouterr().err == "zoo: 5.1 done, 5 s\nzoo: 10.5 done, 10 s\n"
    lines: list[str] = []
    assert progress.patient(lines.append) == lines.append


def test_batches_count_texts_and_refuse_none_and_what_has_no_tokens():
    model = tiny_model("gpt2")
    lines: list[str] = []
    found = list(batches(model, ["w3 w4"] * 5, tiny_tokenizer(), batch_size=2, log=lines.append))
    assert [len(each["input_ids"]) for each in found] == [2, 2, 1]
    assert lines == ["2 texts", "4 texts", "5 texts"]
    with pytest.raises(zoo.InputError, match="no texts"):
        list(batches(model, []))
    with pytest.raises(zoo.InputError, match="need token ids"):
        list(batches(model, {"inputs_embeds": torch.zeros(1, 2, 32)}, ids=True))
