"""``zoo.swap``: with a mechanism that is plain softmax, a swapped model must equal the model."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import zoo

from .plain_softmax import SOFTMAX

SHAPE = {"vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}


@pytest.fixture
def seen(install):
    """What masks the mechanism got, as (shape, causal)."""
    install("plain", **SOFTMAX)
    from pkg_zoo_plain import code

    code.SEEN.clear()
    return code.SEEN


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def llama():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE)).eval()


IDS = torch.arange(24).view(2, 12)


class TestTransformers:
    def test_swaps_through_the_config_and_back(self, seen, llama):
        before, config = llama(IDS).logits, llama.config.to_dict()
        with zoo.swap(llama, "plain-softmax", sharpness=2.0) as swapped:
            assert repr(swapped) == (
                "plain:plain-softmax in 4 of 4 attention modules of LlamaForCausalLM: model.layers.0.self_attn, "
                "model.layers.1.self_attn, model.layers.2.self_attn, model.layers.3.self_attn"
            )
            assert llama.config.zoo_attention["config"] == {"sharpness": 2.0}
            assert not torch.allclose(llama(IDS).logits, before)
            assert len(seen) == 4
        assert torch.equal(llama(IDS).logits, before)
        assert llama.config.to_dict() == config

    @pytest.mark.parametrize("padded", [False, True])
    def test_layers_that_are_left_out_keep_the_models_own_attention(self, seen, llama, padded, tmp_path):
        mask = torch.ones_like(IDS)
        mask[0, :5] = padded == 0
        before = llama(IDS, attention_mask=mask).logits
        swapped = zoo.swap(llama, "plain-softmax", layers=[1, -1])
        assert swapped.left == ("model.layers.0.self_attn", "model.layers.2.self_attn")
        after = llama(IDS, attention_mask=mask).logits
        torch.testing.assert_close(after[mask.bool()], before[mask.bool()], atol=1e-5, rtol=1e-4)
        assert len(seen) == 2
        llama.save_pretrained(tmp_path)
        again = type(llama).from_pretrained(tmp_path)
        assert torch.equal(again(IDS, attention_mask=mask).logits, after)
        assert len(seen) == 4

    def test_left_out_layers_pack_and_generate(self, seen, llama):
        positions = (torch.arange(12) % 5)[None].expand(2, -1)
        before = llama(IDS, position_ids=positions, use_cache=False).logits
        arguments = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
        tokens = llama.generate(IDS, **arguments)
        with zoo.swap(llama, "plain-softmax", layers=[0, 2]):
            after = llama(IDS, position_ids=positions, use_cache=False).logits
            torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)
            for kind in ("dynamic", "static"):
                assert torch.equal(llama.generate(IDS, cache_implementation=kind, **arguments), tokens)

    def test_a_swap_is_undone_in_reverse_order_only(self, seen, llama):
        first = zoo.swap(llama, "plain-softmax", sharpness=2.0)
        second = zoo.swap(llama, "plain-softmax", sharpness=3.0)
        with pytest.raises(zoo.InputError, match="was changed since this swap; undo that first"):
            first.undo()
        with pytest.raises(zoo.InputError, match="already uses plain-softmax"):
            zoo.swap(llama, "plain-softmax", layers=[0])
        second.undo()
        assert llama.config.zoo_attention["config"] == {"sharpness": 2.0}
        first.undo()
        first.undo()
        assert not hasattr(llama.config, "zoo_attention")

    def test_another_model_of_the_same_config_is_left_alone(self, seen, llama):
        other = type(llama)(llama.config).eval()
        assert other.config is llama.config
        expected = other(IDS).logits
        with zoo.swap(llama, "plain-softmax", sharpness=3.0):
            assert torch.equal(other(IDS).logits, expected)
            assert not seen
            assert llama.config is llama.model.config is llama.model.layers[0].self_attn.config is not other.config

    def test_encoder_and_decoder_are_counted_together(self, seen):
        transformers = pytest.importorskip("transformers")
        torch.manual_seed(0)
        shape = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
        heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "vocab_size": 61}
        bart = transformers.BartModel(transformers.BartConfig(**shape, **heads)).eval()
        before = bart(IDS, decoder_input_ids=IDS[:, :7]).last_hidden_state
        # Two of the encoder; in the decoder, self-attention and cross-attention take turns.
        with zoo.swap(bart, "plain-softmax", layers=[1, 2, 5]) as swapped:
            assert swapped.swapped == (
                "encoder.layers.1.self_attn",
                "decoder.layers.0.self_attn",
                "decoder.layers.1.encoder_attn",
            )
            after = bart(IDS, decoder_input_ids=IDS[:, :7]).last_hidden_state
        torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)
        assert seen == [(None, False), (None, True), (None, False)]
        with zoo.swap(bart.encoder, "plain-softmax", sharpness=3.0, layers=[0]):
            assert not torch.allclose(bart(IDS, decoder_input_ids=IDS[:, :7]).last_hidden_state, before)
        assert seen[3:] == [(None, False)]

    def test_hard_coded_attention_is_refused_by_name(self, seen):
        transformers = pytest.importorskip("transformers")
        bloom = transformers.BloomModel(transformers.BloomConfig(vocab_size=64, hidden_size=32, n_layer=1, n_head=4))
        with pytest.raises(zoo.InputError, match="BloomModel cannot take"):
            zoo.swap(bloom, "plain-softmax")

    def test_a_transformers_model_within_a_module(self, seen, llama):
        whole = nn.ModuleDict({"backbone": llama, "head": nn.MultiheadAttention(8, 2)})
        with zoo.swap(whole, "plain-softmax", layers=[0, 4]) as swapped:
            assert swapped.swapped == ("backbone.model.layers.0.self_attn", "head")
            assert llama.config.zoo_attention["layers"] == [0]


class TestMultiheadAttention:
    @pytest.mark.parametrize("batch_first", [False, True])
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("apart", [False, True])
    def test_equals_it_under_every_kind_of_mask(self, seen, batch_first, bias, apart):
        torch.manual_seed(0)
        sizes = {"kdim": 6, "vdim": 10} if apart else {}
        holder = nn.ModuleList([nn.MultiheadAttention(8, 2, bias=bias, batch_first=batch_first, **sizes)])
        inputs = [_random(3, 5, 8), _random(3, 7, sizes.get("kdim", 8)), _random(3, 7, sizes.get("vdim", 8))]
        inputs = inputs if batch_first else [tensor.transpose(0, 1) for tensor in inputs]
        padding = torch.zeros(3, 7, dtype=torch.bool)
        padding[1, 4:] = True
        hidden = torch.ones(5, 7, dtype=torch.bool).triu(3)
        per_head = torch.stack([hidden.roll(head, 0) for head in range(6)])
        additive = torch.zeros(5, 7).masked_fill(hidden, float("-inf"))
        masks = (
            {},
            {"key_padding_mask": padding},
            {"attn_mask": hidden},
            {"attn_mask": hidden, "is_causal": True},
            {"attn_mask": per_head},
            {"attn_mask": hidden, "key_padding_mask": padding},
            {"attn_mask": additive},
        )
        for mask in masks:
            expected = holder[0](*inputs, **mask)[0]
            with zoo.swap(holder, "plain-softmax"):
                found, weights = holder[0](*inputs, **mask)
            torch.testing.assert_close(found, expected)
            assert weights is None
        alone = [tensor.select(0 if batch_first else 1, 1) for tensor in inputs]
        with zoo.swap(holder, "plain-softmax"):
            found = holder[0](*alone)[0]
        torch.testing.assert_close(found, holder[0](*alone)[0])

    def test_causal_order_is_read_from_the_mask(self, seen):
        holder = nn.ModuleList([nn.MultiheadAttention(8, 2, batch_first=True)])
        hidden = nn.Transformer.generate_square_subsequent_mask(5)
        with zoo.swap(holder, "plain-softmax"):
            holder[0](*[_random(2, 5, 8)] * 3, attn_mask=hidden)
        assert seen == [(None, True)]

    def test_parameters_stay_and_gradients_reach_them(self, seen):
        holder = nn.ModuleDict({"a": nn.MultiheadAttention(8, 2), "b": nn.Linear(8, 8)})
        names, parameters = list(holder.state_dict()), list(holder.parameters())
        calls = []
        holder["a"].register_forward_hook(lambda *_: calls.append(1))
        with zoo.swap(holder, "plain-softmax"):
            assert list(holder.state_dict()) == names
            assert all(ours is theirs for ours, theirs in zip(holder.parameters(), parameters, strict=True))
            holder["a"](*[_random(4, 2, 8)] * 3)[0].sum().backward()
            assert isinstance(holder["a"], nn.MultiheadAttention)
            holder.eval()
            copy.deepcopy(holder)["a"](*[_random(4, 2, 8)] * 3)
        assert all(parameter.grad is not None for parameter in holder["a"].parameters())
        assert not holder["a"].training
        assert len(calls) == 2

    @pytest.mark.parametrize("padded", [False, True])
    def test_encoders_do_not_go_past_it(self, seen, padded):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 2).eval()
        x, padding = _random(3, 5, 8), torch.zeros(3, 5, dtype=torch.bool)
        padding[1, 3:] = padded
        mask = {"src_key_padding_mask": padding} if padded else {}
        with torch.no_grad():
            expected = encoder(x, **mask)
            with zoo.swap(encoder, "plain-softmax") as swapped:
                found = encoder(x, **mask)
            assert encoder.use_nested_tensor
        assert swapped.swapped == ("layers.0.self_attn", "layers.1.self_attn")
        assert len(seen) == 2
        torch.testing.assert_close(found[~padding], expected[~padding])

    @pytest.mark.parametrize("padded", [False, True])
    def test_compiled_for_the_first_time_it_gives_the_same(self, seen, padded):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        encoder, x = nn.TransformerEncoder(layer, 2).eval(), _random(3, 5, 8)
        padding = torch.zeros(3, 5, dtype=torch.bool)
        padding[1, 3:] = padded
        expected = encoder(x, src_key_padding_mask=padding)
        with zoo.swap(encoder, "plain-softmax"):
            program = torch.compile(encoder, fullgraph=True, backend="aot_eager")
            found = program(x, src_key_padding_mask=padding)
        torch.testing.assert_close(found[~padding], expected[~padding])

    def test_a_module_under_two_names_is_swapped_under_both(self, seen):
        shared = nn.MultiheadAttention(8, 2)
        holder = nn.ModuleDict({"a": shared, "b": nn.ModuleList([shared])})
        with zoo.swap(holder, "plain-softmax"):
            assert holder["a"] is holder["b"][0] is not shared
        assert holder["a"] is holder["b"][0] is shared

    def test_what_it_cannot_do_is_refused(self, seen):
        x = _random(2, 5, 8)
        for odd in ({"add_bias_kv": True}, {"add_zero_attn": True}):
            with pytest.raises(zoo.InputError, match="attends to keys of its own"):
                zoo.swap(nn.ModuleList([nn.MultiheadAttention(8, 2, **odd)]), "plain-softmax")
        with pytest.raises(zoo.InputError, match="cannot be replaced in place"):
            zoo.swap(nn.MultiheadAttention(8, 2), "plain-softmax")
        holder = nn.ModuleList([nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)])
        zoo.swap(holder, "plain-softmax")
        with pytest.raises(zoo.InputError, match=r"has dropout=0.5; set it to 0"):
            holder[0](x, x, x)
        with pytest.raises(zoo.MaskError, match="bias on the scores"):
            holder.eval()[0](x, x, x, attn_mask=_random(5, 5))

    def test_a_failure_leaves_the_model_as_it_was(self, seen):
        holder = nn.ModuleList([nn.MultiheadAttention(8, 2), nn.MultiheadAttention(8, 2, add_zero_attn=True)])
        before = list(holder)
        with pytest.raises(zoo.InputError):
            zoo.swap(holder, "plain-softmax")
        assert list(holder) == before
        zoo.swap(holder, "plain-softmax", layers=[0])


class TestDiffusers:
    @pytest.fixture
    def attention(self):
        processing = pytest.importorskip("diffusers.models.attention_processor")
        return processing.Attention

    def test_equals_it_with_context_masks_and_feature_maps(self, seen, attention):
        torch.manual_seed(0)
        options = {"heads": 2, "dim_head": 4, "out_bias": True}
        holder = nn.ModuleList(
            [
                attention(8, cross_attention_dim=6, bias=True, qk_norm="layer_norm", **options),
                attention(8, norm_num_groups=2, residual_connection=True, rescale_output_factor=2.0, **options),
                attention(8, cross_attention_dim=6, cross_attention_norm="layer_norm", scale_qk=False, **options),
            ]
        ).eval()
        additive = torch.zeros(3, 1, 7)
        additive[1, :, 4:] = -10000.0
        calls = (
            (0, {"hidden_states": _random(3, 5, 8), "encoder_hidden_states": _random(3, 7, 6)}),
            (0, {"hidden_states": _random(3, 5, 8), "encoder_hidden_states": _random(3, 7, 6)}),
            (1, {"hidden_states": _random(3, 8, 2, 3)}),
            (2, {"hidden_states": _random(3, 5, 8), "encoder_hidden_states": _random(3, 7, 6)}),
        )
        for number, (which, inputs) in enumerate(calls):
            if number == 1:
                inputs["attention_mask"] = additive
            expected = holder[which](**inputs)
            with zoo.swap(holder, "plain-softmax"):
                found = holder[which](**inputs)
            torch.testing.assert_close(found, expected)
        assert len(seen) == 4

    def test_a_whole_network(self, seen):
        diffusers = pytest.importorskip("diffusers")
        torch.manual_seed(0)
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=6,
            attention_head_dim=4,
            norm_num_groups=4,
        ).eval()
        inputs = (_random(2, 4, 8, 8), torch.tensor([3, 5]), _random(2, 7, 6))
        with torch.no_grad():
            expected = unet(*inputs).sample
            processors = unet.attn_processors
            with zoo.swap(unet, "plain-softmax") as swapped:
                found = unet(*inputs).sample
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        assert len(swapped.swapped) == len(seen) == len(processors)
        assert unet.attn_processors == processors

    def test_a_processor_that_does_more_is_refused(self, seen, attention):
        from diffusers.models.attention_processor import JointAttnProcessor2_0

        holder = nn.ModuleList([attention(8, heads=2, dim_head=4, processor=JointAttnProcessor2_0())])
        with pytest.raises(zoo.InputError, match="0 has the processor JointAttnProcessor2_0, which does more"):
            zoo.swap(holder, "plain-softmax")


def test_names_layers_and_options_that_do_not_exist(seen):
    holder = nn.ModuleList([nn.MultiheadAttention(8, 2)])
    with pytest.raises(zoo.UnknownName, match="Did you mean 'plain-softmax'"):
        zoo.swap(holder, "plain-softmacks")
    with pytest.raises(zoo.ConfigError, match="unknown config field 'sharp'"):
        zoo.swap(holder, "plain-softmax", sharp=1.0)
    for wrong in ([1], [-2], [], 1, ["layers.0"]):
        with pytest.raises(zoo.InputError, match="expected numbers from 0 to 0"):
            zoo.swap(holder, "plain-softmax", layers=wrong)
    with pytest.raises(zoo.InputError, match="Linear has no attention that can be swapped"):
        zoo.swap(nn.Linear(2, 2), "plain-softmax")
