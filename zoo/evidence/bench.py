"""Drop-in attention layers against ``scaled_dot_product_attention``: time and memory over sequence lengths.

Time is that of the quickest forward pass of one layer on one sequence, of three at least and of as many as fit into
half a second. Memory is the growth of the process at its peak during one such pass; it has a process to itself, in
which what a tensor gives back goes back to the system, so that nothing but what the pass holds at one time is counted.
A layer that fails, or would take longer than the limit even if its time grew no faster than the sequence, gets no
longer sequence; the others go on.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo import catalogue
from zoo.errors import ConfigError
from zoo.targets import require

BASELINE = "scaled_dot_product_attention"
# Seconds that passes are repeated for, and of one pass after which it is not repeated.
_ENOUGH, _PATIENCE = 0.5, 5.0
COLUMNS = ("layer", "causal", "length", "seconds", "ratio to dense", "peak MB", "ratio to dense")


@dataclass(frozen=True)
class Result:
    """One layer at one length, or the problem it had; ratios are to the dense layer, causal or not like this one."""

    name: str
    causal: bool
    length: int
    seconds: float
    peak_bytes: int
    time_ratio: float = math.nan
    memory_ratio: float = math.nan
    problem: str = ""


def run(
    names: Sequence[str],
    lengths: Sequence[int],
    *,
    dim: int = 256,
    heads: int = 4,
    device: str = "cpu",
    limit: float = 20.0,
) -> list[Result]:
    """Measure.

    Args:
        names: entries of kind ``attention``; all drop-in layers where empty.
        lengths: in tokens, rising.
        dim, heads: of every layer.
        device: where the layers run.
        limit: seconds that a forward pass may take, judged from the last one in proportion to the length.
    """
    chosen = list(names) or drop_in_layers()
    results: list[Result] = []
    kinds: dict[str, bool] = {}
    for name in chosen:
        try:
            kinds[name] = causal_if_possible(name, dim, heads, max(lengths))
        except ConfigError as error:
            results.append(Result(name, False, min(lengths), math.nan, 0, problem=str(error)))
    dense: dict[tuple[bool, int], Result] = {}
    for causal in sorted(set(kinds.values())):
        for result in _series(BASELINE, causal, lengths, dim, heads, device, limit):
            dense[causal, result.length] = result
            results.append(_compared(result, result))
    for name, causal in kinds.items():
        for result in _series(name, causal, lengths, dim, heads, device, limit):
            results.append(_compared(result, dense.get((causal, result.length))))
    return results


def drop_in_layers() -> list[str]:
    """Qualified names of the attention entries that take (batch, length, dim)."""
    from zoo import configuration

    found = []
    for offer in catalogue.current().offers:
        if offer.entry.kind == "attention":
            fields = configuration.schema_of(offer.entry).__dataclass_fields__  # type: ignore[attr-defined]
            if {"dim", "causal"} <= set(fields):
                found.append(offer.qualified)
    return found


def causal_if_possible(name: str, dim: int, heads: int, length: int, options: Mapping[str, Any] | None = None) -> bool:
    """Causal where the mechanism allows it, else bidirectional.

    Raises:
        ConfigError: it allows neither.
    """
    from zoo.building import on_meta
    from zoo.nn.drop_in import attention_layer

    for causal in (True, False):
        try:
            with on_meta():
                attention_layer(name, dim=dim, num_heads=heads, causal=causal, max_length=length, **(options or {}))
        except ConfigError as error:
            refusal = error
        else:
            return causal
    raise refusal


def _series(
    name: str, causal: bool, lengths: Sequence[int], dim: int, heads: int, device: str, limit: float
) -> list[Result]:
    found: list[Result] = []
    for length in lengths:
        if found and found[-1].seconds * length / found[-1].length > limit:
            break
        job = {"name": name, "causal": causal, "length": length, "dim": dim, "heads": heads, "device": device}
        try:
            seconds, peak = _in_process("seconds", job), _in_process("bytes", job)
        except RuntimeError as error:
            found.append(Result(name, causal, length, math.nan, 0, problem=str(error)))
            break
        found.append(Result(name, causal, length, seconds, round(peak)))
    return found


def _in_process(what: str, job: dict[str, object]) -> float:
    """One figure from a process of its own.

    Raises:
        RuntimeError: the process failed; the last line that it wrote, or the signal that ended it.
    """
    # glibc keeps what tensors give back, in pieces that may fit no other; where memory is measured it returns them.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"} if what == "bytes" else None
    command = [sys.executable, "-m", "zoo.evidence.bench", what, json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"ended with code {done.returncode}; killed for its memory?")
    return float(done.stdout.splitlines()[-1])


def _compared(result: Result, dense: Result | None) -> Result:
    if dense is None or dense.problem or result.problem:
        return result
    memory = result.peak_bytes / dense.peak_bytes if dense.peak_bytes else math.nan
    return replace(result, time_ratio=result.seconds / dense.seconds, memory_ratio=memory)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Cells under ``COLUMNS``."""
    return [
        (
            result.name,
            "yes" if result.causal else "no",
            str(result.length),
            f"{result.seconds:.4f}",
            f"{result.time_ratio:.2f}",
            f"{result.peak_bytes / 1e6:.1f}",
            f"{result.memory_ratio:.2f}",
        )
        for result in results
        if not result.problem
    ]


def markdown(results: Sequence[Result]) -> str:
    """One row per layer: its time over dense attention's by length, and its memory at the longest that all reached."""
    measured = {(result.name, result.length): result for result in results if not result.problem}
    layers = {result.name: result.causal for result in measured.values() if result.name != BASELINE}
    lengths = sorted({length for _, length in measured})
    common = max((length for length in lengths if all((name, length) in measured for name in layers)), default=None)
    heads = ["layer", "causal", *map(str, lengths)] + ([f"memory at {common}"] if common else [])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, causal in layers.items():
        figures = [measured[name, length].time_ratio if (name, length) in measured else math.nan for length in lengths]
        figures += [measured[name, common].memory_ratio] if common else []
        cells = [f"`{name.rpartition(':')[2]}`", "yes" if causal else "no"]
        cells += ["-" if math.isnan(figure) else f"{figure:.2f}" for figure in figures]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(results: Sequence[Result], path: Path) -> None:
    """Time and memory over length, both axes logarithmic, as a PNG."""
    figure = require("matplotlib.figure", needed_by="plotting").Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    series: dict[tuple[str, bool], list[Result]] = {}
    for result in results:
        if not result.problem:
            series.setdefault((result.name, result.causal), []).append(result)
    colours = require("matplotlib", needed_by="plotting").colormaps["tab20"].colors
    for index, ((name, causal), points) in enumerate(series.items()):
        label = f"{name.rpartition(':')[2]}{'' if causal else ' (bidirectional)'}"
        style = {"color": colours[index % len(colours)], "linestyle": "-" if causal else "--"}
        if name == BASELINE:
            style |= {"color": "black", "linewidth": 2.5}
        lengths = [point.length for point in points]
        left.loglog(lengths, [point.seconds for point in points], marker="o", label=label, markersize=3, **style)
        right.loglog(lengths, [max(point.peak_bytes, 1) / 1e6 for point in points], marker="o", markersize=3, **style)
    left.set(xlabel="tokens", ylabel="seconds per forward pass")
    right.set(xlabel="tokens", ylabel="peak MB above the inputs")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right center", fontsize="small")
    figure.savefig(path, dpi=120)


def _measure(what: str, job: dict[str, Any]) -> float:
    """In a process of its own: seconds of the quickest forward pass, or bytes of memory that one adds."""
    import torch

    from zoo.nn.attention import MultiHeadAttention
    from zoo.nn.drop_in import attention_layer

    torch.manual_seed(0)
    dim, heads, length, causal = job["dim"], job["heads"], job["length"], job["causal"]
    if job["name"] == BASELINE:
        layer: torch.nn.Module = MultiHeadAttention(dim, heads, causal=causal)
    else:
        layer = attention_layer(job["name"], dim=dim, num_heads=heads, causal=causal, max_length=length)
    layer = layer.to(job["device"]).eval()
    x = torch.randn(1, length, dim, device=job["device"])
    with torch.no_grad():
        layer(x[:, :64])  # what torch loads and starts at first use is not the layer's
        return _seconds(lambda: layer(x), x.is_cuda) if what == "seconds" else bytes_added(lambda: layer(x), x.is_cuda)


def stay_in_memory() -> None:
    """Let what needs more memory than is free fail by itself, before the system ends it or another process."""
    import resource

    with suppress(ValueError, OSError):  # not every system counts free pages
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_DATA, (free, free))


def _seconds(run: Callable[[], object], cuda: bool) -> float:
    import time

    import torch

    seconds: list[float] = []
    begun = time.perf_counter()
    while (len(seconds) < 3 or time.perf_counter() - begun < _ENOUGH) and (not seconds or seconds[-1] < _PATIENCE):
        start = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def bytes_added(run: Callable[[], object], cuda: bool) -> int:
    """Bytes of memory that a call adds to what was there before, at its peak."""
    import torch

    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    before = _high_water(reset=True)
    run()
    return _high_water() - before


def _high_water(reset: bool = False) -> int:
    """Bytes that this process had in memory at its peak, since the last reset where the system can."""
    status = Path("/proc/self/status")
    if status.exists():
        if reset:
            # Not every container may; growth below an earlier peak, that of importing torch, is then not seen.
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")
        # Unlike getrusage's figure this one is not inherited from the parent process.
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    stay_in_memory()
    print(_measure(sys.argv[1], json.loads(sys.argv[2])))
