"""What every probe and method keeps: models untouched, any attention, padding, errors that name things, results."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any

import pytest
import torch
from torch import nn

import zoo
from zoo import catalogue
from zoo.bridges.transformers.tiny import tiny_model
from zoo.evidence.measuring import PeakMemory
from zoo.nn.language_model import LanguageModel, LanguageModelConfig
from zoo_interpret.attention_heads_survey.probing import function_vector, probe_heads
from zoo_interpret.attention_heads_survey.replacement import effects
from zoo_interpret.cmr_heads.ablation import compare_ablations
from zoo_interpret.named_arrays import NamedArrays
from zoo_interpret.padding import nth_real
from zoo_interpret.tiny_multimodal import tiny_llava, tiny_llava_inputs

Arrays = dict[str, torch.Tensor]
OFFERS = {
    offer.entry.id: offer
    for offer in catalogue.current().offers
    if offer.plugin == "interpret" and offer.entry.kind in ("probe", "method")
}


def named(result: NamedArrays) -> Arrays:
    return result.arrays()


def logits_of(model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
    with torch.no_grad():
        output = model(**inputs)
    return output if isinstance(output, torch.Tensor) else output.logits


@dataclass(frozen=True)
class Case:
    """How an instrument is run, and on what.

    Args:
        run: (model, inputs) to arrays.
        family: of the model; "llava" for multimodal ones.
    """

    run: Callable[[nn.Module, dict[str, Any]], Arrays]
    family: str = "llama"


def attached(name: str, arguments: Callable[[dict[str, Any]], tuple[Any, ...]] = lambda inputs: (), **config: Any):
    """Logits of the last real tokens while a method is attached."""

    def run(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
        with zoo.load(name, **config).attach(model, *arguments(inputs)):
            return {"logits": at_last(logits_of(model, inputs), inputs)}

    return run


def at_last(logits: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
    real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    return logits[torch.arange(len(logits)), nth_real(real, -1)]


def probed(name: str, **config: Any):
    def run(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
        return named(zoo.load(name, **config)(model, inputs))

    return run


def steered(inputs: dict[str, Any]) -> tuple[torch.Tensor]:
    """Every example's first real tokens but one."""
    real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    return (torch.stack((nth_real(real, 0), nth_real(real, 1)), 1),)


def corrupted(inputs: dict[str, Any]) -> dict[str, Any]:
    changed = (inputs["input_ids"] + 7) % 60 + 3
    real = inputs.get("attention_mask", torch.ones_like(changed)).bool()
    return {**inputs, "input_ids": torch.where(real, changed, inputs["input_ids"])}


def replaced_by(inputs: dict[str, Any]) -> tuple[dict[str, Any]]:
    return (corrupted(inputs),)


def answers(inputs: dict[str, Any]) -> torch.Tensor:
    return torch.tensor([[5, 9]]).expand(len(inputs["input_ids"]), 2)


def paths(kind: str):
    def run(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
        method = zoo.load("circuit-reuse")
        return named(getattr(method, kind)(model, inputs, corrupted(inputs), answers(inputs)))

    return run


def decided(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
    found = zoo.load("adaptive-long-context-heads/tiny", sink=1, local=3).decide(model, inputs)
    real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    # What stands at padded queries is nobody's.
    tables = {name: table for name, table in found.arrays().items() if table.ndim == 4}
    return {name: torch.where(real[:, None, None], table, torch.zeros(())) for name, table in tables.items()}


def importance(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
    real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    labels = torch.where(real, inputs["input_ids"], -100)
    labels[torch.arange(len(real)), nth_real(real, 0)] = -100
    return named(zoo.load("sixteen-heads").importance(model, [{**inputs, "labels": labels}]))


def ratio(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
    real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    first = nth_real(real, 0)
    length = real.shape[1]
    mask = torch.zeros(len(real), length, length)
    for row in range(len(real)):
        mask[row, first[row] + 1 :, first[row]] = real[row, first[row] + 1 :]
    with zoo.load("cat").attach(model) as mean:
        logits_of(model, inputs)
    causal = torch.stack([mean.maps()[row, nth_real(real, -1)[row], first[row]] for row in range(len(real))])
    return {"causal": causal, "loss": mean.loss(mask)[None]}


def in_context(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
    return named(compare_ablations(model, [inputs["input_ids"]], [(0, 1)], early=2, late=5))


def vectors(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
    return {"vector": function_vector(model, inputs, [(0, 1), (1, 2)])}


def probing(model: nn.Module, inputs: dict[str, Any]) -> Arrays:
    real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    first = inputs["input_ids"][torch.arange(len(real)), nth_real(real, 1)]
    return {"accuracy": probe_heads(model, inputs, (first > first.median()).long(), folds=2)}


HEADS = ["0.1", "1.2"]
CASES = {
    "adaptive-long-context-heads": Case(attached("adaptive-long-context-heads/tiny", sink=1, local=3, tau=0.5)),
    "adaptive-long-context-heads skipping": Case(
        attached("adaptive-long-context-heads/tiny", sink=1, local=3, tau=0.5, skip=True)
    ),
    "adaptive-long-context-heads decisions": Case(decided),
    "attention-heads-survey-scores": Case(probed("attention-heads-survey-scores/tiny", repeat_length=10)),
    "attention-heads-survey-replacement": Case(
        attached("attention-heads-survey-replacement", replaced_by, how="patch", heads=HEADS)
    ),
    "attention-heads-survey-replacement effects": Case(
        lambda model, inputs: named(
            effects(model, inputs, zoo.load("attention-heads-survey-replacement", how="zero", heads=HEADS))
        ),
    ),
    "attention-heads-survey-replacement vectors": Case(vectors),
    "attention-heads-survey-replacement probing": Case(probing),
    "attention-pattern-injection-heads": Case(attached("attention-pattern-injection-heads/tiny"), "bert"),
    "attention-pattern-injection-relevance": Case(probed("attention-pattern-injection-relevance/tiny"), "bert"),
    "attention-posthoc": Case(probed("attention-posthoc/tiny", samples=20, query=-1, mask_id=3)),
    "attention-reference-frames": Case(probed("attention-reference-frames/tiny")),
    "bert-look": Case(probed("bert-look/tiny", js=True)),
    "cat": Case(ratio),
    "circuit-reuse": Case(attached("circuit-reuse", steered, steered=HEADS)),
    "circuit-reuse paths": Case(paths("path_effects")),
    "circuit-reuse activations": Case(paths("activation_effects")),
    "circuit-reuse direct": Case(paths("direct_effects")),
    "cmr-heads": Case(probed("cmr-heads/tiny", repeat_length=10)),
    "cmr-heads ablation": Case(in_context),
    "gridtom-probe": Case(
        lambda model, inputs: named(
            zoo.load("gridtom-probe/tiny")(
                model, [inputs], torch.tensor([True, False] * 6)[: len(inputs["input_ids"])], train_index=None
            )
        ),
    ),
    "gridtom-steering": Case(attached("gridtom-steering/tiny", alpha=30.0)),
    "paint": Case(attached("paint/tiny"), "llava"),
    "sixteen-heads": Case(
        attached("sixteen-heads", lambda inputs: (torch.tensor([[1.0, 0, 1, 1], [0, 1, 1, 0.5]]),)),
    ),
    "sixteen-heads importance": Case(importance),
    "sparse-attention-decomposition": Case(
        probed("sparse-attention-decomposition", attention_threshold=0.15, first_layer=1, most=40)
    ),
    "vhr": Case(attached("vhr/tiny"), "llava"),
    "vhr-divergence": Case(probed("vhr-divergence/tiny"), "llava"),
    "visit": Case(
        lambda model, inputs: probed("visit/tiny")(model, {name: value[:1] for name, value in inputs.items()})
    ),
    "visual-attention-sink": Case(attached("visual-attention-sink/tiny", tau=1.5, summ=0.0), "llava"),
}
# A graph is of one prompt; a window's first keys are sinks, and must not be padding; what skips has no mask.
REFUSED = {
    ("visit", "left"),
    ("visit", "right"),
    ("adaptive-long-context-heads", "left"),
    ("adaptive-long-context-heads skipping", "left"),
    ("adaptive-long-context-heads skipping", "right"),
    ("adaptive-long-context-heads decisions", "left"),
}
# Instruments that take what they make up themselves, or sequences that repeat: there is nothing to pad.
REPEATING = ("attention-heads-survey-scores", "cmr-heads", "cmr-heads ablation")


def model_for(case: Case, *, attn: str = "sdpa", **config: Any) -> nn.Module:
    if case.family == "llava":
        return tiny_llava(attn_implementation=attn, **config)
    model = tiny_model(case.family, attn_implementation=attn, **config)
    with torch.no_grad():
        # Attention far from uniform, so that who looks where makes a difference.
        for name, parameter in model.named_parameters():
            if any(part in name for part in ("q_proj", "k_proj", ".query.weight", ".key.weight")):
                parameter.mul_(15.0)
    return model


def inputs_for(name: str, case: Case, model: nn.Module, batch: int = 12) -> dict[str, Any]:
    if case.family == "llava":
        return tiny_llava_inputs(model, 2)
    generator = torch.Generator().manual_seed(3)
    if name in REPEATING:
        half = torch.stack([torch.randperm(60, generator=generator)[:10] + 3 for _ in range(2)])
        return {"input_ids": torch.cat((torch.ones(2, 1, dtype=torch.long), half, half), 1)}
    ids = torch.randint(3, 63, (batch, 9), generator=generator)
    ids[:, 0], ids[:, 4], ids[:, 8] = 1, 2, 2
    return {"input_ids": ids}


def close(found: Arrays, expected: Arrays, names: tuple[str, ...] | None = None) -> None:
    assert found.keys() == expected.keys()
    for name in found if names is None else names:
        torch.testing.assert_close(found[name], expected[name], atol=2e-4, rtol=2e-3, equal_nan=True, msg=name)


def test_every_probe_and_method_is_here():
    assert {name.split()[0] for name in CASES} == set(OFFERS)


@pytest.mark.parametrize("name", CASES)
def test_fast_attention_gives_what_eager_attention_gives(name):
    case = CASES[name]
    models = {attn: model_for(case, attn=attn) for attn in ("sdpa", "eager")}
    found = {attn: case.run(model, inputs_for(name, case, model)) for attn, model in models.items()}
    assert found["sdpa"]
    close(found["sdpa"], found["eager"])
    for attn, model in models.items():
        assert {each.config._attn_implementation for each in model.modules() if hasattr(each, "config")} == {attn}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.family != "bert"])
def test_grouped_keys_and_values_are_those_of_every_head(name):
    """A model whose query heads share keys and values is the same as one in which each head has a copy."""
    case = CASES[name]
    grouped = model_for(case)
    whole = model_for(case, num_key_value_heads=4)
    state = grouped.state_dict()
    for part, tensor in state.items():
        if part.endswith(("k_proj.weight", "v_proj.weight")) and "vision" not in part:
            state[part] = tensor.view(2, 8, -1).repeat_interleave(2, 0).flatten(0, 1)
    whole.load_state_dict(state)
    inputs = inputs_for(name, case, grouped)
    close(case.run(grouped, inputs), case.run(whole, inputs))


def padded(inputs: dict[str, Any], side: str, fill: int) -> dict[str, Any]:
    """The same batch with three tokens of padding for every example, on one side."""
    pad = (3, 0) if side == "left" else (0, 3)
    ids = inputs["input_ids"]
    mask = nn.functional.pad(torch.ones_like(ids), pad)
    found = {**inputs, "input_ids": nn.functional.pad(ids, pad, value=fill), "attention_mask": mask}
    return {**found, "position_ids": (torch.arange(ids.shape[1] + 3) - pad[0]).clamp(0, ids.shape[1] - 1)[None]}


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", [name for name in CASES if name not in REPEATING])
def test_padding_changes_nothing_or_is_refused(name, side):
    case = CASES[name]
    model = model_for(case)
    inputs = inputs_for(name, case, model)
    plain = case.run(model, inputs)
    more = padded(inputs, side, 66)
    if case.family == "llava":
        del more["position_ids"]
    if (name, side) in REFUSED:
        with pytest.raises(zoo.InputError, match="padd"):
            case.run(model, more)
        return
    found = case.run(model, more)
    for array in plain:
        expected, padded_one = plain[array], found[array]
        if expected.shape != padded_one.shape:
            kept = slice(3, None) if side == "left" else slice(0, -3)
            axes = [axis for axis in range(expected.ndim) if expected.shape[axis] + 3 == padded_one.shape[axis]]
            for axis in axes:
                padded_one = padded_one.movedim(axis, 0)[kept].movedim(0, axis)
        if array == "firings":
            expected, padded_one = expected.clone(), padded_one - torch.tensor([0, 0, 0, 3, 3]) * (side == "left")
        torch.testing.assert_close(padded_one, expected, atol=2e-4, rtol=2e-3, equal_nan=True, msg=array)


@contextmanager
def failing_at_the_end(model: nn.Module):
    """Within the context, passes of the model fail in their last layer."""

    def fail(*args: Any) -> None:
        raise RuntimeError("in the middle")

    last = model.get_output_embeddings()
    handle = last.register_forward_pre_hook(fail)
    try:
        yield
    finally:
        handle.remove()


def traces(model: nn.Module) -> list[Any]:
    """All that an instrument could have left on a model, but its parameters."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        (
            type(part),
            sorted(vars(part)),
            [len(getattr(part, hook)) for hook in hooks],
            part.training,
            getattr(getattr(part, "config", None), "_attn_implementation", None),
        )
        for part in model.modules()
    ] + [parameter.requires_grad for parameter in model.parameters()]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_models_are_as_before_also_where_a_pass_failed(name, fails):
    case = CASES[name]
    model = model_for(case)
    inputs = inputs_for(name, case, model)
    before, state, left = logits_of(model, inputs), {**model.state_dict()}, traces(model)
    copies = {part: tensor.clone() for part, tensor in state.items()}
    expected = case.run(model, inputs)
    with failing_at_the_end(model) if fails else nullcontext():
        if fails:
            with pytest.raises(RuntimeError, match="in the middle"):
                case.run(model, inputs)
    assert traces(model) == left
    assert all(torch.equal(tensor, copies[part]) for part, tensor in model.state_dict().items())
    assert all(tensor.data_ptr() == state[part].data_ptr() for part, tensor in model.state_dict().items())
    assert torch.equal(logits_of(model, inputs), before)
    close(case.run(model, inputs), expected)


@pytest.mark.parametrize("name", [name for name in OFFERS if OFFERS[name].entry.kind == "method"])
def test_models_are_as_before_where_the_body_failed(name):
    case = CASES[name]
    model = model_for(case)
    inputs, arguments = inputs_for(name, case, model), ()
    if name == "circuit-reuse":
        arguments = steered(inputs)
    if name.endswith("replacement"):
        arguments = replaced_by(inputs)
    method = zoo.load(name, **({"steered": HEADS} if name == "circuit-reuse" else {}))
    if OFFERS[name].entry.presets.get("tiny"):
        method = zoo.load(f"{name}/tiny")
    before, left = logits_of(model, inputs), traces(model)

    def body() -> None:
        with method.attach(model, *arguments):
            logits_of(model, inputs)
            raise KeyError("of the body")

    with pytest.raises(KeyError, match="of the body"):
        body()
    assert traces(model) == left
    assert torch.equal(logits_of(model, inputs), before)


# Who acts at the last token of every pass acts at another token in every step, which a whole pass cannot do.
BY_PASS = ("circuit-reuse", "gridtom-steering", "paint", "visual-attention-sink", "vhr")
# Replaces every position by that of a reference of the inputs' length; nothing stands for tokens written later.
BY_POSITION = ("attention-heads-survey-replacement",)


@pytest.mark.parametrize("name", ["sixteen-heads", "cat", "adaptive-long-context-heads"])
def test_decoding_with_a_cache_is_a_whole_pass(name):
    case = CASES[name]
    model = model_for(case)
    inputs = inputs_for(name, case, model)
    arguments = (torch.tensor([[1.0, 0, 1, 1], [0, 1, 1, 0.5]]),) if name == "sixteen-heads" else ()
    config = {"sink": 1, "local": 3, "tau": 0.5} if name.startswith("adaptive") else {}
    ids = inputs["input_ids"]
    with zoo.load(name, **config).attach(model, *arguments), torch.no_grad():
        whole = model(input_ids=ids).logits[:, -1]
        output = model(input_ids=ids[:, :6], use_cache=True)
        for place in range(6, ids.shape[1]):
            key = "cache" if hasattr(output, "cache") else "past_key_values"
            output = model(input_ids=ids[:, place : place + 1], use_cache=True, **{key: getattr(output, key)})
    torch.testing.assert_close(output.logits[:, -1], whole, atol=1e-4, rtol=1e-3)
    assert not torch.allclose(whole, logits_of(model, inputs)[:, -1]) or name == "cat", "the method does nothing"


@pytest.mark.parametrize("name", [*BY_PASS, *BY_POSITION])
def test_methods_that_act_in_every_pass_act_in_those_of_generate(name):
    case = CASES[name]
    model = model_for(case)
    inputs = inputs_for(name, case, model)
    inputs = {part: value[:1] for part, value in inputs.items()}
    settings = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False, "use_cache": True}
    before = model.generate(**inputs, **settings, output_logits=True, return_dict_in_generate=True)
    config = {"steered": HEADS} if name == "circuit-reuse" else {"heads": HEADS} if name in BY_POSITION else {}
    preset = "/tiny" if "tiny" in OFFERS[name].entry.presets else ""
    if name == "visual-attention-sink":
        config = {"tau": 1.5, "summ": 0.0}
    arguments = steered(inputs) if name == "circuit-reuse" else ()
    if name == "circuit-reuse":
        arguments = ()
    with zoo.load(name + preset, **config).attach(model, *arguments):
        found = model.generate(**inputs, **settings, output_logits=True, return_dict_in_generate=True)
    assert found.sequences.shape == before.sequences.shape
    changed = [not torch.equal(one, other) for one, other in zip(before.logits, found.logits, strict=True)]
    assert changed == [True] * 4, "the method acts in the prefill and in every step"
    again = model.generate(**inputs, **settings, output_logits=True, return_dict_in_generate=True)
    assert all(torch.equal(one, other) for one, other in zip(before.logits, again.logits, strict=True))


class Pool(nn.Module):
    """A network without attention, as a model's forward is called."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(97, 8)
        self.out = nn.Linear(8, 97)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **rest: Any) -> torch.Tensor:
        return self.out(self.embeddings(input_ids).cumsum(1))

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings


def without_attention() -> nn.Module:
    import transformers

    shape = {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 97}
    return transformers.MambaForCausalLM(transformers.MambaConfig(**shape)).eval()


@pytest.mark.parametrize("build", [Pool, without_attention])
@pytest.mark.parametrize("name", CASES)
def test_an_architecture_that_has_no_attention_is_named(name, build):
    case, model = CASES[name], build()
    inputs = inputs_for(name, Case(case.run), model)
    with pytest.raises(zoo.ZooError, match=type(model).__name__):
        case.run(model, inputs)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.family == "llava"])
def test_a_model_without_images_is_named(name):
    model = tiny_model("llama")
    with pytest.raises(zoo.ZooError, match="LlamaForCausalLM has no image token"):
        CASES[name].run(model, {"input_ids": torch.randint(3, 60, (2, 9))})


# What takes labels, and scores that the folded weights must explain, which know the rotary positions of transformers.
NOT_OF_THE_ZOO = ("sixteen-heads importance", "sparse-attention-decomposition")


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.family == "llama"])
def test_the_zoos_own_language_model_is_looked_into_too(name):
    torch.manual_seed(0)
    shape = {"vocab_size": 97, "dim": 32, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "hidden_dim": 48}
    model = LanguageModel(LanguageModelConfig(**shape, max_length=64)).eval()
    inputs = inputs_for(name, CASES[name], model)
    before, left = logits_of(model, inputs), traces(model)
    if name in NOT_OF_THE_ZOO:
        with pytest.raises(zoo.InputError, match="LanguageModel"):
            CASES[name].run(model, inputs)
    else:
        assert all(bool(table.isfinite().any()) for table in CASES[name].run(model, inputs).values())
    assert traces(model) == left
    assert torch.equal(logits_of(model, inputs), before)


def results() -> list[type[NamedArrays]]:
    """Classes of results, with those that a probe returns."""
    found, waiting = [], [NamedArrays]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            if kind.__module__.startswith("zoo_interpret"):
                found.append(kind)
            waiting.append(kind)
    return found


def test_axes_are_documented_in_every_result():
    assert len(results()) > 20
    for kind in results():
        for each in fields(kind):
            documented = f"{each.name}" in "".join(parent.__doc__ or "" for parent in kind.__mro__)
            assert documented or "axes" not in each.metadata or each.name in VISIBLE, (kind.__name__, each.name)
        assert all(axis for axes in kind.axes().values() for axis in axes), kind


# Tables of scores whose names are what they are, explained in the text of the package.
VISIBLE = {
    *("previous_token", "duplicate_token", "induction", "first_token", "self_attention", "entropy", "retrieval"),
}


@pytest.mark.parametrize("name", [name for name in OFFERS if OFFERS[name].entry.kind == "probe"])
def test_results_of_every_probe_are_read_as_numbers_tables_and_pictures(name, tmp_path):
    from safetensors import safe_open

    from zoo.testing.specimens import build_small, example_of, small_instance

    entry = OFFERS[name].entry
    result = build_small(entry)(**example_of(entry, small_instance(entry)))
    assert isinstance(result, NamedArrays)
    arrays, axes = result.arrays(), result.axes()
    sizes: dict[str, int] = {}
    for array, values in arrays.items():
        assert len(axes[array]) == values.ndim, array
        for axis, size in zip(axes[array], values.shape, strict=True):
            assert sizes.setdefault(axis, size) == size or axis == "token", (array, axis)
    for axis, places in result.place_names().items():
        assert axis not in sizes or len(places) == sizes[axis], axis
    plain = json.loads(result.save(tmp_path / "a.json").read_text())
    assert {array: list(axes[array]) for array in arrays} == plain["axes"]
    with safe_open(result.save(tmp_path / "a.safetensors"), framework="pt") as file:
        for array, values in arrays.items():
            torch.testing.assert_close(file.get_tensor(array), values, atol=0, rtol=0, equal_nan=True)
    result.save(tmp_path / "a.npz")
    rows = list(csv.DictReader(result.save(tmp_path / "a.csv").open()))
    assert len(rows) == sum(values.numel() for values in arrays.values())
    assert {row["array"] for row in rows} == {array for array, values in arrays.items() if values.numel()}
    assert set(rows[0]) == {"array", "value", *sizes}
    result.plot(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def lengthy(texts: int, length: int = 64) -> list[dict[str, torch.Tensor]]:
    """One text after the other, random; three of the ids are of separators and punctuation."""
    generator = torch.Generator().manual_seed(0)
    return [{"input_ids": torch.randint(1, 90, (1, length), generator=generator)} for _ in range(texts)]


STREAMING = {
    "bert-look": {},
    "attention-pattern-injection-relevance": {},
    "attention-reference-frames": {},
    "attention-posthoc": {"samples": 2, "mask_id": 3, "batch_size": 1},
}


@pytest.mark.parametrize("name", STREAMING)
def test_probes_of_maps_hold_one_layer_of_one_text_at_a_time(name):
    """Their memory does not grow with the texts, and with layers by less than a map more than the model's own does."""
    family = "bert" if name == "attention-pattern-injection-relevance" else "gpt2"

    def peaks(layers: int, texts: int) -> tuple[int, int]:
        model = tiny_model(family, **{"n_layer" if family == "gpt2" else "num_hidden_layers": layers})
        probe, given = zoo.load(f"{name}/tiny", **STREAMING[name]), lengthy(texts)
        with PeakMemory() as alone, torch.no_grad():
            model(**given[0])
        with PeakMemory() as probed:
            probe(model, given)
        return probed.peak, alone.peak

    few, forward = peaks(2, 3)
    a_map = 4 * 64 * 64 * 4
    assert peaks(2, 12)[0] < few + a_map
    if name != "attention-posthoc":
        deep, deep_forward = peaks(12, 3)
        assert (deep - few) - (deep_forward - forward) < 0.75 * 10 * a_map


def counted(name: str, **config: Any):
    return lambda log: zoo.load(name, **config)(tiny_model("gpt2"), lengthy(3, 12), log=log)


LONG_RUNS = {
    "bert-look": (counted("bert-look/tiny"), 3),
    "bert-look js": (counted("bert-look/tiny", js=True), 3),
    "attention-pattern-injection-relevance": (counted("attention-pattern-injection-relevance/tiny"), 3),
    "attention-reference-frames": (counted("attention-reference-frames/tiny"), 3),
    "attention-posthoc": (counted("attention-posthoc/tiny", samples=3, mask_id=3), 3),
    "attention-heads-survey-scores": (
        lambda log: zoo.load("attention-heads-survey-scores/tiny")(tiny_model("llama"), log=log),
        2,
    ),
    "sparse-attention-decomposition": (
        lambda log: zoo.load("sparse-attention-decomposition", attention_threshold=0.05, most=5)(
            tiny_model("gpt2"), {"input_ids": lengthy(1, 12)[0]["input_ids"]}, log=log
        ),
        5,
    ),
    "circuit-reuse": (
        lambda log: zoo.load("circuit-reuse").path_effects(
            tiny_model("gpt2"), *(each["input_ids"] for each in lengthy(2, 8)), torch.tensor([[3, 4]]), log=log
        ),
        8,
    ),
    "sixteen-heads ablation": (
        lambda log: zoo.load("sixteen-heads").ablation(tiny_model("gpt2"), lambda model: 0.0, log=log),
        16,
    ),
    "sixteen-heads importance": (
        lambda log: zoo.load("sixteen-heads").importance(
            tiny_model("gpt2"), [{**each, "labels": each["input_ids"]} for each in lengthy(3, 8)], log=log
        ),
        3,
    ),
    "sixteen-heads pruning": (
        lambda log: zoo.load("sixteen-heads", percents=[25, 50]).prune_curve(
            tiny_model("gpt2"),
            [{**each, "labels": each["input_ids"]} for each in lengthy(1, 8)],
            lambda model: 0.0,
            log=log,
        ),
        2,
    ),
    "gridtom-probe": (
        lambda log: zoo.load("gridtom-probe/tiny")(
            tiny_model("gpt2"), lengthy(12, 8), torch.arange(12) % 2 == 0, log=log
        ),
        14,
    ),
    "vhr-divergence": (
        lambda log: (lambda model: zoo.load("vhr-divergence/tiny")(model, [tiny_llava_inputs(model)] * 2, log=log))(
            tiny_llava()
        ),
        2,
    ),
}


@pytest.mark.parametrize("name", LONG_RUNS)
def test_long_runs_say_how_far_they_are(name):
    run, steps = LONG_RUNS[name]
    lines: list[str] = []
    run(lines.append)
    assert len(lines) == steps
    assert len(set(lines)) == steps, "each line says more than the one before"
