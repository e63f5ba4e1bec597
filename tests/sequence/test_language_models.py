"""Every language model of the plugin by one contract: padding, caches, loss, generation, and life in transformers."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.nn.language_model import CausalLanguageModel

SMALL = {"dim": 32, "num_heads": 4, "num_layers": 2, "vocab_size": 61, "max_length": 48}
# The cubic growth of bcm leaves the range of float32 within a dozen random tokens at its default rate of 1.
PLASTIC: dict[str, dict] = {"hebb": {}, "decay": {}, "delta": {}, "oja": {}, "bcm": {"eta": 0.05}, "softmax": {}}
MODELS = {
    "fast-attention-gpt": ("fast-attention-gpt", {}),
    "marginal-attention-lm": ("marginal-attention-lm", {}),
    "moba-lm": ("moba-lm", {"decode": "moba"}),
    "moh-llama": ("moh-llama", {"hidden_dim": 48}),
    "dual-attention-lm": ("dual-attention-lm", {}),
    "dual-attention-lm, learned": ("dual-attention-lm", {"rope": False}),
    "dual-attention-lm, positional": ("dual-attention-lm", {"symbol_retrieval": "positional_symbols"}),
    **{
        f"pavlovian-attention-lm, {rule}": ("pavlovian-attention-lm", {"rule": rule, **options})
        for rule, options in PLASTIC.items()
    },
    "pavlovian-attention-lm, normalizer": (
        "pavlovian-attention-lm",
        {"normalizer": True, "features": "elu+1", "read_first": True},
    ),
    "pavlovian-attention-lm, homeostatic": ("pavlovian-attention-lm", {"homeostatic": 1.0}),
}


@pytest.mark.parametrize("entry", ["moba-lm", "moh-llama", "moh-dit", "dual-attention-lm", "pavlovian-attention-lm"])
def test_a_billion_blocks_are_refused_at_once(entry):
    with pytest.raises(zoo.ConfigError, match=r"num_layers=1,000,000,000 would make .* parameter tensors"):
        zoo.load(entry, num_layers=10**9)


@pytest.fixture(params=MODELS)
def model(request):
    entry, options = MODELS[request.param]
    torch.manual_seed(0)
    built = zoo.load(entry, weights=None, **SMALL, **options)
    with torch.no_grad():
        yield built


def _ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 60, shape, generator=torch.Generator().manual_seed(seed))


def test_the_list_is_complete():
    tagged = {offer.entry.id for offer in zoo.entries(kind="model", plugin="sequence", tag="language-model")}
    assert tagged == {entry for entry, _ in MODELS.values()}


def test_the_loss_is_the_cross_entropy_of_what_follows(model):
    assert isinstance(model, CausalLanguageModel)
    ids = _ids(2, 9)
    expected = torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(model.loss(ids), expected)


@pytest.mark.parametrize("left", [False, True])
def test_padding_takes_no_position(model, left):
    ids, mask = _ids(2, 11), torch.ones(2, 11, dtype=torch.bool)
    real = slice(4, None) if left else slice(0, 7)
    mask[1] = False
    mask[1, real] = True
    found = model(ids, attn_mask=mask)
    torch.testing.assert_close(found[0], model(ids[:1])[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found[1, real], model(ids[1:, real])[0], atol=1e-4, rtol=1e-3)


def test_a_cache_goes_on_from_any_place_and_follows_the_batch(model):
    if not model.supports_cache:
        pytest.skip("its attention keeps nothing")
    ids, mask = _ids(2, 13), torch.ones(2, 13, dtype=torch.bool)
    mask[1, :3] = False
    expected, caches, found = model(ids, attn_mask=mask), model.new_caches(), []
    for start, stop in ((0, 6), (6, 7), (7, 11), (11, 13)):
        found.append(model(ids[:, start:stop], attn_mask=mask[:, :stop], caches=caches))
    assert caches[0].length == 13
    torch.testing.assert_close(torch.cat(found, 1)[mask], expected[mask], atol=1e-4, rtol=1e-3)
    rows = torch.tensor([1, 1, 0])
    for cache in caches:
        cache.select(rows)
    last = _ids(3, 1, seed=2)
    more = torch.cat((mask[rows], torch.ones(3, 1, dtype=torch.bool)), 1)
    found = model(last, attn_mask=more, caches=caches)
    whole = model(torch.cat((ids[rows], last), 1), attn_mask=more)
    torch.testing.assert_close(found, whole[:, -1:], atol=1e-4, rtol=1e-3)


def test_generation_is_the_same_with_a_cache_and_in_transformers(model):
    pytest.importorskip("transformers")
    ids, mask = _ids(2, 9), torch.ones(2, 9, dtype=torch.long)
    plain = model.generate(ids, 5, use_cache=False)
    assert torch.equal(model.generate(ids, 5), plain)
    hosted = zoo.as_transformers(model)
    arguments = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(hosted.generate(ids, **arguments), plain)
    mask[1, :4] = 0
    for beams in (1, 2):
        together = hosted.generate(ids, attention_mask=mask, num_beams=beams, **arguments)
        alone = hosted.generate(ids[1:, 4:], num_beams=beams, **arguments)
        assert torch.equal(together[1, 9:], alone[0, 5:])


def test_gradient_checkpointing_changes_no_gradient_and_no_file(model, tmp_path):
    pytest.importorskip("transformers")
    hosted, ids = zoo.as_transformers(model).train(), _ids(2, 9)
    gradients = []
    with torch.enable_grad():
        for times in range(3):
            hosted.zero_grad()
            if times:
                hosted.gradient_checkpointing_enable()
                hosted.save_pretrained(tmp_path)
            hosted(ids, labels=ids).loss.backward()
            gradients.append([parameter.grad for parameter in hosted.parameters()])
    torch.testing.assert_close(gradients[1:], gradients[:1] * 2)
    assert torch.equal(zoo.load(tmp_path)(ids), model.eval()(ids))


@pytest.mark.parametrize("name", MODELS)
def test_attention_maps_are_read_from_ids_and_texts(name):
    pytest.importorskip("transformers")
    from zoo.bridges.transformers.maps import attention_maps
    from zoo.bridges.transformers.tiny import tiny_tokenizer

    entry, options = MODELS[name]
    torch.manual_seed(0)
    model, ids, mask = zoo.load(entry, weights=None, **SMALL, **options), _ids(2, 9), torch.ones(2, 9).bool()
    if name.partition(", ")[2] in ("oja", "bcm", "homeostatic"):
        with pytest.raises(zoo.InputError, match="is no weighted mean of values"):
            attention_maps(model, ids)
        return
    before, mask[1, 6:] = model(ids), False
    maps, masked = attention_maps(model, ids), attention_maps(model, {"input_ids": ids, "attn_mask": mask})
    assert torch.equal(model(ids), before)
    # Sensory and relational heads of a layer are two groups.
    assert len(maps) == (4 if entry == "dual-attention-lm" else 2)
    for whole, padded, alone in zip(maps, masked, attention_maps(model, ids[1:, :6]), strict=True):
        assert whole.shape[0::2] == (2, 9)
        assert float(whole.triu(1).abs().max()) == 0
        torch.testing.assert_close(padded[0], whole[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(padded[1, :, :6, :6], alone[0], atol=1e-5, rtol=1e-4)
    assert attention_maps(model, ["w5 w6 w7", "w8"], tiny_tokenizer())[0].shape[2:] == (3, 3)


@pytest.mark.parametrize("name", ["pavlovian-attention-lm, hebb", "fast-attention-gpt", "moba-lm"])
def test_who_looks_while_a_model_generates_sees_every_step_or_is_told(name):
    pytest.importorskip("transformers")
    from zoo.bridges.transformers.attending import attending

    entry, options = MODELS[name]
    model, ids, seen = zoo.load(entry, weights=None, **SMALL, **options), _ids(2, 5), []
    with attending(model, weights=lambda site, weights: seen.append(weights.shape[-1])):
        if entry == "moba-lm":
            model.generate(ids, 3)
        else:
            with pytest.raises(zoo.InputError, match="attended from a state, where nothing can step in"):
                model.generate(ids, 3)
            seen.clear()
            model.generate(ids, 3, use_cache=False)
    assert seen == [5, 5, 6, 6, 7, 7]
    assert torch.equal(model.generate(ids, 3), model.generate(ids, 3, use_cache=False))


def test_files_go_both_ways(model, tmp_path):
    transformers = pytest.importorskip("transformers")
    ids = _ids(2, 9)
    zoo.save(model, tmp_path / "ours")
    hosted = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert torch.equal(hosted(ids, use_cache=False).logits, model(ids))
    hosted.save_pretrained(tmp_path / "theirs")
    assert torch.equal(zoo.load(tmp_path / "theirs")(ids), model(ids))
