"""Every language model of every plugin: one ``loss`` and one ``generate``, also inside transformers."""

from __future__ import annotations

import inspect

import pytest
import torch

import zoo
from zoo.bridges.transformers.hosting import ZooForCausalLM
from zoo.nn.language_model import CausalLanguageModel

transformers = pytest.importorskip("transformers")

NAMES = [offer.qualified for offer in zoo.entries(kind="model", tag="language-model")]
SMALL = {"dim": 32, "num_heads": 4, "num_layers": 2, "vocab_size": 61, "max_length": 48}
OWN = {
    "interpret:smollm2": {"num_kv_heads": 2, "hidden_dim": 48},
    # A step that reads a cache chooses blocks, too: as without one.
    "sequence:moba-lm": {"decode": "moba"},
}
SHARED = ("max_new_tokens", "temperature", "top_k", "generator", "attention_mask", "use_cache")


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    model = zoo.load(name, weights=None, **SMALL, **OWN.get(name, {}))
    # Larger than at initialisation, so that what was read before matters.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model


@pytest.fixture(params=[*NAMES, "hosted"])
def model(request):
    return zoo.as_transformers(build("sequence:moba-lm")) if request.param == "hosted" else build(request.param)


def logits(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        output = model(ids)
    return output if isinstance(output, torch.Tensor) else output.logits


def random_ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 60, shape, generator=torch.Generator().manual_seed(seed))


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_list_has_those_of_several_plugins():
    assert {"sequence:moba-lm", "sequence:pavlovian-attention-lm", "interpret:smollm2"} <= {*NAMES}


def test_what_both_calls_have_is_called_alike():
    ours = inspect.signature(CausalLanguageModel.generate).parameters
    assert tuple(ours)[2:] == SHARED
    theirs = vars(transformers.GenerationConfig(max_new_tokens=1))
    assert {*SHARED} - {*theirs} == {"generator", "attention_mask"}
    assert "attention_mask" in inspect.signature(transformers.LlamaForCausalLM.forward).parameters


def test_the_loss_is_the_cross_entropy_of_what_follows(model):
    if not hasattr(model, "loss") or isinstance(model, ZooForCausalLM):
        pytest.skip("a loss of labels")
    ids = random_ids(2, 9)
    expected = torch.nn.functional.cross_entropy(logits(model, ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(model.loss(ids), expected)
    for short in (ids[:, :1], ids[0]):
        with pytest.raises(zoo.InputError, match="two tokens or more"):
            model.loss(short)


def test_the_likeliest_token_is_taken(model):
    ids = random_ids(2, 9)
    expected = ids
    for _ in range(5):
        expected = torch.cat((expected, logits(model, expected)[:, -1].argmax(-1, keepdim=True)), 1)
    assert torch.equal(model.generate(ids, 5), expected)
    assert torch.equal(model.generate(input_ids=ids, max_new_tokens=5, temperature=0.0, use_cache=False), expected)
    assert torch.equal(model.generate(ids, 5, temperature=2.0, top_k=1, generator=drawn(0)), expected)
    assert torch.equal(model.generate(ids, 0), ids)


def test_sampling_draws_from_the_generator_alone(model):
    ids, state = random_ids(2, 9), torch.get_rng_state()
    found = model.generate(ids, 8, temperature=5.0, top_k=20, generator=drawn(1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(found, model.generate(ids, 8, temperature=5.0, top_k=20, generator=drawn(1)))
    assert not torch.equal(found, model.generate(ids, 8, temperature=5.0, top_k=20, generator=drawn(2)))
    expected, generator = ids, drawn(1)
    for _ in range(8):
        likeliest, tokens = logits(model, expected)[:, -1].topk(20)
        place = torch.multinomial((likeliest / 5.0).softmax(-1), 1, generator=generator)
        expected = torch.cat((expected, tokens.gather(1, place)), 1)
    assert torch.equal(found, expected)


def test_prompts_with_padding_on_the_left_go_on_as_alone(model):
    ids, mask = random_ids(3, 9), torch.ones(3, 9, dtype=torch.long)
    mask[1, :4] = 0
    for given in (mask, mask.bool()):
        for use_cache in (True, False):
            found = model.generate(ids, 5, attention_mask=given, use_cache=use_cache)
            assert torch.equal(found[1, 4:], model.generate(ids[1:2, 4:], 5)[0])
            assert torch.equal(found[2:], model.generate(ids[2:], 5))
    assert torch.equal(found[:, :9], ids)


def test_what_cannot_be_continued_is_said(model):
    ids, mask = random_ids(2, 9), torch.ones(2, 9, dtype=torch.long)
    mask[1, 5:] = 0
    for wrong, message in (
        ({"attention_mask": mask}, "padding must stand on their left"),
        ({"attention_mask": mask[:, :5]}, "expected the same shape"),
        ({"temperature": -1.0}, "neither may be below zero"),
        ({"top_k": 0}, "top_k=0; expected"),
        ({"max_new_tokens": -1}, "neither may be below zero"),
    ):
        with pytest.raises(zoo.InputError, match=message):
            model.generate(ids, **{"max_new_tokens": 3, **wrong})
    with pytest.raises(zoo.InputError, match="at least one token each"):
        model.generate(ids[:, :0], 3)


@pytest.mark.parametrize("name", ["interpret:smollm2", "hosted"])
def test_transformers_own_call_is_still_there(name):
    model = zoo.as_transformers(build("sequence:moba-lm")) if name == "hosted" else build(name)
    ids, options = random_ids(2, 9), {"max_new_tokens": 5, "pad_token_id": 0}
    plain = transformers.GenerationMixin.generate
    for given in (
        {"do_sample": False},
        {"num_beams": 2},
        {"do_sample": True, "top_p": 0.5},
        {"do_sample": True, "temperature": 3.0, "num_return_sequences": 2},
    ):
        torch.manual_seed(0)
        expected = plain(model, ids, **options, **given)
        torch.manual_seed(0)
        assert torch.equal(model.generate(ids, **options, **given), expected)
    config = transformers.GenerationConfig(**options, do_sample=False)
    assert torch.equal(model.generate(ids, config), plain(model, ids, config))
    told = model.generate(ids, 5, temperature=1.0, output_scores=True, return_dict_in_generate=True)
    assert len(told.scores) == 5
    with pytest.raises(zoo.InputError, match="leave generator out, or leave out what chooses its way: do_sample"):
        model.generate(ids, **options, do_sample=True, generator=drawn(0))


def test_a_text_ends_where_transformers_ends_it():
    model = build("interpret:smollm2")
    ids = random_ids(1, 9)
    last = int(model.generate(ids, 3)[0, -1])
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = last
    assert model.generate(ids, 9).shape[1] <= 12
