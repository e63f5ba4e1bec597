from __future__ import annotations

import copy

import pytest
import torch

import zoo
from zoo.bridges.transformers.tiny import tiny_model
from zoo_interpret.multimodal import (
    after_image,
    image_positions,
    image_token_ids,
    last_real,
    prefill_and_decode,
    whole_run,
    without_images,
)
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs, tiny_qwen2_vl, tiny_qwen2_vl_inputs
from zoo_interpret.visual_attention_sink.config import VisualAttentionSinkConfig
from zoo_interpret.visual_attention_sink.method import VisualAttentionSink, find_sink_dims
from zoo_interpret.visual_attention_sink.planted import SINK_DIM, planted_sinks
from zoo_interpret.visual_attention_sink.redistribution import image_centric, redistribute, sink_values


def method(**config) -> VisualAttentionSink:
    return VisualAttentionSink(VisualAttentionSinkConfig(**{"sink_dims": [SINK_DIM], "tau": 4.0, **config}))


def flags(*places: int, length: int = 6):
    found = torch.zeros(1, length, dtype=torch.bool)
    found[0, list(places)] = True
    return found


def test_a_row_by_hand():
    weights = torch.tensor([0.3, 0.2, 0.1, 0.1, 0.2, 0.1]).view(1, 1, 1, 6)
    sinks, image = flags(0, 1), flags(1, 2, 3)
    selected = image_centric(weights, sinks, image, rho=0.5, summ=0.4)
    assert selected.item(), "0.2 of 0.4 lies on the visual sink"
    assert not image_centric(weights, sinks, image, rho=0.49, summ=0.2).item()
    assert not image_centric(weights, sinks, image, rho=0.5, summ=0.41).item()
    assert not image_centric(weights, flags(0), image, rho=1.0, summ=0.0).item(), "no visual sink"
    assert not image_centric(weights, flags(1, 2, 3), image, rho=1.0, summ=0.0).item(), "nothing else of the image"
    changed = redistribute(weights, sinks, image, selected, p=0.6)
    expected = torch.tensor([0.18, 0.12, 0.2, 0.2, 0.2, 0.1])
    torch.testing.assert_close(changed.flatten(), expected)
    nobody = torch.tensor([0.5, 0.5, 0.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 6)
    assert torch.equal(redistribute(nobody, sinks, image, selected, p=0.6), nobody), "no part of the image takes any"


def test_sink_values_are_those_of_a_normalised_stream():
    stream = torch.zeros(1, 2, 16)
    stream[0, 0, 3], stream[0, 1] = -50.0, 1.0
    torch.testing.assert_close(sink_values(stream, [3, 5]), torch.tensor([[4.0, 1.0]]))
    assert sink_values(stream.bfloat16(), [3]).dtype == torch.float32


def test_every_example_of_a_padded_batch_has_its_own_sinks():
    model = planted_sinks((7, 18))
    first, second = tiny_llava_inputs(model, 1, 0), tiny_llava_inputs(model, 1, 1, text=(5, 9))
    length = second["input_ids"].shape[1]
    gap = length - first["input_ids"].shape[1]
    padded = torch.cat((torch.ones(1, gap, dtype=torch.long), first["input_ids"]), 1)
    mask = torch.ones(2, length, dtype=torch.long)
    mask[0, :gap] = 0
    batch = {
        "input_ids": torch.cat((padded, second["input_ids"])),
        "pixel_values": torch.cat((first["pixel_values"], second["pixel_values"])),
        "attention_mask": mask,
        "position_ids": (mask.cumsum(-1) - 1).clamp(min=0),
    }
    with torch.no_grad(), method().attach(model) as attached:
        together = model(**batch).logits
        found = attached.result()
        for row, (alone, start) in enumerate(((first, gap), (second, 0))):
            torch.testing.assert_close(together[row, start:], model(**alone).logits[0], atol=1e-5, rtol=1e-4)
            single = attached.result()
            assert torch.equal(found.sink_tokens[row, :, start:], single.sink_tokens[0])
    assert not bool(found.sink_tokens[0, :, :gap].any())


def test_generation_with_a_cache_is_that_of_feeding_tokens_one_by_one():
    model = planted_sinks((7, 18))
    model.generation_config.eos_token_id = None
    inputs = tiny_llava_inputs(model, 2)
    with torch.no_grad(), method().attach(model) as attached:
        ids = model.generate(**inputs, max_new_tokens=4, do_sample=False)
        found = attached.result()
        new = ids[:, inputs["input_ids"].shape[1] :]
        logits, steps = prefill_and_decode(model, inputs, new[:, :3])
    assert torch.equal(torch.cat((logits[:, -1:], steps), 1).argmax(-1), new)
    assert found.selected_decoding.shape == (3, 2, 4, 4)
    assert bool(found.selected_decoding[:, :, 2:].all())
    assert not bool(found.selected_decoding[:, :, :2].any())


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_only_queries_after_the_image_change_and_the_model_comes_back(implementation):
    model = tiny_llava(attn_implementation=implementation)
    inputs = tiny_llava_inputs(model)
    before = copy.deepcopy(model.state_dict())
    loose = method(tau=0.5, rho=1.0, summ=0.0)
    with torch.no_grad():
        base = model(**inputs).logits
        with loose.attach(model):
            changed = model(**inputs).logits
        later = after_image(image_positions(model, inputs["input_ids"]))
        torch.testing.assert_close(changed[~later], base[~later])
        assert not torch.allclose(changed[later], base[later], atol=1e-6)
        with pytest.raises(RuntimeError), loose.attach(model):
            raise RuntimeError
        assert torch.equal(model(**inputs).logits, base)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_last_layer_can_be_left_out():
    model = planted_sinks((7, 18))
    inputs = tiny_llava_inputs(model, 1)
    with torch.no_grad(), method(skip_last_layer=True).attach(model) as attached:
        model(**inputs)
    found = attached.result()
    assert bool(found.sink_tokens[:, 2].any())
    assert not bool(found.sink_tokens[:, 3].any())


def test_qwen2_vl_is_taken_too(tmp_path):
    model, inputs = tiny_qwen2_vl(), tiny_qwen2_vl_inputs()
    with torch.no_grad():
        base = model(**inputs).logits
        with method(tau=0.3, rho=1.0, summ=0.0, sink_layers_from=1).attach(model) as attached:
            changed = model(**inputs).logits
    found = attached.result()
    assert not torch.equal(changed, base)
    assert found.image[0].tolist() == (inputs["input_ids"][0] == 75).tolist()
    found.plot(tmp_path / "found.png")
    found.save(tmp_path / "found.npz")
    assert (tmp_path / "found.png").stat().st_size > 0


def test_sink_dimensions_of_the_planted_model_are_found():
    model = planted_sinks((0, 1))
    inputs = tiny_llava_inputs(model, 1, text=(0, 4))
    inputs["input_ids"] = inputs["input_ids"].clone()
    assert SINK_DIM in find_sink_dims(model, inputs)


def test_what_is_no_multimodal_model_is_named():
    with (
        pytest.raises(zoo.InputError, match="LlamaForCausalLM has no image token"),
        method().attach(tiny_model("llama")),
    ):
        pass
    with pytest.raises(zoo.InputError, match="find_sink_dims"), method(sink_dims=[40]).attach(tiny_llava()):
        pass
    with pytest.raises(zoo.ConfigError, match="no sinks"):
        VisualAttentionSinkConfig(sink_dims=[])
    model = tiny_llava()
    with method().attach(model) as attached, pytest.raises(zoo.InputError, match="nothing was found"):
        attached.result()
    with method().attach(model), pytest.raises(zoo.InputError, match="without input_ids"):
        model(inputs_embeds=torch.zeros(1, 3, 32))
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad(), method().attach(model):
        text = model(input_ids=ids).logits
    torch.testing.assert_close(text, model(input_ids=ids).logits)


def test_where_the_image_lies():
    image = torch.tensor([[0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0]]).bool()
    assert whole_run(image).int().tolist() == [[0, 1, 1, 1, 1, 0], [0] * 6]
    assert after_image(image).int().tolist() == [[0, 0, 0, 0, 0, 1], [0] * 6]
    assert last_real(torch.tensor([[1, 1, 0], [0, 1, 1]])).tolist() == [1, 2]
    qwen = tiny_qwen2_vl()
    assert image_token_ids(qwen) == (75, 76)
    text = without_images(qwen, tiny_qwen2_vl_inputs())
    assert text.keys() == {"input_ids"}
    assert text["input_ids"].shape == (1, 10)
    uneven = without_images(qwen, {"input_ids": torch.tensor([[3, 75, 4, 5], [3, 75, 75, 5]]), "pixel_values": None})
    assert uneven["input_ids"].tolist() == [[3, 4, 5], [0, 3, 5]]
    assert uneven["attention_mask"].tolist() == [[1, 1, 1], [0, 1, 1]]
    with pytest.raises(zoo.InputError, match="nothing but its image"):
        without_images(qwen, {"input_ids": torch.tensor([[75, 75]])})
