"""What every entry must do, as checks that any plugin author runs on their own entries.

``zoo.testing.suite`` makes tests of them; ``pytest --zoo-plugin my-plugin`` runs those without a test module. Every
check is a function of an ``Offer`` and raises AssertionError with the reason; those that do not concern a kind of
entry pass over it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo import about, building, catalogue, configuration
from zoo.errors import ConfigError, MaskError, ZooError
from zoo.facts import MODULE_KINDS, Entry
from zoo.targets import resolve

HEAVY = ("torch", "transformers", "diffusers", "huggingface_hub", "numpy", "omegaconf", "rich")

# Presets made for tests, in order of preference; without one the schema's defaults serve.
SMALL = ("test", "tiny", "golden", "digits", "char")


def small_preset(entry: Entry) -> str | None:
    """The preset that the checks run on."""
    return next((name for name in SMALL if name in entry.presets), None)


def small_instance(entry: Entry, **overrides: Any) -> Any:
    """A checked config of that preset."""
    return configuration.merge(entry, small_preset(entry), None, overrides).instance


def build_small(entry: Entry, **overrides: Any) -> Any:
    """The entry in that preset, freshly initialised from a fixed seed, modules in eval mode."""
    torch.manual_seed(0)
    built = building.build(entry, small_instance(entry, **overrides))
    return built.eval() if isinstance(built, nn.Module) else built


def example_of(entry: Entry, instance: Any, batch_size: int = 2, seed: int = 0) -> dict[str, Any]:
    """The entry's example call."""
    assert entry.example is not None, f"{entry.id} has no example"
    found: dict[str, Any] = resolve(entry.example)(instance, batch_size=batch_size, seed=seed)
    return found


def tensors(value: Any) -> list[Tensor]:
    """All tensors in nested mappings, sequences and dataclasses."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for item in value.values() for tensor in tensors(item)]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors(item)]
    if hasattr(value, "__dataclass_fields__"):
        return [tensor for name in value.__dataclass_fields__ for tensor in tensors(getattr(value, name))]
    return []


def call(built: nn.Module, inputs: Mapping[str, Any]) -> list[Tensor]:
    """Output tensors of one call."""
    found = tensors(built(**inputs))
    assert found, f"{type(built).__name__} returned no tensor"
    return found


def _is_module(entry: Entry) -> bool:
    return entry.kind in MODULE_KINDS


def _cast(inputs: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    return {
        name: value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }


def _row(inputs: Mapping[str, Any], index: int) -> dict[str, Any]:
    return {
        name: value[index : index + 1] if isinstance(value, Tensor) and value.ndim else value
        for name, value in inputs.items()
    }


def check_facts_resolve(offer: catalogue.Offer) -> None:
    """Every "module:name" leads somewhere."""
    entry = offer.entry
    targets = [entry.build, entry.config, entry.example, entry.functional, entry.preprocess, entry.predict, entry.train]
    targets += [claim.check for claim in entry.claims] + [weights.convert for weights in entry.weights.values()]
    targets += [entry.convert, entry.paper_input, offer.paper.replay]
    for target in targets:
        assert target is None or callable(resolve(target)), f"{target} is not callable"


def check_schema(offer: catalogue.Offer) -> None:
    """Presets are valid; unknown fields, wrong types and numbers that cannot be built are refused by name."""
    entry = offer.entry
    for preset in (None, *entry.presets):
        configuration.merge(entry, preset)
    with pytest.raises(ConfigError, match="no_such_field"):
        configuration.merge(entry, None, None, {"no_such_field": 1})
    for name, annotation, _, _ in about.described(configuration.schema_of(entry)):
        assert annotation != "Any", f"{name} has no type"
        assert name not in configuration.RESERVED, f"{name} is an argument of zoo.load: it cannot be overridden"
        if annotation in ("int", "float"):
            with pytest.raises(ConfigError, match=name):
                configuration.merge(entry, None, None, {name: "not a number"})
            for number in (-1, 0):
                _check_refused_or_buildable(entry, {name: number})


def _check_refused_or_buildable(entry: Entry, overrides: Mapping[str, Any]) -> None:
    with contextlib.suppress(ZooError):
        instance = small_instance(entry, **overrides)
        if _is_module(entry):
            # Directly: building.build makes an error of ours of whatever a schema should have refused.
            with building.on_meta():
                resolve(entry.build)(instance)


def check_parameters_on_meta(offer: catalogue.Offer) -> None:
    """The count on the meta device is the real one, and builds leave no real parameter behind."""
    entry = offer.entry
    if not _is_module(entry):
        return
    instance = small_instance(entry)
    built = building.build_on_meta(lambda: building.build(entry, instance))
    assert all(parameter.is_meta for parameter in built.parameters())
    assert not any(buffer.is_meta for _, buffer in building.transient_buffers(built))
    real = building.build(entry, instance)
    assert building.count_parameters(entry, instance) == sum(p.numel() for p in real.parameters())


def check_forward_and_backward(offer: catalogue.Offer) -> None:
    """Outputs and gradients are finite."""
    entry = offer.entry
    if not _is_module(entry):
        return
    instance = small_instance(entry)
    built = build_small(entry)
    inputs = example_of(entry, instance)
    inputs = {
        name: value.clone().requires_grad_() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in inputs.items()
    }
    outputs = call(built, inputs)
    assert all(torch.view_as_real(o).isfinite().all() if o.is_complex() else o.isfinite().all() for o in outputs)
    total = torch.zeros(())
    for output in outputs:
        if output.requires_grad:
            flat = torch.view_as_real(output) if output.is_complex() else output
            total = total + flat.float().square().mean()
    if total.requires_grad:
        total.backward()
        gradients = [p.grad for p in built.parameters() if p.grad is not None]
        gradients += [v.grad for v in inputs.values() if isinstance(v, Tensor) and v.grad is not None]
        assert gradients, "nothing got a gradient"
        assert all(gradient.isfinite().all() for gradient in gradients)


def check_save_and_load(offer: catalogue.Offer) -> None:
    """A saved object comes back bit for bit and gives the same outputs."""
    entry = offer.entry
    preset = small_preset(entry)
    name = f"{offer.qualified}/{preset}" if preset else offer.qualified
    loaded = zoo.load(name, weights=None)
    with tempfile.TemporaryDirectory() as folder:
        zoo.save(loaded, folder)
        again = zoo.load(folder)
        assert type(again) is type(loaded)
        if isinstance(loaded, nn.Module):
            before, after = loaded.state_dict(), again.state_dict()
            assert before.keys() == after.keys()
            assert all(torch.equal(before[key], after[key]) for key in before)
            inputs = example_of(entry, small_instance(entry))
            with torch.no_grad():
                pairs = zip(call(loaded, inputs), call(again, inputs), strict=True)
                assert all(torch.equal(old, new) for old, new in pairs), "something that matters is not in the state"


def check_determinism(offer: catalogue.Offer) -> None:
    """Two calls in eval mode give the same numbers."""
    entry = offer.entry
    if not _is_module(entry):
        return
    built, inputs = build_small(entry), example_of(entry, small_instance(entry))
    with torch.no_grad():
        first, second = call(built, inputs), call(built, inputs)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def check_batch_independence(offer: catalogue.Offer) -> None:
    """An example gives the same output alone and in a batch."""
    entry = offer.entry
    if not _is_module(entry):
        return
    instance, built = small_instance(entry), build_small(entry)
    inputs = example_of(entry, instance, batch_size=3)
    batched = all(isinstance(v, Tensor) and v.ndim and v.shape[0] == 3 for v in inputs.values())
    assert batched, "every example input must have the batch on axis 0"
    with torch.no_grad():
        together = call(built, inputs)
        for index in range(3):
            for whole, alone in zip(together, call(built, _row(inputs, index)), strict=True):
                if whole.ndim and whole.shape[0] == 3:
                    torch.testing.assert_close(whole[index : index + 1], alone, atol=2e-5, rtol=2e-4)


def check_dtypes(offer: catalogue.Offer) -> None:
    """float64 runs and agrees with float32; bfloat16 runs and stays finite."""
    entry = offer.entry
    if not _is_module(entry):
        return
    inputs = example_of(entry, small_instance(entry))
    with torch.no_grad():
        plain = call(build_small(entry), inputs)
        exact = call(build_small(entry).double(), _cast(inputs, torch.float64))
        rough = call(build_small(entry).to(torch.bfloat16), _cast(inputs, torch.bfloat16))
    for usual, wide, narrow in zip(plain, exact, rough, strict=True):
        if wide.is_floating_point():
            assert wide.dtype == torch.float64
            torch.testing.assert_close(usual.double(), wide, atol=1e-4, rtol=1e-3)
            assert narrow.isfinite().all()


def _forms(entry: Entry) -> Iterator[tuple[bool, nn.Module]]:
    """The causal and the bidirectional form of a drop-in layer, those that its mechanism has."""
    if "causal" not in configuration.schema_of(entry).__dataclass_fields__:  # type: ignore[attr-defined]
        yield False, build_small(entry)
        return
    for causal in (False, True):
        try:
            built = build_small(entry, causal=causal)
        except ConfigError as error:
            if error.field != "causal":
                raise
        else:
            yield causal, built


def check_masks(offer: catalogue.Offer) -> None:
    """Changing what a mask hides changes nothing that is visible; a mask of the wrong shape is an error."""
    entry = offer.entry
    if entry.kind != "attention":
        return
    inputs = example_of(entry, small_instance(entry))
    x = inputs.get("x")
    if set(inputs) != {"x"} or not isinstance(x, Tensor) or x.ndim != 3:
        return
    mask = torch.ones(x.shape[:2], dtype=torch.bool)
    # The end of one sequence and the start of the other: a causal layer never looks at what lies behind.
    mask[0, -3:] = False
    mask[1, :2] = False
    changed = torch.where(mask[..., None], x, x + 5.0)
    for _, built in _forms(entry):
        with torch.no_grad():
            plain, other = built(x, attn_mask=mask), built(changed, attn_mask=mask)
            torch.testing.assert_close(plain[mask], other[mask], atol=1e-5, rtol=1e-4)
            blind = built(x, attn_mask=torch.zeros_like(mask))
            assert blind.isfinite().all(), "a batch without a visible token gave NaN"
            single = built(x[:, :1])
            assert single.isfinite().all(), "length 1 gave NaN"
            for wrong in (mask[:, :-1], mask[:1].expand(x.shape[0] + 1, -1), mask.float()):
                with pytest.raises(MaskError):
                    built(x, attn_mask=wrong)


def check_causality(offer: catalogue.Offer) -> None:
    """A causal layer does not look ahead."""
    entry = offer.entry
    if entry.kind != "attention":
        return
    inputs = example_of(entry, small_instance(entry))
    for causal, built in _forms(entry):
        if causal:
            x = inputs["x"]
            half = x.shape[1] // 2
            changed = torch.cat((x[:, :half], x[:, half:] + 3.0), 1)
            with torch.no_grad():
                torch.testing.assert_close(built(x)[:, :half], built(changed)[:, :half], atol=1e-5, rtol=1e-4)


def check_method(offer: catalogue.Offer) -> None:
    """Attaching undoes itself: the model computes the same before and after."""
    entry = offer.entry
    if entry.kind != "method":
        return
    method, inputs = build_small(entry), example_of(entry, small_instance(entry))
    model, arguments = inputs["model"], inputs["inputs"]
    with torch.no_grad():
        before = tensors(dict(model(**arguments)))
        with method.attach(model):
            model(**arguments)
        after = tensors(dict(model(**arguments)))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def check_probe(offer: catalogue.Offer) -> None:
    """A probe's result has plain numbers, and leaves the model as it was."""
    entry = offer.entry
    if entry.kind != "probe":
        return
    import json

    probe, inputs = build_small(entry), example_of(entry, small_instance(entry))
    state = {name: tensor.clone() for name, tensor in inputs["model"].state_dict().items()}
    result = probe(**inputs)
    assert json.dumps(result.to_dict())
    assert callable(result.plot)
    assert all(torch.equal(tensor, state[name]) for name, tensor in inputs["model"].state_dict().items())


def check_benchmark(offer: catalogue.Offer) -> None:
    """A benchmark yields cases, and scores its own example system with finite numbers."""
    entry = offer.entry
    if entry.kind != "benchmark":
        return
    benchmark, inputs = build_small(entry), example_of(entry, small_instance(entry))
    assert len(list(benchmark.cases())) > 0
    scores = benchmark.run(inputs["system"])
    numbers = [value for value in scores.values() if isinstance(value, int | float)]
    assert numbers, "run returned no numbers"
    assert all(value == value for value in numbers), "a score is NaN"


CHECKS: tuple[Callable[[catalogue.Offer], None], ...] = (
    check_facts_resolve,
    check_schema,
    check_parameters_on_meta,
    check_forward_and_backward,
    check_save_and_load,
    check_determinism,
    check_batch_independence,
    check_dtypes,
    check_masks,
    check_causality,
    check_method,
    check_probe,
    check_benchmark,
)


def check_light_discovery(plugin: str) -> None:
    """Importing the plugin's catalogue imports nothing heavy."""
    module = catalogue.current().plugin(plugin).point.module
    code = (
        f"import sys, {module}; list((getattr({module}, 'zoo_papers', None) or tuple)());"
        f"print(','.join(sorted(set({HEAVY!r}) & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "", f"the catalogue of {plugin} imports {done.stdout.strip()}"
