from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import zoo
from zoo.bridges.transformers.attending import attending
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.multimodal import image_positions, language_sites, prefill_and_decode, without_images
from zoo_interpret.paint.chair import chair, mentioned
from zoo_interpret.paint.config import PaintConfig
from zoo_interpret.paint.guidance import ImageFreeGuidance, guided
from zoo_interpret.paint.method import Paint
from zoo_interpret.paint.selection import largest, outliers, select
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs, tiny_qwen2_vl


def sharp(seed: int = 0, **options):
    """A tiny LLaVA whose scores are large enough for a gain on them to matter."""
    model = tiny_llava(seed, **options)
    for site in language_sites(model):
        site.module.q_proj.weight.data.mul_(15)
    return model


def test_sets_by_hand():
    first, penultimate = torch.zeros(2, 1, 2, 9, 9)
    first[0, :, 0, 1:] = torch.tensor([8.0, 7, 6, 5, 4, 3, 2, 1])
    first[0, 0, 3, 8] = 9.0
    penultimate[0, 0, 0, 1:] = torch.tensor([1.0, 9, 1, 1, 1, 1, 1, 1])
    sets = select(first, penultimate)
    assert sets.local[0].nonzero().flatten().tolist() == [0], "two of eight, and the second is a summary"
    assert sets.summary[0].nonzero().flatten().tolist() == [1]
    assert sets.cls_attention_first[0, 0] == 16.0
    spatial = select(first, penultimate, spatial_ratio=0.125)
    assert spatial.local[0].nonzero().flatten().tolist() == [0, 7]
    with pytest.raises(zoo.InputError, match="class token and patches"):
        select(first[..., :1, :1], penultimate)


def test_outliers_are_those_of_numpy_quartiles():
    scores = torch.randn(5, 40, generator=torch.Generator().manual_seed(0)).exp()
    low, high = np.percentile(scores.double().numpy(), [25, 75], axis=-1, keepdims=True)
    expected = scores.numpy() > high + 1.5 * (high - low)
    assert outliers(scores).tolist() == expected.tolist()
    assert expected.any()
    assert not outliers(torch.ones(1, 8)).any()
    assert largest(scores, 0).sum() == 0
    assert largest(scores, 3).sum(-1).tolist() == [3] * 5


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_last_rows_are_a_softmax_of_raised_scores(implementation):
    """Scores are read from queries and keys here, and the softmax is taken anew."""
    model = sharp(attn_implementation=implementation)
    inputs = tiny_llava_inputs(model, 2)
    image = image_positions(model, inputs["input_ids"])
    scores, rows = {}, {}

    def see(site, query, key, value):
        key = key.repeat_interleave(2, 1)
        scores[site.name] = torch.einsum("bhd,bhkd->bhk", query[:, :, -1], key) * site.module.scaling

    def keep(site, weights):
        rows[site.name] = weights

    sites = language_sites(model)
    with (
        torch.no_grad(),
        Paint(PaintConfig(alpha=0.9, beta=0.4)).attach(model) as attached,
        attending(model, sites=sites, projections=see, weights=keep),
    ):
        model(**inputs)
    sets = attached.result()
    gains = torch.zeros_like(image, dtype=torch.float32)
    gains[image] = (0.9 * sets.local + 0.4 * sets.summary).flatten()
    for layer, site in enumerate(sites):
        s = scores[site.name]
        expected = (s + (gains[:, None] * s.abs() if layer >= 2 else 0)).softmax(-1)
        torch.testing.assert_close(rows[site.name][:, :, -1], expected, atol=1e-5, rtol=1e-4)


def test_only_the_last_query_changes_and_the_model_comes_back():
    model = sharp()
    inputs = tiny_llava_inputs(model, 2)
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        base = model(**inputs).logits
        with Paint(PaintConfig()).attach(model):
            changed = model(**inputs).logits
        torch.testing.assert_close(changed[:, :-1], base[:, :-1])
        assert not torch.allclose(changed[:, -1], base[:, -1])
        with pytest.raises(RuntimeError), Paint(PaintConfig()).attach(model):
            raise RuntimeError
        assert torch.equal(model(**inputs).logits, base)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_generation_is_feeding_tokens_one_by_one_and_padding_changes_nothing():
    model = sharp()
    model.generation_config.eos_token_id = None
    first, second = tiny_llava_inputs(model, 1, 0), tiny_llava_inputs(model, 1, 1, text=(5, 9))
    gap = second["input_ids"].shape[1] - first["input_ids"].shape[1]
    ids = torch.cat((torch.nn.functional.pad(first["input_ids"], (gap, 0), value=1), second["input_ids"]))
    mask = torch.ones_like(ids)
    mask[0, :gap] = 0
    batch = {"input_ids": ids, "pixel_values": torch.cat((first["pixel_values"], second["pixel_values"]))}
    with torch.no_grad(), Paint(PaintConfig()).attach(model):
        found = model.generate(**batch, attention_mask=mask, max_new_tokens=4, do_sample=False)[:, ids.shape[1] :]
        for row, prompt in enumerate((first, second)):
            alone = model.generate(**prompt, max_new_tokens=4, do_sample=False)[:, prompt["input_ids"].shape[1] :]
            assert torch.equal(found[row], alone[0])
            logits, steps = prefill_and_decode(model, prompt, alone[:, :3])
            assert torch.equal(torch.cat((logits[:, -1:], steps), 1).argmax(-1), alone)
        beams = model.generate(**batch, attention_mask=mask, max_new_tokens=3, num_beams=2, do_sample=False)
    assert beams.shape == (2, ids.shape[1] + 3)


def test_layers_and_gains_are_those_of_the_config(tmp_path):
    model = sharp()
    inputs = tiny_llava_inputs(model, 2)

    def logits(**config):
        with torch.no_grad(), Paint(PaintConfig(**config)).attach(model) as attached:
            found = model(**inputs).logits
        attached.result().plot(tmp_path / "sets.png")
        attached.result().save(tmp_path / "sets.csv")
        return found

    base = logits(alpha=0.0, beta=0.0)
    torch.testing.assert_close(logits(start_layer=2, end_layer=2), base)
    assert not torch.allclose(logits(end_layer=3), logits())
    by_heads = logits(head_gain="vhd")
    assert not torch.allclose(by_heads, logits())
    assert not torch.allclose(by_heads, base)
    assert not torch.allclose(logits(spatial_ratio=0.3), logits())


def test_several_images_stand_in_their_order():
    model = sharp()
    inputs = tiny_llava_inputs(model, 2)
    ids = inputs["input_ids"].flatten()[None]
    with torch.no_grad(), Paint(PaintConfig()).attach(model) as attached:
        model(input_ids=ids, pixel_values=inputs["pixel_values"])
        together = attached.result()
        model(**inputs)
    assert torch.equal(together.local, attached.result().local)
    assert together.local.shape == (2, 25)


def test_guidance_moves_away_from_the_image_free_prompt():
    log_probs = torch.tensor([[0.6, 0.39, 0.01]]).log()
    text = torch.tensor([[0.3, 0.6, 0.1]]).log()
    assert torch.isneginf(guided(log_probs, text, 1.5)[0, 2])
    torch.testing.assert_close(guided(log_probs, text, 1.0)[0, :2], log_probs[0, :2])
    assert guided(log_probs, text, 1.5)[0, 0] > log_probs[0, 0]
    model = sharp()
    inputs = tiny_llava_inputs(model, 1)
    with torch.no_grad(), Paint(PaintConfig()).attach(model) as attached:
        scores = model(**inputs).logits[:, -1]
        sets = attached.result()
        found = ImageFreeGuidance(model, 1.3, attached)(inputs["input_ids"], scores)
        assert attached.result() is sets
        ids = model.generate(
            **inputs, max_new_tokens=3, do_sample=False, logits_processor=[ImageFreeGuidance(model, 1.3, attached)]
        )
    alone = model(**without_images(model, inputs)).logits[:, -1]
    torch.testing.assert_close(found, guided(scores.log_softmax(-1), alone.log_softmax(-1), 1.3))
    assert ids.shape[1] > inputs["input_ids"].shape[1]


def test_chair_by_hand():
    words = {"dog": "dog", "puppy": "dog", "hot dog": "hot dog", "bench": "bench", "bus": "bus"}
    assert mentioned("Two dogs, a hot dog and benches; no catdog.", words) == ["dog", "hot dog", "bench"]
    assert mentioned("A bus, two buses", words) == ["bus", "bus"]
    found = chair(["A dog on a bench.", "A dog and a dog near a bus"], [{"dog"}, {"dog", "bus", "bench"}], words)
    assert found.sentence == 0.5
    assert found.instance == pytest.approx(1 / 5)
    assert found.recall == pytest.approx(3 / 4)
    assert found.f1 == pytest.approx(2 * 0.8 * 0.75 / 1.55)
    assert found.length == 6.5
    assert found.to_dict()["hallucinated"] == [["bench"], []]
    with pytest.raises(zoo.InputError, match="0 captions"):
        chair([], [], words)


def test_what_it_cannot_do_is_named():
    for model in (tiny_model("llama"), tiny_model("bert")):
        with pytest.raises(zoo.InputError, match=type(model).__name__), Paint(PaintConfig()).attach(model):
            pass
    with (
        pytest.raises(zoo.InputError, match=r"Qwen2VL.*no image encoder"),
        Paint(PaintConfig()).attach(tiny_qwen2_vl()),
    ):
        pass
    model = tiny_llava()
    with pytest.raises(zoo.InputError, match="has 4 here"), Paint(PaintConfig(end_layer=9)).attach(model):
        pass
    with Paint(PaintConfig()).attach(model) as attached, pytest.raises(zoo.InputError, match="no sets yet"):
        attached.result()
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad(), Paint(PaintConfig(head_gain="vhd")).attach(model):
        text = model(input_ids=ids).logits
    torch.testing.assert_close(text, model(input_ids=ids).logits)
