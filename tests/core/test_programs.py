"""Entries as programs: what is measured, kept and shown."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

import zoo
from zoo import catalogue
from zoo.evidence import programs
from zoo.evidence.programs import Program

NAMES = [
    "adaptive-filter-attention",
    "better-attention",
    "dual-attention",
    "efficient-attention",
    "fast-attention",
    "pavlovian-attention",
    "pavlovian-attention-lm",
    "skim-attention",
]


def offer_of(name):
    return catalogue.current().find(name).offer


@pytest.mark.parametrize("name", NAMES)
def test_layers_and_models_of_tokens_export_with_free_batch_and_length(name):
    found = programs.attempt(offer_of(name).entry, "export")
    assert found.works, found.reason
    assert found.difference is not None
    assert found.difference < 1e-5


def test_a_layer_goes_through_compile_and_onnx():
    entry = offer_of("efficient-attention").entry
    assert programs.attempt(entry, "compile", backend="aot_eager").works
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    assert programs.attempt(entry, "onnx").works


@pytest.mark.parametrize(
    "name", ["adaptive-filter-attention", "adaptive-filter-attention-network", "transformer-wave-function"]
)
def test_what_onnx_has_no_numbers_for_is_refused(name):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    found = programs.attempt(offer_of(name).entry, "onnx")
    assert (found.works, found.refused) == (False, True)
    assert "complex numbers" in found.reason


def test_refusals_are_told_from_failures(monkeypatch):
    entry = offer_of("efficient-attention").entry
    for error, refused in ((zoo.InputError("no program holds it"), True), (RuntimeError("boom\nmore"), False)):

        def fail(entry, error=error):
            raise RuntimeError("outer") from error

        monkeypatch.setattr(programs, "_exported", fail)
        found = programs.attempt(entry, "export")
        assert (found.works, found.refused) == (False, refused)
        assert found.reason == ("no program holds it" if refused else "RuntimeError: boom more")
    monkeypatch.setattr(programs, "_exported", lambda entry: 0.5)
    assert programs.attempt(entry, "export") == Program(False, 0.5, reason="other numbers")


@pytest.mark.parametrize(
    "name",
    [
        "attention-pattern-injection",
        "attention-pattern-injection-segmentation",
        "concept-centric-transformer",
        "location-relative-attention-dca-layer",
    ],
)
def test_models_of_other_inputs_export_with_a_free_batch(name):
    found = programs.attempt(offer_of(name).entry, "export")
    assert found.works, found.reason


@pytest.mark.parametrize("tool", ["export", "onnx"])
@pytest.mark.parametrize("name", ["group-pose", "hopfir-refinement", "mvft", "pisa", "poseur"])
def test_programs_compute_the_same_at_any_batch(name, tool):
    for package in ("onnxscript", "onnxruntime") if tool == "onnx" else ():
        pytest.importorskip(package)
    found = programs.attempt(offer_of(name).entry, tool)
    assert found.works, found.reason
    assert found.difference is not None
    assert found.difference < 1e-5


def killed(name, tool, backend):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_try_that_is_killed_ends_nothing_but_itself(monkeypatch):
    monkeypatch.setattr(programs, "_attempt_by_name", killed)
    found = programs.attempt_apart("efficient-attention", "export")
    assert (found.works, found.refused) == (False, False)
    assert "killed" in found.reason


def test_what_counts_for_every_id_is_as_long_as_ids_are():
    """Favourites of PISA and their weights: freed alone, either would hold the other's number in the program."""
    (case,) = programs._cases(offer_of("pisa").entry)
    assert case.lengthy == {"fav_ids", "fav_bll"}
    assert set(case.dynamic()["inputs"]["fav_bll"]) == {0, 1}
    assert set(case.dynamic()["inputs"]["seq_bll"]) == {0}


def test_differences_are_relative_and_shapes_count():
    assert programs._difference([torch.tensor([100.0, 1.0])], [torch.tensor([101.0, 1.0])]) == pytest.approx(0.01)
    with pytest.raises(zoo.InputError, match="an output of shape"):
        programs._difference([torch.zeros(2)], [torch.zeros(3)])


def test_results_are_kept_and_shown(tmp_path):
    offer = offer_of("efficient-attention")
    programs.record(offer, "export", Program(True, 2e-7), tmp_path)
    programs.record(offer, "onnx", Program(False, refused=True, reason="no | kernel"), tmp_path)
    kept = programs.read(offer, tmp_path)
    assert kept == {"export": Program(True, 2e-7), "onnx": Program(False, refused=True, reason="no | kernel")}
    assert "free: within 2e-07" in programs.section(kept)
    assert "| `efficient-attention` | - | within 2e-07 | no: no \\| kernel |" in programs.page([offer], tmp_path)
    assert programs.section({}) == ""
    (tmp_path / "sequence" / "programs" / "efficient-attention.json").write_text("[]")
    with pytest.raises(zoo.InputError, match="zoo programs efficient-attention --record"):
        programs.read(offer, tmp_path)


def test_only_layers_and_small_models_are_tried():
    assert programs.concerns(offer_of("dual-attention"))
    assert programs.concerns(offer_of("dual-attention-lm"))
    assert not programs.concerns(offer_of("attention-rank"))
    assert Path("docs") == programs.PAGE.parent


class BiasThatNothingReads(torch.nn.Module):
    """Softmax over positions: what is added to all of them has a gradient of 0 but for rounding."""

    def __init__(self):
        super().__init__()
        self.scale, self.bias = (torch.nn.Parameter(torch.tensor([value])) for value in (0.7, 0.3))

    def forward(self, inputs):
        return ((inputs["x"] * self.scale + self.bias).softmax(-1),)


def test_gradients_that_are_rounding_alone_are_no_difference(monkeypatch):
    """And one that is wrong is, however small its share of the outputs."""
    module = BiasThatNothingReads()
    inputs = {"x": torch.randn(4, 9, generator=torch.Generator().manual_seed(0))}
    monkeypatch.setattr(programs, "_cases", lambda entry: iter([programs._Case(module, inputs, inputs, frozenset())]))
    # Another order of sums, as a compiler takes.
    monkeypatch.setattr(torch, "compile", lambda module, **options: Reordered(module))
    assert programs._compiled(None, "eager") < 1e-5
    Reordered.running = False
    module.scale.register_hook(lambda gradient: gradient * 1.5 if Reordered.running else gradient)
    assert programs._compiled(None, "eager") > 0.1


class Reordered(torch.nn.Module):
    running = False

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, inputs):
        Reordered.running = True
        return tuple(each.flip(-1) for each in self.module({"x": inputs["x"].flip(-1)}))
