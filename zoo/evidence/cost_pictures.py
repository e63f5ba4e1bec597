"""Pictures of what entries cost: for the cards of drop-in layers, and for networks whose honest picture is their size.

``layer_picture`` draws measured time and memory out of ``docs/bench.json``. ``presets_picture`` and ``growth_picture``
count on the meta device, without weights and without computing: a function ``picture(path)`` of a plugin calls one of
them, and its docstring is the caption.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, one_line
from zoo.evidence import plots

if TYPE_CHECKING:
    from zoo.evidence.bench_record import Series
    from zoo.facts import Entry

# Okabe and Ito's colours, which differ for the colour-blind too; the first is the entry's own.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_GREY = "#666666"
_MARKERS = "osD^vPX"


def layer_caption(series: Series, settings: Mapping[str, Any]) -> str:
    """One sentence that says what ``layer_picture`` shows and on what it was measured."""
    way = "causal" if series.causal else "bidirectional"
    return (
        f"Time and memory of one {way} forward pass of this layer beside standard attention, by length of the "
        f"sequence; width {settings['dim']}, {settings['heads']} heads, untrained weights; measured on "
        f"{series.machine} by `zoo bench --record`."
    )


def layer_picture(name: str, series: Series, path: Path) -> None:
    """Time and memory against length, of a layer and of standard attention, both axes logarithmic.

    Args:
        name: of the layer, for the legend.
        series: from ``bench_record.read``.
        path: of the PNG.
    """
    figure = plots.new_figure(figsize=(9, 4.2))
    panels = figure.subplots(1, 2)
    lengths = [one.length for one in series.passes]
    held = [one for one in series.passes if one.peak_bytes and one.dense_bytes]
    drawn = (
        ("Time of a forward pass", "CPU seconds", lengths, [(one.seconds, one.dense_seconds) for one in series.passes]),
        (
            "Memory that a pass adds",
            "MiB at the peak",
            [one.length for one in held],
            [((one.peak_bytes or 0) / 2**20, (one.dense_bytes or 0) / 2**20) for one in held],
        ),
    )
    if "one thread" not in series.machine:
        drawn = (("Time of a forward pass", "seconds", *drawn[0][2:]), drawn[1])
    for panel, (title, unit, own, values) in zip(panels, drawn, strict=True):
        panel.loglog(own, [y for _, y in values], "s--", color=_GREY, markersize=4, label="standard attention")
        panel.loglog(own, [x for x, _ in values], "o-", color=COLOURS[0], markersize=5, linewidth=2, label=name)
        panel.set(title=title, xlabel="tokens", ylabel=unit)
        _powers_of_two(panel, lengths)
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
    panels[0].legend(loc="upper left", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def presets_picture(entry_name: str, path: Path, *, presets: Sequence[str] | None = None, limit: int = 16) -> None:
    """Parameters, and multiply-adds of one input, of every preset of an entry as bars with their numbers.

    Both are counted on the meta device, as ``zoo info`` counts them: at the input size for which the paper counts, or
    with the entry's example where its facts state none; the title says at which. Where operations cannot be counted
    there are parameters alone. Operators that a paper brings along count only where it registered a formula with
    ``torch.utils.flop_counter.register_flop_formula``.

    Args:
        entry_name: ``[plugin:]entry``, a module.
        path: of the PNG, 900 pixels wide.
        presets: only these, in this order; by default all, from small to large.
        limit: at most so many bars; of more presets every second one (third one, ...) is drawn.

    Raises:
        ConfigError: the entry is no module, so that there is nothing to count.
    """
    from zoo import catalogue, configuration, counting
    from zoo.building import count_parameters

    entry = catalogue.current().find(entry_name).offer.entry
    rows: list[tuple[str, int, counting.Flops | None]] = []
    chosen: Sequence[str | None] = presets or list(entry.presets) or [None]
    for preset in chosen:
        instance = configuration.merge(entry, preset).instance
        parameters = count_parameters(entry, instance)
        if parameters is None:
            raise ConfigError(f"{entry.id} is a {entry.kind} without parameters; its presets have no size to draw")
        rows.append((preset or entry.id, parameters, counting.count_flops(entry, instance)))
    if presets is None:
        rows.sort(key=lambda row: row[1])
    rows = rows[:: -(-len(rows) // limit)]
    counted = [flops.total for _, _, flops in rows if flops is not None and flops.total is not None]
    with_operations = len(counted) == len(rows)
    figure = plots.new_figure(figsize=(9, 1.5 + 0.34 * len(rows)))
    panels = figure.subplots(1, 1 + with_operations, sharey=True, squeeze=False)[0]
    names = [name for name, _, _ in rows]
    _bars(panels[0], names, [parameters for _, parameters, _ in rows], "Parameters")
    if with_operations:
        # Operations count two for a multiply-add.
        at = _input_size(entry, [flops.inputs for _, _, flops in rows if flops is not None])
        _bars(panels[1], names, [total // 2 for total in counted], f"Multiply-adds, {at}")
    figure.suptitle(f"Sizes of {entry.id}", fontsize="large")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def growth_picture(
    names: Sequence[str],
    path: Path,
    *,
    sizes: Sequence[int] = (128, 256, 512, 1024, 2048, 4096),
    inputs: Callable[[Any, int], Mapping[str, Any]] | None = None,
    changes: Callable[[int], Mapping[str, Any]] = lambda size: {},
    axis: str = "tokens",
    title: str = "Multiply-adds of one forward pass",
) -> None:
    """Multiply-adds of entries against the size of their input, counted on the meta device, both axes logarithmic.

    Operators that a paper brings along (MoBA's kernel) count only where it registered a formula, as above: drop-in
    layers are better measured, by ``layer_picture``.

    Args:
        names: ``[plugin:]entry[/preset]`` of modules, up to seven; a line each.
        path: of the PNG, 900 pixels wide.
        sizes: of the input, rising; powers of two make the ticks.
        inputs: ``inputs(config, size)``: keyword arguments of one call, a batch of one, tensors on any device. By
            default those of a drop-in layer, ``x`` (1, size, dim).
        changes: config overrides at a size, for instance ``lambda n: {"max_length": n}``.
        axis: what a size is, for the label.
        title: of the picture.

    Raises:
        ConfigError: there are more names than colours that can be told apart, or what a network does depends on the
            numbers in its tensors.
    """
    import torch

    from zoo import building, catalogue, configuration, counting

    if len(names) > len(COLOURS):
        raise ConfigError(f"{len(names)} entries cannot be told apart in one picture; name {len(COLOURS)} at most")
    figure = plots.new_figure(figsize=(9, 4.8))
    panel = figure.subplots()
    for name, colour, marker in zip(names, COLOURS, _MARKERS, strict=False):
        target = catalogue.current().find(name)
        entry = target.offer.entry
        counted = []
        for size in sizes:
            instance = configuration.merge(entry, target.preset, None, dict(changes(size))).instance
            with building.on_meta():
                module = building.build(entry, instance)
            call = inputs(instance, size) if inputs else {"x": torch.empty(1, size, instance.dim, device="meta")}
            try:
                counted.append(counting.flops(module.eval(), **call) / 2)
            except Exception as error:  # of whatever a forward pass does with numbers that are not there
                reason = f"the operations of {name} cannot be counted without computing: {one_line(error)}"
                raise ConfigError(reason) from error
        panel.loglog(list(sizes), counted, marker=marker, color=colour, label=name.rpartition(":")[2], linewidth=2)
    panel.set(title=title, xlabel=axis, ylabel="multiply-adds")
    _powers_of_two(panel, sizes)
    panel.yaxis.set_major_formatter(lambda value, _: short(value))
    panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
    panel.legend(loc="upper left", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def short(number: float) -> str:
    """A count in three digits and a unit: 5.63 M, 1.1 G, 640."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        # What rounds up to the next unit is written in it.
        if number >= 0.9995 * size:
            return f"{float(f'{number / size:.3g}'):g} {unit}"
    return f"{number:g}"


def _bars(panel: Any, names: Sequence[str], values: Sequence[int], title: str) -> None:
    places = range(len(names))
    # Sizes that differ by more than the eye can compare on one scale. A bar has no meaning where there is no zero.
    if min(values) > 0 and max(values) / min(values) > 30:
        panel.hlines(places, min(values) / 2, values, color="#dddddd", linewidth=1)
        panel.semilogx(values, places, "o", color=COLOURS[0], markersize=7)
        panel.set_xlim(min(values) / 2, max(values) * 12)
        title += ", logarithmic"
    else:
        panel.barh(places, values, color=COLOURS[0], height=0.7)
        panel.set_xlim(0, max(values) * 1.3)
    panel.set_yticks(places, names)
    panel.set_ylim(len(names) - 0.4, -0.6)
    for place, value in zip(places, values, strict=True):
        panel.annotate(short(value), (value, place), (6, 0), textcoords="offset points", va="center", fontsize="small")
    panel.set_title(title, fontsize="medium")
    panel.xaxis.set_major_formatter(lambda value, _: short(value))
    panel.minorticks_off()
    panel.tick_params(axis="x", labelsize="small")
    panel.spines[["top", "right"]].set_visible(False)


def _input_size(entry: Entry, inputs: Sequence[Mapping[str, Sequence[int]]]) -> str:
    """What the operations were counted with, as short as it can be said."""
    if any(found != inputs[0] for found in inputs):
        return "at the paper's input of each" if entry.paper_input else "of one example"
    shapes = ", ".join(" x ".join(map(str, shape)) for shape in list(inputs[0].values())[:2])
    return f"input {shapes}"


def _powers_of_two(panel: Any, lengths: Sequence[int]) -> None:
    panel.set_xscale("log", base=2)
    panel.set_xticks(list(lengths), [f"{length // 1024}k" if length % 1024 == 0 else str(length) for length in lengths])
    panel.minorticks_off()
