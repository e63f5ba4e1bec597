"""Costs of drop-in layers as shipped data: ``docs/bench.json``, with the machine that they were measured on.

``zoo bench --record`` writes it; cards and the site's comparison read it. Every layer runs beside standard attention in
one process, a pass of one after a pass of the other. On a CPU it is the time of the processor that counts, on one
thread, so that what else a machine does weighs little: in ratios less than in seconds. Memory is measured as
``zoo bench`` does, in a second process.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo import catalogue
from zoo.errors import ConfigError, InputError
from zoo.evidence import bench
from zoo.places import check_file, write_whole

FILE = Path("docs") / "bench.json"
COMMAND = "zoo bench --record"
_PACKAGES = ("attention-zoo", "torch")
# Pairs of passes, while they take less than this many seconds in all.
_PAIRS, _ENOUGH = 5, 0.25


@dataclass(frozen=True)
class Pass:
    """One forward pass over one sequence.

    Args:
        length: in tokens.
        seconds: of the quickest pass; ``dense_seconds``: of standard attention's, run in turn with it.
        peak_bytes: memory that a pass adds at its peak; ``dense_bytes``: standard attention's. None where there was not
            enough of it.
    """

    length: int
    seconds: float
    dense_seconds: float
    peak_bytes: int | None = None
    dense_bytes: int | None = None


@dataclass(frozen=True)
class Series:
    """What was measured of one layer.

    Args:
        plugin: that offers it.
        causal: whether it ran causally, and standard attention beside it; bidirectionally where it has no such form.
        parameters: of the layer, at its longest sequence; ``dense_parameters``: of standard attention.
        passes: by rising length.
        ended: why there are no longer ones, in words; empty where all lengths were reached.
        machine, versions, date, note: what it was measured on, when, and what else there is to know.
    """

    plugin: str
    causal: bool
    parameters: int
    dense_parameters: int
    passes: tuple[Pass, ...]
    ended: str
    machine: str
    versions: dict[str, str]
    date: str
    note: str = ""


@dataclass(frozen=True)
class Record:
    """The file.

    Args:
        settings: ``dim``, ``heads``, ``device``, ``lengths`` in tokens and ``limit`` in seconds a pass, the same for
            all layers.
        layers: by the entry's id.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, Series] = field(default_factory=dict)

    def of(self, offer: catalogue.Offer) -> Series | None:
        """What there is of an entry, or None."""
        found = self.layers.get(offer.entry.id)
        return found if found is not None and found.passes and found.plugin == offer.plugin else None


def read(root: Path = Path()) -> Record:
    """The record below a folder; an empty one where there is none.

    Raises:
        InputError: the file is not one that ``write`` wrote.
    """
    path = root / FILE
    if not path.is_file():
        return Record()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        layers = {
            name: Series(**{**found, "passes": tuple(Pass(**one) for one in found["passes"])})
            for name, found in content["layers"].items()
        }
        return Record(content["settings"], layers)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no record of costs ({error}); run: {COMMAND}") from error


def write(record: Record, root: Path = Path()) -> Path:
    """Write the record, layers by name."""
    path = root / FILE
    layers = {name: asdict(series) for name, series in sorted(record.layers.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"settings": record.settings, "layers": layers}, indent=1, ensure_ascii=False)
    write_whole(path, f"{text}\n".encode())
    return path


def measure(
    names: Sequence[str],
    lengths: Sequence[int],
    *,
    dim: int,
    heads: int,
    device: str = "cpu",
    limit: float = 20.0,
    note: str = "",
    root: Path = Path(),
    log: Callable[[str], object] = lambda line: None,
) -> Record:
    """Measure layers and keep each in the record as soon as it is done; what the record has of others stays.

    Args:
        names: entries of kind ``attention``; all drop-in layers where empty.
        lengths: in tokens, rising.
        dim, heads: of every layer.
        device: where the layers run.
        limit: seconds that a forward pass may take, judged from the growth of the last two.
        note: kept with every layer that is measured now.
        root: the folder that holds ``docs/bench.json``.
        log: takes a line for every layer.

    Raises:
        ConfigError: a named layer has no form of this size, or the record has other settings than these.
        InputError: the record cannot be written; found before anything is measured.
    """
    check_file(root / FILE)
    settings = {"dim": dim, "heads": heads, "device": device, "lengths": list(lengths), "limit": limit}
    known = read(root)
    chosen = [catalogue.current().find(name).offer for name in names or bench.drop_in_layers()]
    kept = set(known.layers) - {offer.entry.id for offer in chosen}
    if kept and known.settings != settings:
        raise ConfigError(
            f"{FILE} was recorded with {known.settings}, not {settings}; layers are compared at the same sizes: give "
            "those settings, or record all layers anew"
        )
    record = Record(settings, dict(known.layers))
    causal: dict[str, bool] = {}
    for offer in chosen:
        try:
            causal[offer.qualified] = bench.causal_if_possible(offer.qualified, dim, heads, max(lengths))
        except ConfigError as error:
            if names:
                raise
            log(f"{offer.entry.id}: left out, it has no form of this size ({error})")
    for offer in (offer for offer in chosen if offer.qualified in causal):
        job = {"name": offer.qualified, "causal": causal[offer.qualified], **settings}
        passes, ended = _passes(job)
        here = machine(device)
        found = Series(
            plugin=offer.plugin,
            causal=bool(job["causal"]),
            **_parameters(job, max((one.length for one in passes), default=min(lengths))),
            passes=tuple(passes),
            ended=ended,
            machine=here,
            versions=versions(),
            date=datetime.now(UTC).date().isoformat(),
            note=note,
        )
        record.layers[offer.entry.id] = found
        write(record, root)
        log(_said(offer.entry.id, found))
    return record


def machine(device: str) -> str:
    """The processor or the accelerator, in words."""
    import torch

    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(torch.device(device))}, float32"
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.processor() or platform.machine()}, {platform.system()}, one thread, float32"


def versions() -> dict[str, str]:
    """Of Python and of the packages that do the work."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree
            continue
    return found


def _said(name: str, series: Series) -> str:
    ratios = ", ".join(f"{one.length}: {one.seconds / one.dense_seconds:.2f}" for one in series.passes)
    return f"{name}: time over standard attention's, by length: {ratios or '-'}" + (
        f" ({series.ended})" if series.ended else ""
    )


def _passes(job: dict[str, Any]) -> tuple[list[Pass], str]:
    timed, ended = _in_process("seconds", job)
    longest = max((row["length"] for row in timed), default=0)
    reached = {**job, "lengths": [length for length in job["lengths"] if length <= longest]}
    # Memory that is not there ends the series of memory alone: time has been measured.
    held = {row["length"]: row for row in _in_process("bytes", reached)[0]} if timed else {}
    return [Pass(**{**row, **held.get(row["length"], {})}) for row in timed], ended


def _in_process(what: str, job: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The rows that a process of its own prints before it ends, and why it did so early."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"} if what == "bytes" else None
    command = [sys.executable, "-m", "zoo.evidence.bench_record", what, json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    ended = "".join(row["ended"] for row in rows if "ended" in row)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        ended = lines[-1] if lines else f"ended with code {done.returncode}; killed for its memory?"
    return [row for row in rows if "ended" not in row], ended


def _layers(job: dict[str, Any], length: int) -> tuple[Any, Any]:
    """The layer and standard attention, of which both see the same directions."""
    from zoo.nn.attention import MultiHeadAttention
    from zoo.nn.drop_in import attention_layer

    dim, heads, causal = job["dim"], job["heads"], job["causal"]
    layer = attention_layer(job["name"], dim=dim, num_heads=heads, causal=causal, max_length=length)
    return layer, MultiHeadAttention(dim, heads, causal=causal)


def _parameters(job: dict[str, Any], length: int) -> dict[str, int]:
    from zoo.building import on_meta
    from zoo.evidence.measuring import count_parameters

    with on_meta():
        layer, dense = _layers(job, length)
    return {"parameters": count_parameters(layer), "dense_parameters": count_parameters(dense)}


def _rows(what: str, job: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """A row per length; the last one may say why it is the last."""
    import torch

    torch.manual_seed(0)
    device = torch.device(job["device"])
    done: list[tuple[int, float]] = []
    for length in job["lengths"]:
        if what == "seconds" and (expected := _expected(done, length)) > job["limit"]:
            yield {"ended": f"a pass over {length} tokens would take about {expected:.0f} s"}
            return
        layer, dense = (module.to(device).eval() for module in _layers(job, length))
        x = torch.randn(1, length, job["dim"], device=device)
        with torch.no_grad():
            layer(x[:, :64]), dense(x[:, :64])  # what torch loads and starts at first use is not the layer's
            if what == "seconds":
                seconds, dense_seconds = _in_turn(layer, dense, x)
                done.append((length, seconds))
                yield {"length": length, "seconds": seconds, "dense_seconds": dense_seconds}
            else:
                held = [bench.bytes_added(partial(module, x), x.is_cuda) for module in (layer, dense)]
                yield {"length": length, "peak_bytes": held[0], "dense_bytes": held[1]}
        del layer, dense, x  # room for the next


def _expected(done: Sequence[tuple[int, float]], length: int) -> float:
    """Seconds of a pass, should time grow on as it did between the last two lengths, and at least in proportion."""
    if not done:
        return 0.0
    (last, seconds), growth = done[-1], 1.0
    if len(done) > 1:
        import math

        before, fewer = done[-2]
        growth = max(1.0, min(2.0, math.log(seconds / fewer) / math.log(last / before)))
    return seconds * float((length / last) ** growth)


def _in_turn(layer: Callable[[Any], object], dense: Callable[[Any], object], x: Any) -> tuple[float, float]:
    """Seconds of the quickest pass of each, of passes in turn."""
    import torch

    clock = time.perf_counter if x.is_cuda else time.process_time
    times: tuple[list[float], list[float]] = ([], [])
    begun = clock()
    while not times[0] or (len(times[0]) < _PAIRS and clock() - begun < _ENOUGH):
        for module, own in zip((layer, dense), times, strict=True):
            start = clock()
            module(x)
            if x.is_cuda:
                torch.cuda.synchronize()
            own.append(clock() - start)
    return min(times[0]), min(times[1])


if __name__ == "__main__":
    from zoo.threads import one_thread

    bench.stay_in_memory()
    with one_thread():
        for row in _rows(sys.argv[1], json.loads(sys.argv[2])):
            print(json.dumps(row), flush=True)
