"""The bridge, with a functional attention that is plain softmax: it must equal transformers' own."""

from __future__ import annotations

import warnings

import pytest
import torch

import zoo

from .plain_softmax import SOFTMAX

transformers = pytest.importorskip("transformers")


@pytest.fixture
def seen(install):
    install("plain", **SOFTMAX)
    assert "zoo-plain-softmax" in zoo.register_transformers()
    from pkg_zoo_plain import code

    code.SEEN.clear()
    return code.SEEN


def _llama(attn_implementation: str | None, **config):
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM._from_config(
        transformers.LlamaConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            **config,
        ),
        attn_implementation=attn_implementation,
    ).eval()


def _bert(attn_implementation: str):
    torch.manual_seed(0)
    return transformers.BertModel._from_config(
        transformers.BertConfig(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
        ),
        attn_implementation=attn_implementation,
    ).eval()


def _padded(left: bool = False):
    ids = torch.randint(0, 61, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones(3, 12, dtype=torch.long)
    mask[1, slice(0, 5) if left else slice(7, None)] = 0
    return ids, mask


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("padding", [False, True])
def test_llama_with_causal_and_padding_masks_equals_its_eager_attention(seen, padding, left):
    ids, mask = _padded(left)
    inputs = {"input_ids": ids, "attention_mask": mask if padding else None}
    ours, eager = _llama("zoo-plain-softmax")(**inputs).logits, _llama("eager")(**inputs).logits
    real = mask.bool() if padding else torch.ones_like(mask, dtype=torch.bool)
    torch.testing.assert_close(ours[real], eager[real], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("padding", [False, True])
def test_bert_with_padding_equals_its_eager_attention(seen, padding):
    ids, mask = _padded()
    inputs = {"input_ids": ids, "attention_mask": mask if padding else None}
    ours = _bert("zoo-plain-softmax")(**inputs).last_hidden_state
    eager = _bert("eager")(**inputs).last_hidden_state
    real = mask.bool() if padding else torch.ones_like(mask, dtype=torch.bool)
    torch.testing.assert_close(ours[real], eager[real], atol=1e-5, rtol=1e-5)


def test_no_square_mask_is_built_where_padding_says_it_all(seen):
    ids, mask = _padded()
    _llama("zoo-plain-softmax")(input_ids=ids)
    assert seen == [(None, True)] * 2
    seen.clear()
    _llama("zoo-plain-softmax")(input_ids=ids, attention_mask=mask)
    assert seen == [((3, 1, 1, 12), True)] * 2
    seen.clear()
    _bert("zoo-plain-softmax")(input_ids=ids, attention_mask=mask)
    assert seen == [((3, 1, 1, 12), False)] * 2


def test_packed_sequences_run_one_by_one(seen):
    ids, _ = _padded()
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]]).expand(3, -1)
    inputs = {"input_ids": ids, "position_ids": positions, "use_cache": False}
    ours, eager = _llama("zoo-plain-softmax")(**inputs).logits, _llama("eager")(**inputs).logits
    torch.testing.assert_close(ours, eager, atol=1e-5, rtol=1e-5)
    assert set(seen) == {(None, True)}


@pytest.mark.parametrize("hidden", [-1e4, float("-inf"), torch.finfo(torch.float32).min])
def test_additive_masks_of_the_users_own_are_converted(seen, hidden):
    ids, _ = _padded()
    order = torch.ones(12, 12, dtype=torch.bool).tril()
    # A window is more than padding and order, and is handed on as it is.
    for visible in (order, order & ~order.tril(-4)):
        additive = torch.zeros(12, 12).masked_fill(~visible, hidden).expand(3, 1, -1, -1)
        ours = _llama("zoo-plain-softmax")(ids, attention_mask=additive).logits
        torch.testing.assert_close(ours, _llama("eager")(ids, attention_mask=additive).logits, atol=1e-5, rtol=1e-5)
    assert seen == [(None, True)] * 2 + [((3, 1, 12, 12), False)] * 2
    with pytest.raises(zoo.MaskError, match="bias on the scores"):
        _llama("zoo-plain-softmax")(ids, attention_mask=additive * 0 - 1.0)
    with pytest.raises(zoo.MaskError, match=r"expected boolean or additive \(3, 1, 1 or 12, 12\)"):
        _llama("zoo-plain-softmax")(ids, attention_mask=torch.ones(3, 1, 12, 12, dtype=torch.long))


def test_an_additive_mask_without_rows_is_the_whole_truth(seen):
    # Code that adds a mask to the scores knows no other order, whatever the layer says of itself.
    layer = _llama("zoo-plain-softmax").model.layers[0].self_attn
    from zoo.bridges.sight import sight

    mask = torch.zeros(2, 1, 1, 5).index_fill_(-1, torch.tensor([3]), -1e9)
    found = sight(mask, batch=2, queries=5, keys=5, causal=layer.is_causal)
    assert layer.is_causal
    assert not found.causal
    assert found.mask[0, 0, 0].tolist() == [True, True, True, False, True]


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("rule", ["causal", "bidirectional"])
def test_a_model_that_works_on_its_masks_gets_real_ones(padded, rule):
    from transformers import masking_utils

    from zoo.bridges.transformers.masks import mask_function

    function = getattr(masking_utils, f"{rule}_mask_function")
    padding = torch.tensor([[True, True, True, False]]) if padded else None
    skipped = mask_function(1, 4, 4, 0, 0, function, padding)
    assert (None if skipped is None else skipped.shape) == (torch.Size([1, 1, 1, 4]) if padded else None)
    full = mask_function(1, 4, 4, 0, 0, function, padding, **{f"allow_is_{rule}_skip": False})
    expected = torch.ones(4, 4, dtype=torch.bool)
    expected = expected.tril() if rule == "causal" else expected
    assert torch.equal(full[0, 0], expected if padding is None else expected & padding)


def test_t5gemma_joins_its_masks_and_equals_its_eager_attention(seen):
    text = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": 4,
        "layer_types": ["full_attention", "sliding_attention"],
    }
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    ids = torch.randint(3, 60, (2, 9), generator=torch.Generator().manual_seed(0))
    padding = torch.ones(2, 9, dtype=torch.long)
    padding[0, 6:] = 0
    logits = []
    for implementation in ("zoo-plain-softmax", "eager"):
        torch.manual_seed(0)
        config = transformers.T5Gemma2Config(
            encoder={"text_config": dict(text), "vision_config": vision | {"image_size": 16, "patch_size": 8}},
            decoder=text | {"attn_logit_softcapping": None},
            eoi_token_index=61,
            image_token_index=62,
        )
        for part in (config.encoder.text_config, config.decoder):
            part.attn_logit_softcapping = None
        model = transformers.T5Gemma2ForConditionalGeneration._from_config(config, attn_implementation=implementation)
        with torch.no_grad():
            logits.append(model.eval()(input_ids=ids, attention_mask=padding, decoder_input_ids=ids[:, :5]).logits)
    torch.testing.assert_close(*logits, atol=1e-5, rtol=1e-5)


SMALL = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
HARD_CODED = {
    "BigBirdModel": SMALL,
    "BloomForCausalLM": {"vocab_size": 64, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "CanineModel": SMALL,
    "ConvBertModel": SMALL | {"embedding_size": 32},
    "DebertaV2Model": SMALL,
    "FalconForCausalLM": SMALL,
    "GPTNeoXJapaneseForCausalLM": SMALL | {"intermediate_multiple_size": 2},
    "LukeModel": SMALL | {"entity_vocab_size": 8},
    "MegatronBertModel": SMALL,
    "MPNetModel": SMALL,
    "MptForCausalLM": {"vocab_size": 64, "d_model": 32, "n_layers": 2, "n_heads": 4},
    "OpenAIGPTModel": {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 4},
    "RemBertModel": SMALL | {"input_embedding_size": 16, "output_embedding_size": 16},
    "RoFormerModel": SMALL | {"embedding_size": 32},
    "SqueezeBertModel": SMALL | {"embedding_size": 32},
    "VisualBertModel": SMALL,
    "XGLMForCausalLM": {"vocab_size": 64, "d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48},
    "XLNetModel": {"vocab_size": 64, "d_model": 32, "n_layer": 2, "n_head": 4},
}


@pytest.mark.parametrize("name", HARD_CODED)
def test_a_model_that_never_asks_for_an_implementation_is_refused_by_name(seen, name):
    kind = getattr(transformers, name)
    config = kind.config_class(**HARD_CODED[name])
    family = kind.__name__.removesuffix("ForCausalLM").removesuffix("Model")
    with pytest.raises(zoo.InputError, match=rf'^{family}\w* cannot take attn_implementation="zoo-plain-softmax"'):
        kind._from_config(config, attn_implementation="zoo-plain-softmax")
    assert kind._from_config(kind.config_class(**HARD_CODED[name]))  # without us as ever


T5 = {"vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
GROUPED = SMALL | {"num_key_value_heads": 2, "head_dim": 8}
MIXED = GROUPED | {"num_local_experts": 2, "num_experts_per_tok": 1}
SPEECH = SMALL | {"conv_dim": [8], "conv_kernel": [3], "conv_stride": [2], "num_feat_extract_layers": 1}
DEMANDING = {
    "T5Model": (T5, "T5Attention also hands over position_bias=position_bias"),
    "UMT5Model": (T5, "UMT5Attention also hands over position_bias=position_bias"),
    "GptOssForCausalLM": (MIXED, "GptOssAttention also hands over s_aux=self.sinks"),
    "Gemma2ForCausalLM": (GROUPED, "Gemma2Attention also hands over softcap=self.attn_logit_softcapping"),
    "Wav2Vec2ConformerModel": (
        SPEECH | {"position_embeddings_type": "relative"},
        "Wav2Vec2ConformerSelfAttention also hands over position_bias=position_bias",
    ),
}


@pytest.mark.parametrize("name", DEMANDING)
def test_a_model_whose_attention_takes_more_is_refused_before_it_runs(seen, name, tmp_path):
    kind, (shape, reason) = getattr(transformers, name), DEMANDING[name]
    with pytest.raises(zoo.InputError, match=rf"cannot take attn_implementation=.*{reason}, which no mechanism"):
        kind._from_config(kind.config_class(**shape), attn_implementation="zoo-plain-softmax")
    model = kind(kind.config_class(**shape))
    for swap in (model.set_attn_implementation, lambda _: zoo.swap(model, "plain-softmax")):
        with pytest.raises(zoo.InputError, match=rf"^\w+ cannot take .*{reason}"):
            swap("zoo-plain-softmax")
        for part in model.modules():
            config = getattr(part, "config", model.config)
            assert not config._attn_implementation.startswith("zoo-")
            assert not hasattr(config, "zoo_attention")
        model.save_pretrained(tmp_path)
        assert "zoo_attention" not in (tmp_path / "config.json").read_text()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Gemma2ForCausalLM", GROUPED | {"attn_logit_softcapping": None}),
        ("Wav2Vec2ConformerModel", SPEECH | {"position_embeddings_type": "rotary"}),
    ],
)
def test_what_a_config_switches_off_is_no_reason_to_refuse(seen, name, shape):
    kind = getattr(transformers, name)
    assert zoo.swap(kind(kind.config_class(**shape)), "plain-softmax").swapped


def test_what_no_source_tells_beforehand_is_refused_in_the_first_call(seen):
    # Its layers are given a bias by what calls them.
    config = transformers.LayoutLMv3Config(
        **SMALL, visual_embed=False, max_2d_position_embeddings=16, coordinate_size=4
    )
    config.shape_size = 8
    model = transformers.LayoutLMv3Model._from_config(config, attn_implementation="zoo-plain-softmax").eval()
    with pytest.raises(zoo.InputError, match="does not implement position_bias of LayoutLMv3SelfAttention"):
        model(torch.arange(3, 13)[None])


def test_a_layer_that_does_not_say_whether_it_is_causal_is_refused_unless_its_mask_says_so(seen):
    ids, padding = torch.arange(3, 13).expand(2, -1), torch.ones(2, 10, dtype=torch.long)
    padding[0, 7:] = 0
    for name in ("Splinter", "LayoutLM"):
        outputs = []
        for implementation in ("zoo-plain-softmax", "eager"):
            torch.manual_seed(0)
            kind = getattr(transformers, f"{name}Model")
            model = kind._from_config(kind.config_class(**SMALL), attn_implementation=implementation).eval()
            outputs.append(model(ids, attention_mask=padding)[0][padding.bool()])
        torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)
    attend = transformers.modeling_utils.ALL_ATTENTION_FUNCTIONS["zoo-plain-softmax"]
    layer, states = torch.nn.Linear(1, 1), torch.randn(2, 4, 10, 8)
    for mask in (None, padding.bool()[:, None, None]):
        with pytest.raises(zoo.InputError, match="Linear does not say whether its attention is causal"):
            attend(layer, states, states, states, mask)


SEQ2SEQ = {
    "vocab_size": 61,
    "d_model": 32,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 1,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
}
NOT_CAUSAL = {
    "BigBirdPegasusForCausalLM": SEQ2SEQ,
    "NllbMoeModel": SEQ2SEQ | {"num_experts": 2, "router_jitter_noise": 0.0},
}


@pytest.mark.parametrize("name", NOT_CAUSAL)
def test_a_decoder_whose_modules_say_that_they_are_not_causal_sees_no_future(seen, name):
    kind = getattr(transformers, name)
    ids, padding = _padded(left=True)
    later = torch.where(torch.arange(12) < 8, ids, (ids + 1) % 61)
    torch.manual_seed(0)
    eager = kind._from_config(kind.config_class(**NOT_CAUSAL[name]), attn_implementation="eager").eval()
    ours = kind._from_config(kind.config_class(**NOT_CAUSAL[name]), attn_implementation="zoo-plain-softmax").eval()
    ours.load_state_dict(eager.state_dict())

    def outputs(model, ids, mask=None):
        if "CausalLM" in name:
            return model(input_ids=ids, attention_mask=mask)[0]
        return model(input_ids=torch.full_like(ids, 7), decoder_input_ids=ids, decoder_attention_mask=mask)[0]

    with torch.no_grad():
        torch.testing.assert_close(outputs(ours, ids)[:, :8], outputs(ours, later)[:, :8], atol=1e-5, rtol=1e-5)
        for mask in (None, padding):
            real = torch.ones(3, 12, dtype=torch.bool) if mask is None else mask.bool()
            theirs = outputs(eager, ids, mask)[real]
            torch.testing.assert_close(outputs(ours, ids, mask)[real], theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cache", [None, "static"])
def test_generation_with_a_cache_gives_the_tokens_of_generation_without(seen, cache):
    model = _llama("zoo-plain-softmax")
    ids = torch.randint(0, 61, (2, 7), generator=torch.Generator().manual_seed(2))
    arguments = {"max_new_tokens": 9, "do_sample": False, "pad_token_id": 0}
    kinds = {} if cache is None else {"cache_implementation": cache}
    cached = model.generate(ids, use_cache=True, **arguments, **kinds)
    assert torch.equal(cached, model.generate(ids, use_cache=False, **arguments))


def test_attention_that_stays_gets_the_masks_it_expects(seen):
    ids, mask = _padded(left=True)
    logits = []
    for implementation in ("zoo-plain-softmax", "eager"):
        torch.manual_seed(0)
        shape = SMALL | {"num_key_value_heads": 2, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1}
        config = transformers.MiniMaxConfig(**shape, layer_types=["linear_attention", "full_attention"], block_size=4)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = transformers.MiniMaxForCausalLM._from_config(config, attn_implementation=implementation).eval()
        told = [
            str(warning.message) for warning in caught if "MiniMaxLightningAttention stays as it is" in str(warning)
        ]
        assert bool(told) == (implementation != "eager")
        logits.append(model(ids, attention_mask=mask).logits[mask.bool()])
    torch.testing.assert_close(*logits, atol=1e-5, rtol=1e-5)
    assert seen == [((3, 1, 1, 12), True)]


def test_a_part_of_a_composed_model_may_be_swapped(seen):
    vision = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
    config = transformers.GitConfig(**SMALL, vision_config=vision | {"image_size": 16, "patch_size": 8})
    with pytest.raises(zoo.InputError, match=r"GitForCausalLM cannot take .*GitSelfAttention"):
        transformers.GitForCausalLM._from_config(config, attn_implementation="zoo-plain-softmax")
    config = transformers.GitConfig(**SMALL, vision_config=vision | {"image_size": 16, "patch_size": 8})
    only = {"": "eager", "vision_config": "zoo-plain-softmax"}
    model = transformers.GitForCausalLM._from_config(config, attn_implementation=only)
    assert model.config.vision_config.zoo_attention["entry"] == "plain-softmax"
    assert not hasattr(model.config, "zoo_attention")


def test_a_model_without_attention_says_so(seen):
    config = transformers.MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1)
    with pytest.warns(UserWarning, match="MambaModel has no attention: zoo-plain-softmax runs nowhere in it"):
        transformers.MambaModel._from_config(config, attn_implementation="zoo-plain-softmax")


def test_mechanism_and_options_travel_with_the_model(seen, tmp_path):
    ids, _ = _padded()
    for nothing in (3, [], "plain-softmax", {"plain-softmax": 3}):
        with pytest.raises(zoo.InputError, match="must map an entry's id to a mapping"):
            zoo.register_transformers(nothing)
    zoo.register_transformers({"plain-softmax": {"sharpness": 3.0}})
    model = _llama("zoo-plain-softmax")
    model.save_pretrained(tmp_path)
    zoo.register_transformers()
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.config._attn_implementation == "zoo-plain-softmax"
    assert torch.equal(again(ids).logits, model(ids).logits)
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager")
    assert not torch.allclose(other(ids).logits, model(ids).logits)
    other.save_pretrained(tmp_path)
    assert "plain" not in (tmp_path / "config.json").read_text()


def test_another_registration_changes_no_model_that_exists(seen):
    ids, _ = _padded()
    zoo.register_transformers({"plain-softmax": {"sharpness": 3.0}})
    model = _llama("zoo-plain-softmax")
    before = model(ids).logits
    zoo.register_transformers({"plain-softmax": {"sharpness": 0.5}})
    assert torch.equal(model(ids).logits, before)
    assert not torch.allclose(_llama("zoo-plain-softmax")(ids).logits, before)
    # A config that already says something is obeyed, and it is said that the registered options are not.
    with pytest.warns(UserWarning, match=r"already holds options of zoo-plain-softmax.*'sharpness': 3.0"):
        same = transformers.LlamaForCausalLM._from_config(model.config).eval()
    same.load_state_dict(model.state_dict())
    assert torch.equal(same(ids).logits, before)


def test_a_config_may_say_the_mechanism_itself(seen):
    ids, _ = _padded()
    wish = {"entry": "plain-softmax", "config": {"sharpness": 3.0}}
    zoo.register_transformers({"plain-softmax": {"sharpness": 3.0}})
    torch.testing.assert_close(_llama(None, zoo_attention=wish)(ids).logits, _llama("zoo-plain-softmax")(ids).logits)
    for wrong, error in (
        ({"entry": "plain-softmax", "config": {"sharp": 3.0}}, "unknown config field 'sharp'"),
        ({"entry": "gone", "plugin": "far", "distribution": "zoo-far"}, "pip install zoo-far"),
        ({"entry": "gone"}, "No installed plugin offers 'gone'"),
        ("plain-softmax", "expected"),
    ):
        with pytest.raises(zoo.ZooError, match=error):
            _llama(None, zoo_attention=wrong)


def test_an_implementation_may_be_set_later_and_taken_back(seen):
    ids, _ = _padded()
    model = _llama("eager")
    model.set_attn_implementation("zoo-plain-softmax")
    assert model.config.zoo_attention["config"] == {"sharpness": 1.0}
    model(ids)
    assert len(seen) == 2
    model.set_attn_implementation("eager")
    assert not hasattr(model.config, "zoo_attention")
    with pytest.raises(zoo.UnknownName, match="Did you mean 'plain-softmax'"):
        model.set_attn_implementation("zoo-plain-softmacks")


def test_options_reach_the_mechanism_and_unknown_ones_are_errors(seen):
    ids, _ = _padded()
    plain = _llama("zoo-plain-softmax")(ids).logits
    zoo.register_transformers({"plain-softmax": {"sharpness": 3.0}})
    assert not torch.allclose(plain, _llama("zoo-plain-softmax")(ids).logits)
    with pytest.raises(zoo.ConfigError, match="unknown config field 'sharp'"):
        zoo.register_transformers({"plain-softmax": {"sharp": 3.0}})
    with pytest.raises(zoo.UnknownName, match="not a functional attention entry"):
        zoo.register_transformers({"nonsense": {}})


def test_attention_dropout_is_refused_not_ignored(seen):
    model = _llama("zoo-plain-softmax", attention_dropout=0.1).train()
    with pytest.raises(zoo.InputError, match="no dropout on attention weights"):
        model(torch.zeros(1, 4, dtype=torch.long))
