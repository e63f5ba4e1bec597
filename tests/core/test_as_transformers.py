"""Zoo networks as transformers models: the same numbers, files that both sides read, and transformers' contract."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys

import pytest
import torch
from omegaconf import OmegaConf

import zoo
from zoo import catalogue
from zoo.bridges.transformers import hosting
from zoo.bridges.transformers.precision import InFloat32
from zoo.testing.specimens import example_of, small_instance

from .plain_softmax import SOFTMAX
from .tiny_networks import TINY

transformers = pytest.importorskip("transformers")

KINDS = ("rotary", "sinusoidal", "learned", "tied", "recomputing")


@pytest.fixture(autouse=True)
def _tiny(install):
    install("tiny", **TINY)


def _model(kind: str = "rotary", seed: int = 0):
    torch.manual_seed(seed)
    model = zoo.load(f"tiny/{kind}", weights=None)
    # Larger than at initialisation, so that attention and positions matter.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    return model


def _ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(3, 60, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Linear(3, 2).weight,
        lambda: torch.full((2,), 0.1),
        lambda: torch.tensor([0.1, 0.3]),
        lambda: torch.arange(0, 1, 0.1),
        lambda: torch.arange(7) / 7,
        lambda: 10_000.0 ** (-torch.arange(0, 8, 2) / 8),
        lambda: torch.linspace(0, 1, 7).cos(),
        lambda: torch.hann_window(9),
        lambda: torch.randn(4),
        lambda: torch.arange(3),
        lambda: torch.arange(3).to(torch.bfloat16),
        lambda: torch.zeros(2, dtype=torch.float64),
        lambda: torch.as_tensor(torch.ones(2, dtype=torch.bfloat16)),
    ],
)
def test_what_is_built_in_float32_is_what_it_is_without_another_default(make):
    torch.manual_seed(0)
    expected = make()
    torch.set_default_dtype(torch.bfloat16)
    try:
        torch.manual_seed(0)
        with InFloat32():
            found = make()
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


class TestCalls:
    @pytest.mark.parametrize("kind", KINDS)
    def test_logits_and_loss_are_the_models_own(self, kind):
        model, ids = _model(kind), _ids(2, 9)
        wrapped = zoo.as_transformers(model)
        assert isinstance(wrapped, transformers.PreTrainedModel)
        assert wrapped.config.model_type == "attention-zoo"
        output = wrapped(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids)
        torch.testing.assert_close(output.logits, model(ids))
        torch.testing.assert_close(output.loss, model.loss(ids))
        half = ids.clone()
        half[:, :5] = -100
        expected = torch.nn.functional.cross_entropy(model(ids)[:, 4:-1].flatten(0, 1), ids[:, 5:].flatten())
        torch.testing.assert_close(wrapped(ids, labels=half).loss, expected)
        assert wrapped(ids, labels=ids, return_dict=False)[1].shape == (2, 9, 61)
        torch.testing.assert_close(wrapped(ids, logits_to_keep=2).logits, model(ids)[:, -2:])

    def test_parameters_mode_and_dtype_are_shared(self):
        model = _model().train()
        wrapped = zoo.as_transformers(model)
        assert wrapped.training
        assert {id(p) for p in wrapped.parameters()} == {id(p) for p in model.parameters()}
        wrapped.eval().to(torch.float64)
        assert not model.training
        assert next(model.parameters()).dtype == wrapped.dtype == torch.float64

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("left", [False, True])
    def test_padding_on_either_side_leaves_real_tokens_as_they_are_alone(self, kind, left):
        wrapped, ids = zoo.as_transformers(_model(kind)), _ids(3, 9)
        mask = torch.ones_like(ids)
        real = slice(4, None) if left else slice(0, 5)
        mask[1] = 0
        mask[1, real] = 1
        for given in (mask, mask.bool(), mask.float()):
            padded = wrapped(ids, attention_mask=given).logits
            torch.testing.assert_close(padded[1, real], wrapped(ids[1:2, real]).logits[0], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(padded[0], wrapped(ids[:1]).logits[0], atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("kind", KINDS)
    def test_packed_sequences_are_read_one_by_one(self, kind):
        wrapped, parts = zoo.as_transformers(_model(kind)), [_ids(1, 4), _ids(1, 1, seed=1), _ids(1, 6, seed=2)]
        alone = torch.cat([wrapped(part).logits for part in parts], 1)
        ids = torch.cat(parts, 1)
        positions = torch.cat([torch.arange(part.shape[1]) for part in parts])[None]
        torch.testing.assert_close(wrapped(ids, position_ids=positions, labels=ids).logits, alone)
        blocks = torch.block_diag(*(torch.ones(part.shape[1], part.shape[1]).tril() for part in parts))
        torch.testing.assert_close(wrapped(ids, attention_mask=blocks[None, None].bool()).logits, alone)
        collate = transformers.DataCollatorWithFlattening(return_flash_attn_kwargs=True)
        batch = collate([{"input_ids": part[0].tolist()} for part in parts])
        output = wrapped(**batch)
        torch.testing.assert_close(output.logits, alone)
        for order, starts in ((positions, [0, 4, 11]), (torch.arange(11)[None], [0, 4, 5, 11])):
            with pytest.raises(zoo.ZooError, match=r"cu_seq_lens=\[0, 4, .*, but"):
                wrapped(ids, position_ids=order, cu_seq_lens_q=torch.tensor(starts))

    def test_what_it_has_no_use_for_is_refused(self):
        wrapped, ids = zoo.as_transformers(_model()), _ids(2, 5)
        wrapped(ids, position_ids=torch.arange(5)[None], output_attentions=False, token_type_ids=ids * 0)
        for odd in (
            {"output_hidden_states": True},
            {"inputs_embeds": torch.zeros(2, 5, 32)},
            {"token_type_ids": torch.ones_like(ids)},
            {"cu_seq_lens_q": torch.tensor([0, 5])},
        ):
            with pytest.raises(zoo.InputError, match=f"no use for {next(iter(odd))}"):
                wrapped(ids, **odd)
        for positions in (torch.arange(5)[None] + 1, torch.tensor([[0, 1, 2, 1, 2]])):
            with pytest.raises(zoo.InputError, match="position_ids are not those of the real tokens"):
                wrapped(ids, position_ids=positions)
        with pytest.raises(zoo.InputError, match="reads input_ids"):
            wrapped()
        with pytest.raises(zoo.InputError, match="not a cache of this model"):
            wrapped(ids, past_key_values=transformers.DynamicCache())

    def test_another_mechanism_is_refused_where_it_would_never_run(self, install):
        install("plain", **SOFTMAX)
        with pytest.raises(zoo.InputError, match=r"ZooForCausalLM cannot take .*hard-coded"):
            zoo.swap(zoo.as_transformers(_model()), "plain-softmax")

    def test_others_are_refused(self):
        wrapped = zoo.as_transformers(_model())
        assert zoo.as_transformers(wrapped) is wrapped
        with pytest.raises(zoo.InputError, match="tiny-layer is neither a language model"):
            zoo.as_transformers(zoo.load("tiny-layer"))
        with pytest.raises(zoo.InputError, match=r"not made by zoo\.load"):
            zoo.as_transformers(torch.nn.Linear(2, 2))

    def test_copies_and_pickles(self):
        wrapped, ids = zoo.as_transformers(_model("sinusoidal")), _ids(2, 5)
        for other in (copy.deepcopy(wrapped), pickle.loads(pickle.dumps(wrapped))):
            assert torch.equal(other(ids).logits, wrapped(ids).logits)
            assert next(other.parameters()) is not next(wrapped.parameters())

    def test_input_embeddings_are_found(self):
        wrapped = zoo.as_transformers(_model())
        assert wrapped.get_input_embeddings() is wrapped.zoo_module.model.embed_tokens
        wrapped.enable_input_require_grads()
        assert wrapped.get_input_embeddings()(_ids(1, 2)).requires_grad

    @pytest.mark.parametrize("tokens", [70, 40])
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_vocabulary_grows_and_shrinks(self, kind, tokens, tmp_path):
        wrapped, ids = zoo.as_transformers(_model(kind)), _ids(2, 7) % 40
        with torch.no_grad():
            before = wrapped(ids).logits
        tied = wrapped.get_output_embeddings().weight is wrapped.get_input_embeddings().weight
        wrapped.resize_token_embeddings(tokens)
        after = wrapped(ids, labels=ids)
        after.loss.backward()
        assert after.logits.shape == (2, 7, tokens) == (2, 7, wrapped.config.vocab_size)
        torch.testing.assert_close(after.logits[..., :40], before[..., :40])
        assert (wrapped.get_output_embeddings().weight is wrapped.get_input_embeddings().weight) == tied
        wrapped.save_pretrained(tmp_path)
        for again in (zoo.load(tmp_path), zoo.load(zoo.save(wrapped.zoo_module, tmp_path / "own"))):
            torch.testing.assert_close(again(ids), after.logits)


class TestGeneration:
    @pytest.mark.parametrize("kind", KINDS)
    def test_greedy_beams_and_samples_with_and_without_a_cache(self, kind):
        model, ids = _model(kind), _ids(2, 7)
        wrapped = zoo.as_transformers(model)
        assert torch.equal(wrapped.generate(ids, max_new_tokens=6, do_sample=False), model.generate(ids, 6))
        for options in (
            {"num_beams": 3},
            {"do_sample": True, "num_return_sequences": 2},
            {"num_beams": 2, "do_sample": True},
        ):
            found = []
            for use_cache in (True, False):
                torch.manual_seed(1)
                found.append(wrapped.generate(ids, max_new_tokens=6, use_cache=use_cache, **options))
            assert torch.equal(*found)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("beams", [1, 3])
    def test_left_padding_gives_what_each_sequence_gives_alone(self, kind, beams):
        wrapped, ids = zoo.as_transformers(_model(kind)), _ids(2, 9)
        mask = torch.ones_like(ids)
        mask[1, :4] = 0
        arguments = {"max_new_tokens": 6, "do_sample": False, "num_beams": beams, "pad_token_id": 0}
        together = wrapped.generate(ids, attention_mask=mask, **arguments)
        alone = [wrapped.generate(ids[:1], **arguments)[0, 9:], wrapped.generate(ids[1:, 4:], **arguments)[0, 5:]]
        assert torch.equal(together[:, 9:], torch.stack(alone))

    @pytest.mark.parametrize("name", ["past_key_values", "cache"])
    def test_a_call_goes_on_from_what_an_earlier_one_returned(self, name):
        # In double precision: in single precision, processors differ in the fifth digit.
        wrapped, ids = zoo.as_transformers(_model().double()), _ids(2, 9)
        output = wrapped(ids[:, :6])
        assert output.past_key_values.get_seq_length() == 6
        rest = wrapped(ids[:, 6:], **{name: output.past_key_values})
        torch.testing.assert_close(rest.logits, wrapped(ids).logits[:, 6:], atol=1e-9, rtol=1e-9)
        output.past_key_values.crop(-2)
        again = wrapped(ids[:, 7:], past_key_values=output.past_key_values)
        torch.testing.assert_close(again.logits, wrapped(ids).logits[:, 7:], atol=1e-9, rtol=1e-9)
        assert wrapped(ids, use_cache=False).past_key_values is None
        assert wrapped.train()(ids).past_key_values is None

    def test_no_cache_where_the_mechanism_has_none(self):
        assert zoo.as_transformers(_model("recomputing"))(_ids(1, 4), use_cache=True).past_key_values is None

    def test_assisted_generation_rolls_the_cache_back(self):
        wrapped, ids = zoo.as_transformers(_model()), _ids(1, 5).repeat(1, 3)
        plain = wrapped.generate(ids, max_new_tokens=8, do_sample=False)
        assert torch.equal(wrapped.generate(ids, max_new_tokens=8, do_sample=False, prompt_lookup_num_tokens=3), plain)


class TestFiles:
    @pytest.mark.parametrize("kind", KINDS)
    def test_auto_classes_read_what_the_zoo_saves_and_the_zoo_what_they_save(self, kind, tmp_path):
        model, ids = _model(kind), _ids(2, 9)
        zoo.save(model, tmp_path / "zoo")
        read = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "zoo")
        assert type(read).__name__ == "ZooForCausalLM"
        assert not read.training
        assert torch.equal(read(ids).logits, model(ids))
        for number, wrapped in enumerate((read, zoo.as_transformers(model))):
            folder = tmp_path / str(number)
            wrapped.save_pretrained(folder)
            assert json.loads((folder / "config.json").read_text())["architectures"] == ["ZooForCausalLM"]
            assert torch.equal(zoo.load(folder)(ids), model(ids))
            again = transformers.AutoModelForCausalLM.from_pretrained(folder)
            assert torch.equal(again(ids).logits, model(ids))
            zoo.save(zoo.load(folder), folder)

    def test_names_in_files_are_the_networks_own_and_states_load_under_either(self, tmp_path):
        from safetensors.torch import load_file

        model = _model("tied")
        wrapped = zoo.as_transformers(model)
        wrapped.save_pretrained(tmp_path)
        state = load_file(tmp_path / "model.safetensors")
        assert set(state) == {name for name, _ in model.named_parameters()}
        other = zoo.as_transformers(_model("tied", seed=1))
        other.load_state_dict(wrapped.state_dict())
        assert torch.equal(other(_ids(1, 4)).logits, wrapped(_ids(1, 4)).logits)
        other = zoo.as_transformers(_model("tied", seed=1))
        other.load_state_dict(state, strict=False)
        assert torch.equal(other(_ids(1, 4)).logits, wrapped(_ids(1, 4)).logits)

    def test_another_precision_leaves_tables_of_positions_alone(self, tmp_path):
        model = _model("sinusoidal")
        zoo.save(model, tmp_path)
        ours = zoo.load(tmp_path, dtype=torch.bfloat16)
        theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
        assert theirs.dtype == torch.bfloat16
        assert torch.equal(theirs.zoo_module.model.position_table, model.model.position_table)
        assert torch.equal(theirs(_ids(1, 9)).logits, ours(_ids(1, 9)))
        fresh = transformers.AutoModelForCausalLM.from_config(theirs.config)
        assert fresh.dtype == torch.bfloat16
        assert torch.equal(fresh.zoo_module.model.position_table, model.model.position_table)

    def test_building_switches_no_other_thread_to_another_precision(self, monkeypatch):
        config = zoo.as_transformers(_model("sinusoidal")).config
        default = torch.get_default_dtype()
        switched = []
        monkeypatch.setattr(torch, "set_default_dtype", switched.append)
        built = hosting._build(config, meta=False)
        assert torch.get_default_dtype() == default
        assert not switched
        assert next(built.parameters()).dtype == default

    def test_a_fresh_model_is_initialised_by_the_network_itself(self):
        config = zoo.as_transformers(_model()).config
        torch.manual_seed(5)
        fresh = transformers.AutoModelForCausalLM.from_config(config)
        torch.manual_seed(5)
        expected = zoo.load("tiny/rotary", weights=None)
        assert torch.equal(fresh(_ids(1, 4)).logits, expected(_ids(1, 4)))

    def test_large_files_are_split_and_read(self, tmp_path):
        model = _model()
        zoo.as_transformers(model).save_pretrained(tmp_path, max_shard_size="20KB")
        assert (tmp_path / "model.safetensors.index.json").is_file()
        assert torch.equal(zoo.load(tmp_path)(_ids(1, 4)), model(_ids(1, 4)))

    def test_the_hub(self, zoo_hub, monkeypatch, tmp_path):
        monkeypatch.setenv("HF_TOKEN", zoo_hub.token)
        model, ids = _model(), _ids(1, 4)
        zoo.push(model, "me/tiny")
        # transformers' client reads the place of the Hub once, at import: it needs a process of its own.
        program = f"""
import torch, zoo
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("me/tiny")
torch.save(model(torch.tensor({ids.tolist()})).logits, {str(tmp_path / "logits.pt")!r})
model.save_pretrained({str(tmp_path / "theirs")!r})
"""
        path = f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert torch.equal(torch.load(tmp_path / "logits.pt"), model(ids))
        zoo.push(tmp_path / "theirs", "me/other")
        assert torch.equal(zoo.load("hf://me/other")(ids), model(ids))

    def test_incomplete_and_foreign_files_are_refused(self, tmp_path):
        from safetensors.torch import load_file, save_file

        zoo.save(_model(), tmp_path)
        file = tmp_path / "model.safetensors"
        state = load_file(file)
        del state["model.norm.weight"]
        save_file(state | {"odd": torch.zeros(1)}, file, metadata={"format": "pt"})
        with pytest.raises(zoo.CheckpointMismatch, match=r"missing \['zoo_module.model.norm.weight'\], unexpected"):
            transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
        with pytest.raises(zoo.InputError, match="is not an image classifier"):
            transformers.AutoModelForImageClassification.from_pretrained(tmp_path)
        content = json.loads((tmp_path / "config.json").read_text())
        content["zoo"] |= {"plugin": "far", "distribution": "zoo-far"}
        (tmp_path / "config.json").write_text(json.dumps(content))
        with pytest.raises(zoo.PluginError, match="pip install zoo-far"):
            transformers.AutoModelForCausalLM.from_pretrained(tmp_path)

    def test_a_model_that_no_config_builds_is_not_saved(self, tmp_path):
        wrapped = zoo.as_transformers(_model())
        wrapped.zoo_module.model.norm = torch.nn.Identity()
        with pytest.raises(zoo.InputError, match=r"model\.norm"):
            wrapped.save_pretrained(tmp_path)


class TestGradientCheckpointing:
    def test_gives_the_same_gradients_and_runs_blocks_twice(self, tmp_path):
        wrapped, ids = zoo.as_transformers(_model().train()), _ids(2, 9)
        gradients, calls = [], []
        wrapped.zoo_module.model.layers[0].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
        for enable in (False, True):
            if enable:
                wrapped.gradient_checkpointing_enable()
            wrapped.zero_grad()
            wrapped(ids, labels=ids, use_cache=True).loss.backward()
            gradients.append([parameter.grad.clone() for parameter in wrapped.parameters()])
        assert len(calls) == 3
        for plain, again in zip(*gradients, strict=True):
            torch.testing.assert_close(again, plain)
        assert wrapped.is_gradient_checkpointing
        copied = copy.deepcopy(wrapped)
        assert copied.zoo_module.model.layers[0].forward.__self__ is copied.zoo_module.model.layers[0]
        # It is no part of the network, and stays on after a save.
        wrapped.save_pretrained(tmp_path)
        assert torch.equal(zoo.load(tmp_path)(ids), wrapped.zoo_module(ids))
        assert len(calls) == 4
        wrapped(ids, labels=ids).loss.backward()
        assert len(calls) == 6
        wrapped.gradient_checkpointing_disable()
        wrapped(ids, labels=ids).loss.backward()
        assert len(calls) == 7
        assert not wrapped.is_gradient_checkpointing

    def test_running_statistics_are_not_counted_twice(self):
        with pytest.raises(zoo.InputError, match="running statistics"):
            zoo.as_transformers(zoo.load("tiny-norm")).gradient_checkpointing_enable()


class TestClassifiers:
    def test_logits_loss_and_files(self, tmp_path):
        torch.manual_seed(0)
        model = zoo.load("tiny-eye")
        wrapped = zoo.as_transformers(model)
        images, labels = torch.randn(4, 1, 8, 8), torch.tensor([0, 2, 1, 1])
        output = wrapped(pixel_values=images, labels=labels)
        torch.testing.assert_close(output.logits, model(images))
        torch.testing.assert_close(output.loss, torch.nn.functional.cross_entropy(model(images), labels))
        assert wrapped.config.num_labels == 3
        wrapped.save_pretrained(tmp_path)
        assert torch.equal(zoo.load(tmp_path)(images), model(images))
        zoo.save(model, tmp_path)
        read = transformers.AutoModelForImageClassification.from_pretrained(tmp_path)
        assert torch.equal(read(images).logits, model(images))
        assert read.config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
        with pytest.raises(zoo.InputError, match="is not a language model"):
            transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
        with pytest.raises(zoo.InputError, match="no use for output_attentions"):
            read(images, output_attentions=True)
        with pytest.raises(zoo.InputError, match="reads pixel_values"):
            read()

    @pytest.mark.parametrize("name", [offer.qualified for offer in zoo.entries(kind="model", tag="classification")])
    def test_every_entry_is_one_or_is_refused(self, name):
        entry = catalogue.current().find(name).offer.entry
        instance = small_instance(entry)
        config, example = OmegaConf.to_container(OmegaConf.structured(instance)), example_of(entry, instance)
        model = zoo.load(name, weights=None, config=config)
        others = set(example) - {"images", "slot_noise"}
        if "images" not in example or others or not config.get("num_classes"):
            with pytest.raises(zoo.InputError, match="is neither a language model"):
                zoo.as_transformers(model)
            return
        wrapped, images = zoo.as_transformers(model), example["images"]
        output = wrapped(pixel_values=images, labels=torch.arange(len(images)) % 2)
        assert output.logits.shape == (len(images), wrapped.config.num_labels)
        output.loss.backward()

    def test_a_new_head_for_other_classes(self, tmp_path):
        model = zoo.load("tiny-eye")
        zoo.save(model, tmp_path)
        arguments = {"num_labels": 5, "ignore_mismatched_sizes": True}
        read = transformers.AutoModelForImageClassification.from_pretrained(tmp_path, **arguments)
        assert read(torch.randn(2, 1, 8, 8)).logits.shape == (2, 5)
        assert torch.equal(read.zoo_module.blocks[0].norm1.weight, model.blocks[0].norm1.weight)
        assert read.zoo_module.head.weight.isfinite().all()
        read.save_pretrained(tmp_path / "new")
        assert zoo.load(tmp_path / "new").head.out_features == 5


class TestArrival:
    def _run(self, program: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def test_importing_the_zoo_imports_neither_torch_nor_transformers(self):
        assert self._run("import sys, zoo; print([m for m in ('torch', 'transformers') if m in sys.modules])") == "[]"

    @pytest.mark.parametrize("first", ["zoo", "transformers", "transformers.models.auto.modeling_auto"])
    def test_auto_classes_know_the_zoo_in_either_order(self, first):
        program = f"""
import {first}
import zoo
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
config = AutoConfig.for_model("attention-zoo")
print(type(config).__name__, MODEL_FOR_CAUSAL_LM_MAPPING[type(config)].__name__)
import transformers.modeling_utils as module
print(module.__loader__.get_source(module.__name__)[:1] == "#", module.__spec__.loader is module.__loader__)
"""
        assert self._run(program).splitlines() == ["ZooConfig ZooForCausalLM", "True True"]

    def test_a_step_that_fails_warns_and_leaves_transformers_usable(self):
        program = """
import sys, warnings, zoo
from zoo.bridges.transformers import arrival
arrival.STEPS["transformers.models.auto.configuration_auto"] = "zoo.bridges.transformers.auto:gone"
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from transformers import AutoConfig
told = [str(w.message).partition(" (")[0] for w in caught if "zoo" in str(w.message)]
print(told, AutoConfig.for_model("llama").model_type)
"""
        assert self._run(program) == '["this transformers does not know the zoo\'s models"] llama'
