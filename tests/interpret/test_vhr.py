from __future__ import annotations

import copy

import pytest
import torch

import zoo
from zoo.bridges.transformers.heads import head_outputs
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.multimodal import prefill_and_decode, without_images
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs, tiny_qwen2_vl, tiny_qwen2_vl_inputs
from zoo_interpret.vhr.config import DivergenceConfig, VhrConfig
from zoo_interpret.vhr.divergence import (
    VisionAwareHeadDivergence,
    head_distance,
    token_divergence,
    vision_aware,
    without_outliers,
)
from zoo_interpret.vhr.reinforcement import Vhr


def vhr(**config) -> Vhr:
    return Vhr(VhrConfig(**{"layers": [1, 2, 3], **config}))


def probe(**config) -> VisionAwareHeadDivergence:
    return VisionAwareHeadDivergence(DivergenceConfig(**config))


def test_the_formulas_by_hand():
    assert head_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)).tolist() == [5.0]
    assert head_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2), "squared").tolist() == [25.0]
    vhd = torch.tensor([[1.0, 2.0, 3.0, 10.0], [4.0, 3.0, 2.0, 1.0]])
    assert token_divergence(vhd).item() == 14.0
    assert token_divergence(vhd, 2).item() == 20.0
    assert vision_aware(vhd).int().tolist() == [[0, 0, 1, 1], [1, 1, 0, 0]]
    assert vision_aware(torch.tensor([1.0, 2.0, 3.0])).tolist() == [False, False, True], "the median head is out"
    active = torch.tensor([[0.0], [0.0], [0.0], [2.0]])
    assert without_outliers(vhd[0], active).tolist() == [1.0, 2.0, 3.0, 0.0]
    assert without_outliers(vhd[0], active.flip(0)).tolist() == vhd[0].tolist(), "it must stand out in both"
    with pytest.raises(zoo.InputError, match="4 heads"):
        token_divergence(vhd, 5)


def test_standard_deviations_differ_where_a_head_lies_between_them():
    values = torch.tensor([0.0, 1.0, 2.0])
    active = values.sqrt()[:, None]
    # mean 1; mean + std is 1.82 of the population and exactly 2 of the sample, which 2 does not exceed.
    assert without_outliers(values, active, "population").tolist() == [0.0, 1.0, 0.0]
    assert without_outliers(values, active, "sample").tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("kind", ["llava", "qwen2-vl"])
def test_divergence_is_the_distance_of_two_passes_at_every_token(kind, tmp_path):
    model = tiny_llava() if kind == "llava" else tiny_qwen2_vl()
    inputs = tiny_llava_inputs(model, 2) if kind == "llava" else tiny_qwen2_vl_inputs()
    found = probe(topk=2)(model, inputs)
    length = inputs["input_ids"].shape[1]
    for cut in (0, 2):
        shorter = {**inputs, "input_ids": inputs["input_ids"][:, : length - cut]}
        if "mm_token_type_ids" in inputs:
            shorter["mm_token_type_ids"] = inputs["mm_token_type_ids"][:, : length - cut]
        pair = [
            torch.stack([layer[:, -1] for layer in head_outputs(model, arguments, group="D")], 1)
            for arguments in (shorter, without_images(model, shorter))
        ]
        vhd = head_distance(*pair)
        torch.testing.assert_close(
            found.t_vhd[:, length - 1 - cut], vhd.topk(2).values.sum((1, 2)), atol=1e-5, rtol=1e-4
        )
    torch.testing.assert_close(probe()(model, shorter).vhd, vhd, atol=1e-5, rtol=1e-4)
    assert float(found.t_vhd[:, 0].abs().max()) == 0, "words before the image cannot depend on it"
    found.plot(tmp_path / "heads.png")
    found.save(tmp_path / "found.csv")
    count = int((found.t_vhd[0] > 0).sum())
    found.plot_tokens(["word"] * count, tmp_path / "tokens.png")
    with pytest.raises(zoo.InputError, match="texts for"):
        found.plot_tokens(["word"])


def test_padding_changes_nothing_and_batches_are_streamed():
    model = tiny_llava()
    first, second = tiny_llava_inputs(model, 1, 0), tiny_llava_inputs(model, 1, 1, text=(5, 9))
    gap = second["input_ids"].shape[1] - first["input_ids"].shape[1]
    ids = torch.cat((torch.nn.functional.pad(first["input_ids"], (gap, 0), value=1), second["input_ids"]))
    mask = torch.ones_like(ids)
    mask[0, :gap] = 0
    batch = {
        "input_ids": ids,
        "pixel_values": torch.cat((first["pixel_values"], second["pixel_values"])),
        "attention_mask": mask,
    }
    lines: list[str] = []
    together, alone = probe()(model, batch), probe()(model, [first, second], log=lines.append)
    assert lines == ["1 text", "2 texts"]
    torch.testing.assert_close(together.vhd, alone.vhd, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(together.t_vhd[0, gap:], alone.t_vhd[0, : len(ids[0]) - gap], atol=1e-5, rtol=1e-3)
    with torch.no_grad(), vhr().attach(model) as attached:
        logits = model(**batch).logits
        assert attached.result().selected.shape == (2, 4, 4)
        torch.testing.assert_close(logits[1], model(**second).logits[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(logits[0, gap:], model(**first).logits[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["llava", "qwen2-vl"])
def test_generation_keeps_the_heads_of_the_prompt(kind):
    model = tiny_llava() if kind == "llava" else tiny_qwen2_vl()
    inputs = tiny_llava_inputs(model, 2) if kind == "llava" else tiny_qwen2_vl_inputs()
    model.generation_config.eos_token_id = None
    method = Vhr(VhrConfig(layers=[1, 2]))
    with torch.no_grad():
        plain = model.generate(**inputs, max_new_tokens=4, do_sample=False)
        with method.attach(model) as attached:
            ids = model.generate(**inputs, max_new_tokens=4, do_sample=False)
            selected = attached.result().selected
            new = ids[:, inputs["input_ids"].shape[1] :]
            logits, steps = prefill_and_decode(model, inputs, new[:, :3])
            assert torch.equal(attached.result().selected, selected)
        assert torch.equal(model.generate(**inputs, max_new_tokens=4, do_sample=False), plain)
    assert torch.equal(torch.cat((logits[:, -1:], steps), 1).argmax(-1), new)
    assert not bool(selected[:, 0].any())


def test_options_change_what_they_say():
    model, inputs = tiny_llava(), tiny_llava_inputs(tiny_llava(), 1)
    plain = probe()(model, inputs).vhd[0]
    with torch.no_grad():
        base = model(**inputs).logits

        def run(**config):
            with vhr(**config).attach(model) as attached:
                return model(**inputs).logits, attached.result()

        usual, found = run()
        torch.testing.assert_close(found.vhd[0, 1], plain[1])
        assert not torch.allclose(found.vhd[0, 2:], plain[2:])
        _, found_both = run(reinforce_text_stream=True)
        torch.testing.assert_close(found_both.vhd[0, 1], plain[1])
        assert not torch.allclose(found_both.vhd[0, 2:], found.vhd[0, 2:])
        _, squared = run(distance="squared")
        torch.testing.assert_close(squared.vhd[0, 1], plain[1] ** 2)
        last, _ = run(positions="last")
        torch.testing.assert_close(last[:, :-1], base[:, :-1])
        assert not torch.allclose(last[:, -1], base[:, -1])
        assert not torch.allclose(usual[:, 0], base[:, 0])


def test_given_heads_are_reinforced_without_another_pass():
    model, inputs = tiny_llava(), tiny_llava_inputs(tiny_llava(), 2)
    heads = torch.zeros(4, 4, dtype=torch.bool)
    with torch.no_grad():
        base = model(**inputs).logits
        with vhr().attach(model, heads) as attached:
            assert torch.equal(model(**inputs).logits, base), "no heads, no change"
            with pytest.raises(zoo.InputError, match="nothing was selected"):
                attached.result()
        heads[2, 1] = True
        before = head_outputs(model, inputs, group="D")[2]
        with vhr(alpha=3.0).attach(model, heads):
            after = head_outputs(model, inputs, group="D")[2]
    torch.testing.assert_close(after[:, :, 1], 3 * before[:, :, 1])
    torch.testing.assert_close(after[:, :, [0, 2, 3]], before[:, :, [0, 2, 3]])


def test_the_model_comes_back_and_what_cannot_be_done_is_named():
    model, inputs = tiny_llava(), tiny_llava_inputs(tiny_llava(), 1)
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        base = model(**inputs).logits
        with pytest.raises(RuntimeError), vhr().attach(model):
            raise RuntimeError(str(model(**inputs).logits.shape))
        assert torch.equal(model(**inputs).logits, base)
        ids = torch.tensor([[5, 6, 7]])
        text = model(input_ids=ids).logits
        with vhr().attach(model):
            assert torch.equal(model(input_ids=ids).logits, text), "text alone is left alone"
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(zoo.InputError, match=r"layers=\[7\].*4 layers"), vhr(layers=[7]).attach(model):
        pass
    with pytest.raises(zoo.InputError, match=r"\(4, 4\)"), vhr().attach(model, torch.ones(2, 4)):
        pass
    with pytest.raises(zoo.InputError, match="GPT2LMHeadModel has no image"), vhr().attach(tiny_model("gpt2")):
        pass
    with pytest.raises(zoo.InputError, match="no texts"):
        probe()(model, [])
