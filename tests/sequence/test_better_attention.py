"""Better attention: what is particular to it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

import zoo
from zoo import catalogue
from zoo.nn import digits
from zoo_sequence.better_attention.config import MECHANISMS, SuperAttentionConfig
from zoo_sequence.better_attention.conversion import convert_efficient, replay
from zoo_sequence.better_attention.layers import SuperAttention, attention_of
from zoo_sequence.better_attention.training import train

NAMES = {
    "standard": "standard-attention",
    "optimised": "optimised-attention",
    "efficient": "dkv-efficient-attention",
    "super": "super-attention",
}


def _layer(mechanism: str, *, dim: int = 12, num_heads: int = 3, max_length: int = 7, **options):
    torch.manual_seed(0)
    layer = attention_of(mechanism, max_length=max_length, dim=dim, num_heads=num_heads, **options).eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _by_definition(layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One example, head by head and query by query, as the module's table has it."""
    width, config = layer.config.dim // layer.config.num_heads, layer.config
    q, k, v = layer.q_proj(query), layer.k_proj(key), layer.v_proj(value)
    if isinstance(layer, SuperAttention):
        kernel = layer.alignment.weight[: len(value), : len(value)]
        v = (kernel.tril() if config.causal else kernel) @ v
    rows = []
    for i in range(len(query)):
        seen = i + 1 + len(key) - len(query) if config.causal else len(key)
        heads = []
        for head in range(config.num_heads):
            part = slice(head * width, (head + 1) * width)
            scores = torch.stack([q[i, part] @ k[j, part] / math.sqrt(width) for j in range(seen)])
            heads.append(scores.softmax(0) @ v[:seen, part])
        rows.append(torch.cat(heads))
    return layer.out_proj(torch.stack(rows))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_layers_are_what_their_equations_say(mechanism: str, causal: bool, bias: bool) -> None:
    layer, x = _layer(mechanism, causal=causal, bias=bias), _random(2, 7, 12)
    torch.testing.assert_close(layer(x)[1], _by_definition(layer, x[1], x[1], x[1]))
    short, key, value = _random(2, 4, 12, seed=1), _random(2, 6, 12, seed=2), _random(2, 6, 12, seed=3)
    torch.testing.assert_close(layer(short)[0], _by_definition(layer, short[0], short[0], short[0]))
    crossed = layer(short, key=key, value=value)
    torch.testing.assert_close(crossed[1], _by_definition(layer, short[1], key[1], value[1]))
    torch.testing.assert_close(layer(short, key=key), layer(short, key=key, value=key))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_recordings_of_any_configuration_replay(causal: bool, bias: bool) -> None:
    shape = {"causal": causal, "bias": bias, "dim": 8, "num_heads": 2, "max_length": 6}
    layers = {mechanism: _layer(mechanism, **shape) for mechanism in MECHANISMS}
    state = layers["standard"].state_dict() | {"alignment.weight": layers["super"].alignment.weight}
    config = {"d_model": 8, "heads": 2, "length": 6, "causal": causal, "bias": bias}
    outputs = replay("mechanisms", config, {}, state, {"x": _random(2, 5, 8)})
    assert list(outputs) == list(MECHANISMS)
    for mechanism, layer in layers.items():
        layer.load_state_dict({name: state[name] for name in layer.state_dict()})
        x = _random(2, 5, 8)
        torch.testing.assert_close(outputs[mechanism][1], _by_definition(layer, x[1], x[1], x[1]))


@pytest.mark.parametrize(("mechanism", "name"), NAMES.items())
def test_names_of_the_specification_are_entries(mechanism: str, name: str) -> None:
    squares = {"standard": 4, "optimised": 3, "efficient": 2, "super": 2}[mechanism]
    length = {"super": {"max_length": 100}}.get(mechanism, {})
    assert zoo.info(name, dim=64, **length).parameters == squares * 64**2 + (100**2 if length else 0)
    assert zoo.info(name, dim=64, bias=True, **length).parameters == squares * (64**2 + 64) + (100**2 if length else 0)
    layer = zoo.load(f"{name}/tiny", num_heads=2)
    assert (layer.config.dim, layer.config.num_heads) == (16, 2)
    assert type(layer) is type(attention_of(mechanism, max_length=9, dim=16, num_heads=2))
    vit = zoo.load("efficient-attention-vit/tiny", attention=name)
    assert {type(block.attn) for block in vit.blocks} == {type(layer)}
    lm = zoo.load("moba-lm/tiny", weights=None, attention=f"{name}/tiny", attention_options={"bias": True})
    assert all(block.self_attn.config.causal and block.self_attn.config.bias for block in lm.model.layers)
    if length:
        assert {block.attn.max_length for block in vit.blocks} == {65}


LAYERS = {(name, causal): _layer(name, causal=causal) for name in MECHANISMS for causal in (False, True)}


def _masks(*shape: int):
    size = math.prod(shape)
    return st.lists(st.booleans(), min_size=size, max_size=size).map(lambda bits: torch.tensor(bits).view(shape))


@settings(max_examples=30, deadline=None)
@given(
    mask=st.one_of(_masks(2, 6), _masks(5, 6), _masks(2, 5, 6), _masks(2, 3, 5, 6), _masks(2, 3, 1, 6)),
    kind=st.sampled_from(sorted(LAYERS)),
)
def test_nothing_hidden_has_an_influence(mask: Tensor, kind: tuple[str, bool]) -> None:
    layer = LAYERS[kind]
    query, key, value = _random(2, 5, 12), _random(2, 6, 12, seed=1), _random(2, 6, 12, seed=2)
    full = mask
    if mask.shape in {(2, 6), (5, 6)}:
        full = mask[:, None, None] if len(mask) == 2 else mask[None, None]
    elif mask.ndim == 3:
        full = mask[:, None]
    full = full.expand(2, 3, 5, 6)
    output = layer(query, mask, key=key, value=value)
    torch.testing.assert_close(layer(query, full, key=key, value=value), output)
    assert output.isfinite().all()
    for row in range(5):
        hidden = ~full[:, :, row].any(1)[..., None]
        changed = layer(query, mask, key=key + 3 * hidden, value=value - 2 * hidden)
        torch.testing.assert_close(changed[:, row], output[:, row])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_padded_keys_are_as_if_they_were_not_there(mechanism: str, causal: bool) -> None:
    layer, x = _layer(mechanism, causal=causal), _random(2, 7, 12)
    mask = torch.ones(2, 7, dtype=torch.bool)
    mask[1, 4:] = False
    output = layer(x, mask)
    torch.testing.assert_close(output[:1], layer(x[:1]))
    torch.testing.assert_close(output[1:, :4], layer(x[1:, :4]))
    assert torch.equal(layer(x, torch.zeros_like(mask)), torch.zeros_like(x))
    with pytest.raises(zoo.MaskError, match="expected"):
        layer(x, mask[:, :-1])


def test_holes_in_a_sequence_take_rows_and_columns_out_of_the_kernel() -> None:
    layer, x = _layer("super"), _random(1, 7, 12)
    seen = torch.tensor([True, False, True, True, False, True, True])
    expected = layer(x, seen[None])[:, seen]
    with torch.no_grad():
        layer.alignment.weight[:5, :5] = layer.alignment.weight[seen][:, seen].clone()
    torch.testing.assert_close(layer(x[:, seen]), expected)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_gradients_are_right_to_finite_differences(mechanism: str) -> None:
    layer = _layer(mechanism, dim=4, num_heads=2, max_length=3, causal=True).double()
    mask = torch.tensor([[[True, True, True], [False, False, True], [True, False, True]]])
    x = _random(1, 3, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradcheck(lambda y: layer(y, mask), (x,))


@pytest.mark.parametrize("mask", [None, torch.ones(1, 7, 7, dtype=torch.bool)])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_dropout_is_of_weights_and_in_training_only(mechanism: str, mask: Tensor | None) -> None:
    x = _random(1, 7, 12)
    layer, plain = _layer(mechanism, dropout=0.3), _layer(mechanism)
    torch.testing.assert_close(layer(x, mask), plain(x, mask))
    layer.train()
    with torch.no_grad():
        mean = torch.stack([layer(x, mask) for _ in range(4000)]).mean(0)
    assert not torch.allclose(layer(x, mask), layer(x, mask))
    assert (mean - plain(x, mask)).abs().max() < 0.1 * plain(x, mask).abs().max()
    assert torch.equal(_layer(mechanism, dropout=1.0).train()(x, mask), torch.zeros_like(x))


def test_kernels_start_as_configured() -> None:
    torch.manual_seed(0)
    bound = math.sqrt(6 / 40)
    layer = zoo.load("super-attention", dim=20, max_length=20)
    for name in ("q_proj", "out_proj", "alignment"):
        weight = layer.get_parameter(f"{name}.weight").abs()
        assert 0.9 * bound < weight.max() <= bound
    identity = zoo.load("super-attention", dim=20, max_length=20, alignment_init="identity").alignment.weight
    assert (identity - torch.eye(20)).abs().max() <= bound
    assert identity.diagonal().mean() > 0.8


def test_a_super_layer_says_where_it_ends() -> None:
    layer = _layer("super")
    assert layer(_random(1, 9, 12), key=_random(1, 7, 12)).shape == (1, 9, 12)
    with pytest.raises(zoo.InputError, match=r"8 keys, but the alignment kernel .* ends at max_length=7"):
        layer(_random(1, 8, 12))


@pytest.mark.parametrize(
    ("query", "key", "value"),
    [((2, 5), (2, 5, 12), (2, 5, 12)), ((2, 5, 12), (1, 5, 12), (1, 5, 12)), ((2, 5, 12), (2, 5, 12), (2, 4, 12))],
)
def test_shapes_that_do_not_fit_are_errors(query: tuple, key: tuple, value: tuple) -> None:
    with pytest.raises(zoo.InputError, match=r"expected \(batch, queries, 12\) and twice \(batch, keys, 12\)"):
        _layer("efficient")(_random(*query), key=_random(*key), value=_random(*value))


def _reference(num_heads: int, bias: bool) -> nn.MultiheadAttention:
    torch.manual_seed(1)
    reference = nn.MultiheadAttention(12, num_heads, bias=bias, batch_first=True).eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.4)
    return reference


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("num_heads", [1, 4])
def test_standard_layers_are_those_of_torch(num_heads: int, bias: bool, tmp_path) -> None:
    reference, x, key = _reference(num_heads, bias), _random(2, 7, 12), _random(2, 5, 12, seed=1)
    save_file(reference.state_dict(), tmp_path / "torch.safetensors")
    shape = {"dim": 12, "num_heads": num_heads, "bias": bias}
    layer = zoo.load("standard-attention", weights=tmp_path / "torch.safetensors", **shape)
    torch.testing.assert_close(layer(x), reference(x, x, x)[0])
    mask = torch.tensor([[True] * 5, [True, False, True, True, False]])
    crossed = reference(x, key, key, key_padding_mask=~mask)[0]
    torch.testing.assert_close(layer(x, mask, key=key), crossed)
    zoo.save(layer, tmp_path / "saved")
    torch.testing.assert_close(zoo.load(str(tmp_path / "saved"))(x), layer(x))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS[1:])
def test_one_head_of_torch_converts_and_several_do_not(mechanism: str, bias: bool, tmp_path) -> None:
    reference, x = _reference(1, bias), _random(2, 7, 12)
    path = tmp_path / "torch.safetensors"
    save_file(reference.state_dict(), path)
    length = {"max_length": 9} if mechanism == "super" else {}
    layer = zoo.load(NAMES[mechanism], weights=path, dim=12, num_heads=1, bias=bias, **length)
    torch.testing.assert_close(layer(x), reference(x, x, x)[0])
    with pytest.raises(zoo.WeightsError, match=r"num_heads=2 .* One head converts exactly"):
        zoo.load(NAMES[mechanism], weights=path, dim=12, num_heads=2, bias=bias, **length)


def test_optimised_layers_with_several_heads_are_not_efficient_ones_either() -> None:
    optimised = _layer("optimised")
    with pytest.raises(zoo.WeightsError, match="and a key projection is none without it"):
        convert_efficient(optimised.state_dict(), optimised.config)


def test_a_super_layer_keeps_its_own_kernel() -> None:
    layer = _layer("super")
    again = SuperAttention(SuperAttentionConfig(12, 3, max_length=7))
    entry = catalogue.current().find("super-attention").offer.entry
    assert entry.convert is not None
    zoo.fill(again, layer.state_dict())
    torch.testing.assert_close(again(_random(1, 7, 12)), layer(_random(1, 7, 12)))


# Patches or tokens, positions and head, then per block norms and feed-forward network; attention comes on top.
SIZES = {
    "mnist": (128 * 17 + 49 * 128 + 49 * 128 * 10 + 10, 1, 128, 128, 49),
    "cifar100": (256 * 49 + 64 * 256 + 64 * 256 * 100 + 100, 4, 256, 512, 64),
    "imdb": (20_000 * 32 + 32 * 32 + 32 * 2 + 2, 1, 32, 32, 32),
    "amazon": (20_000 * 64 + 64 * 64 + 64 * 5 + 5, 3, 64, 128, 64),
    "tiny": (50 * 16 + 9 * 16 + 16 * 2 + 2, 1, 16, 16, 9),
}


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("preset", SIZES)
def test_sizes_of_classifiers(preset: str, mechanism: str) -> None:
    rest, layers, dim, hidden, length = SIZES[preset]
    attention = {"standard": 4, "optimised": 3, "efficient": 2, "super": 2}[mechanism] * dim**2
    attention += length**2 if mechanism == "super" else 0
    block = attention + 4 * dim + 2 * dim * hidden + hidden + dim
    name = f"better-attention-classifier/{preset}"
    assert zoo.info(name, mechanism=mechanism).parameters == rest + layers * block
    assert zoo.info(name, mechanism=mechanism, num_layers=8).parameters == rest + 8 * block
    for heads in (1, 2):
        assert zoo.info(name, mechanism=mechanism, num_heads=heads).parameters == rest + layers * block


def test_the_other_patches_of_mnist() -> None:
    info = zoo.info("better-attention-classifier/mnist", patch_size=7, mechanism="super")
    assert info.parameters == 50 * 128 + 16 * 128 + 16 * 1280 + 10 + 2 * 128**2 + 16**2 + 512 + 2 * 128**2 + 256


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_texts_may_be_short_and_padded(mechanism: str) -> None:
    torch.manual_seed(0)
    model = zoo.load("better-attention-classifier/tiny", mechanism=mechanism, num_layers=2)
    ids = torch.randint(50, (9, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(9, 9, dtype=torch.bool)
    mask[2, 5:] = False
    logits = model(ids, mask)
    torch.testing.assert_close(logits[2:3], model(ids[2:3, :5]))
    torch.testing.assert_close(logits[3:], model(ids)[3:])
    changed = ids.clone()
    changed[2, 5:] = (changed[2, 5:] + 1) % 50
    torch.testing.assert_close(model(changed, mask), logits)
    assert model(ids, torch.zeros_like(mask)).isfinite().all()


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_all_of_a_classifier_of_images_trains(mechanism: str, activation: str) -> None:
    model = zoo.load("better-attention-classifier/digits", weights=None, mechanism=mechanism, activation=activation)
    model.train()(torch.rand(2, 1, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"dim": 30}, "dim=30 is not divisible by num_heads=4"),
        ({"patch_size": 5}, "image_size=28 is not a multiple of patch_size=5"),
        ({"max_length": 9}, "max_length is for texts, image_size for images"),
        ({"vocab_size": 9}, "vocab_size is for texts, image_size for images"),
        ({"image_size": None, "max_length": 9}, "a classifier of texts needs vocab_size"),
        ({"image_size": None, "vocab_size": 9}, "a classifier of texts needs max_length"),
        ({"mechanism": "supper"}, "Did you mean 'super'"),
    ],
)
def test_classifiers_that_cannot_be_are_errors(overrides: dict, message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.load("better-attention-classifier/mnist", **overrides)


def test_inputs_that_do_not_fit_a_classifier_are_errors() -> None:
    images, texts = zoo.load("better-attention-classifier/mnist"), zoo.load("better-attention-classifier/tiny")
    with pytest.raises(zoo.InputError, match=r"expected \(batch, 1, 28, 28\)"):
        images(torch.rand(1, 3, 28, 28))
    with pytest.raises(zoo.MaskError, match="images have no padding"):
        images(torch.rand(1, 1, 28, 28), torch.ones(1, 49, dtype=torch.bool))
    for shape in ((1, 10), (1, 0), (9,)):
        with pytest.raises(zoo.InputError, match="of 1 to 9 tokens"):
            texts(torch.zeros(shape, dtype=torch.long))
    with pytest.raises(zoo.MaskError, match=r"expected torch.bool and \(1, 5\)"):
        texts(torch.zeros(1, 5, dtype=torch.long), torch.ones(1, 5))


def test_the_bundled_weights_reach_what_the_card_says() -> None:
    model = zoo.load("better-attention-classifier/digits")
    entry = catalogue.current().find("better-attention-classifier").offer.entry
    reached = digits.measure(model).accuracy
    assert entry.weights["digits"].metric.startswith(f"{reached:.2%}")
    assert reached > 0.96


def test_training_is_for_digits_and_the_same_for_the_same_seed() -> None:
    with pytest.raises(zoo.ConfigError, match="take better-attention-classifier/digits"):
        train(zoo.load("better-attention-classifier/tiny").config, preset="tiny", seed=0, log=print)
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        model = zoo.load("better-attention-classifier/digits", weights=None)
        assert digits.fit(model, epochs=1, seed=0) < math.log(10)
        states.append(model.state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
