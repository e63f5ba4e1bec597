"""Entries as programs: through ``torch.compile``, ``torch.export`` and ONNX, beside what they compute by themselves.

* compile: ``torch.compile(fullgraph=True)``, forward and backward, then again with another batch size.
* export: ``torch.export`` with the batch free, and the length where the inputs have one; drop-in layers also with a
  padding mask. The program runs at another size than the traced one.
* onnx: the same by ``torch.onnx``, run by onnxruntime.

What an entry cannot do it refuses with a ``ZooError`` whose message is the reason on its card. Results are kept beside
the cards, one JSON file per paper, ``model_cards/PLUGIN/programs/PAPER.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import catalogue
from zoo.catalogue import Offer
from zoo.errors import InputError, ZooError, one_line
from zoo.evidence import records
from zoo.facts import MODULE_KINDS, Entry
from zoo.targets import require
from zoo.testing.conformance import build_small, example_of, small_instance, tensors

KIND = "programs"
PAGE = Path("docs") / "compile-and-export.md"
TOLERANCE = 1e-3
MOST_PARAMETERS = 5_000_000
TITLES = {
    "compile": "`torch.compile(fullgraph=True)`, forward and backward",
    "export": "`torch.export`, batch and length free",
    "onnx": "ONNX, batch and length free, in onnxruntime",
}


@dataclass(frozen=True)
class Program:
    """How an entry does in one tool.

    Args:
        works: whether the program computes what the entry computes.
        difference: largest difference of an output, relative to that output's largest number; None without a program.
        refused: whether a ``ZooError`` says that and why there is none.
        reason: what stands in the way, in one line.
    """

    works: bool
    difference: float | None = None
    refused: bool = False
    reason: str = ""


def concerns(offer: Offer) -> bool:
    """Whether an entry is a drop-in layer or a small model, with an example."""
    entry = offer.entry
    if entry.kind not in MODULE_KINDS or entry.example is None:
        return False
    return entry.kind == "attention" or sum(p.numel() for p in build_small(entry).parameters()) <= MOST_PARAMETERS


def attempt(entry: Entry, tool: str, *, backend: str = "inductor") -> Program:
    """Try an entry, in its small preset, in one of ``TITLES``.

    Args:
        entry: a drop-in layer or a model.
        tool: which.
        backend: of ``torch.compile``.
    """
    run: Callable[[Entry], float] = {
        "compile": lambda each: _compiled(each, backend),
        "export": _exported,
        "onnx": _through_onnx,
    }[tool]
    try:
        difference = run(entry)
    except Exception as error:
        causes = list(_causes(error))
        refusal = next((each for each in causes if isinstance(each, ZooError)), None)
        return Program(False, None, refusal is not None, str(refusal) if refusal else one_line(causes[-1]))
    finally:
        torch.compiler.reset()
    works = difference <= TOLERANCE
    return Program(works, difference, reason="" if works else "other numbers")


def attempt_apart(name: str, tool: str, *, backend: str = "inductor") -> Program:
    """``attempt`` in a process of its own: a try that is killed, usually for want of memory, ends nothing but itself.

    Args:
        name: of the entry.
        tool, backend: as for ``attempt``.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        try:
            return apart.submit(_attempt_by_name, name, tool, backend).result()
        except BrokenProcessPool:
            return Program(False, reason="its process was killed, usually for want of memory")


def _attempt_by_name(name: str, tool: str, backend: str) -> Program:
    return attempt(catalogue.current().find(name).offer.entry, tool, backend=backend)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


class _Flat(nn.Module):
    """A module of one mapping of tensors, whose outputs are a tuple of real ones; other inputs are fixed."""

    def __init__(self, module: nn.Module, fixed: Mapping[str, Any]) -> None:
        super().__init__()
        self.module, self.fixed = module, dict(fixed)

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """One call."""
        found = tensors(self.module(**inputs, **self.fixed))
        return tuple(torch.view_as_real(each) if each.is_complex() else each for each in found)


@dataclass(frozen=True)
class _Case:
    """A module, and inputs of two sizes."""

    module: _Flat
    traced: dict[str, Tensor]
    other: dict[str, Tensor]
    lengthy: frozenset[str]

    def dynamic(self) -> dict[str, Any]:
        """Sizes that a program must leave free."""
        free = torch.export.Dim.DYNAMIC
        return {"inputs": {name: {0: free, **({1: free} if name in self.lengthy else {})} for name in self.traced}}


def _cases(entry: Entry) -> Iterator[_Case]:
    instance = small_instance(entry)
    examples = [example_of(entry, instance, batch_size=batch, seed=batch) for batch in (2, 3)]
    drop_in = entry.kind == "attention" and set(examples[0]) == {"x"}
    fixed = {name: value for name, value in examples[0].items() if not isinstance(value, Tensor)}
    # Copies: of views an exporter also asks how they lie in what they are views of.
    traced, other = ({name: example[name].clone() for name in example if name not in fixed} for example in examples)
    ids = {tuple(value.shape) for name, value in traced.items() if name.endswith("ids") and value.ndim == 2}
    # What has a number or a row for every id, as a mask or the boxes of words, is as long as they are.
    lengthy = {name for name, value in traced.items() if drop_in or tuple(value.shape[:2]) in ids}
    if len({traced[name].shape[1] for name in lengthy}) == 1:
        other |= {name: other[name][:, :-2].clone() for name in lengthy if other[name].shape[1] > 4}
    yield _Case(_Flat(build_small(entry), fixed), traced, other, frozenset(lengthy))
    if drop_in:
        masked = [inputs | {"attn_mask": _padding(inputs["x"])} for inputs in (traced, other)]
        yield _Case(_Flat(build_small(entry), fixed), masked[0], masked[1], frozenset({"x", "attn_mask"}))


def _padding(x: Tensor) -> Tensor:
    """A mask (batch, length) that hides the last token of the first example."""
    mask = torch.ones(x.shape[:2], dtype=torch.bool)
    mask[0, -1] = False
    return mask


def _difference(ours: Sequence[Tensor], theirs: Sequence[Any]) -> float:
    worst = 0.0
    for a, b in zip(ours, map(torch.as_tensor, theirs), strict=True):
        if a.shape != b.shape:
            raise InputError(f"an output of shape {tuple(b.shape)} in place of {tuple(a.shape)}")
        if a.numel():
            largest = a.detach().double().abs().max().clamp(min=1e-12)
            worst = max(worst, float((a.detach().double() - b.detach().double()).abs().max() / largest))
    return worst


def _compiled(entry: Entry, backend: str) -> float:
    case = next(_cases(entry))
    # A fresh network may stand where it has no derivative, as points of deformable attention do on pixels' centres.
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in case.module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=drawn), alpha=0.01)
    program = torch.compile(case.module, fullgraph=True, backend=backend)
    found, gradients = [], []
    for run in (case.module, program):
        case.module.zero_grad()
        outputs = run(case.traced)
        learning = [each.float().square().mean() for each in outputs if each.requires_grad]
        if learning:
            torch.stack(learning).sum().backward()
        found.append(outputs)
        # Of all parameters at once: a gradient that is zero but for rounding, as a key's bias has, is no measure.
        gradients.append(
            [torch.cat([p.grad.flatten() for p in case.module.parameters() if p.grad is not None])] if learning else []
        )
    with torch.no_grad():
        again = _difference(case.module(case.other), program(case.other))
    return max(again, _difference(*found), _difference(*gradients))


@torch.no_grad()
def _exported(entry: Entry) -> float:
    worst = 0.0
    for case in _cases(entry):
        program = torch.export.export(case.module, (case.traced,), dynamic_shapes=case.dynamic()).module()
        worst = max(worst, _difference(case.module(case.other), program(case.other)))
    return worst


@torch.no_grad()
def _through_onnx(entry: Entry) -> float:
    for package in ("onnxscript", "onnxruntime"):
        require(package, needed_by="an export to ONNX")
    worst = 0.0
    for case in _cases(entry):
        program = torch.onnx.export(
            case.module, (), kwargs={"inputs": case.traced}, dynamic_shapes=case.dynamic(), dynamo=True, verbose=False
        )
        assert program is not None
        worst = max(worst, _difference(case.module(case.other), program(case.other)))
    return worst


def read(offer: Offer, cards: Path) -> dict[str, Program]:
    """What was recorded of an entry, by tool.

    Raises:
        InputError: the file is not one that ``record`` wrote.
    """
    return records.read(offer, KIND, cards, Program, command=f"zoo programs {offer.paper.id} --record")


def record(offer: Offer, tool: str, program: Program, cards: Path) -> None:
    """Keep a result; those of the paper's other entries and of other tools stay."""
    records.write(offer, KIND, cards, tool, program)


def said(program: Program) -> str:
    """A result in words."""
    if program.works:
        return f"within {program.difference:.0e}"
    return f"no: {program.reason}"


def section(programs: Mapping[str, Program]) -> str:
    """The lines of a card."""
    lines = [f"- {TITLES[tool]}: {said(programs[tool])}" for tool in TITLES if tool in programs]
    return "## Compile and export\n\n" + "\n".join(lines) if lines else ""


def page(offers: Sequence[Offer], cards: Path) -> str:
    """The table of all recorded entries, in Markdown."""
    rows = []
    for offer in offers:
        programs = read(offer, cards)
        if programs:
            cells = [said(programs[tool]).replace("|", "\\|") if tool in programs else "-" for tool in TITLES]
            rows.append(f"| `{offer.entry.id}` | {' | '.join(cells)} |")
    return "\n".join(
        [
            "# Compile and export",
            "",
            "Every drop-in layer and every small model as a program, in its small preset: through `torch.compile` with "
            "its default backend, through `torch.export` and through ONNX. A figure is the largest difference of an "
            "output from the entry's own, relative to the output's largest number; compiled programs include the "
            "gradients of all parameters, relative to the largest of them. Exported programs are traced at one size "
            "and run at another; drop-in layers are exported without and with a padding mask. What an entry cannot do "
            "it refuses with a `ZooError` that "
            "says why.",
            "",
            "Written by `zoo programs --all --record`.",
            "",
            "| entry | compile | export | ONNX |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )
