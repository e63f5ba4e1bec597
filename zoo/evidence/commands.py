"""What this package adds to the ``zoo`` command: verify, replay, bench, compare, card and programs.

The core finds it as it finds every plugin, through an entry point. What commands need is imported when they run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.options import EntryName
from zoo.cli.output import echo_json, echo_table, json_option
from zoo.hooks import hookimpl
from zoo.names import suggestion
from zoo.places import check_file, check_folder

if TYPE_CHECKING:
    from zoo.evidence.verify import Verdict


@click.command("verify", short_help="Measure the claims of entries beside their papers' figures.")
@click.argument("names", nargs=-1, required=True, type=EntryName())
@click.option("--fast", is_flag=True, help="Leave out timings and trainings.")
@click.option("--real", is_flag=True, help="The claims about real pretrained models out of packages, and no others.")
@click.option("--record", is_flag=True, help="Write the figures next to the model cards, for zoo card.")
@json_option
def verify_command(names: tuple[str, ...], fast: bool, real: bool, record: bool, as_json: bool) -> None:
    """Measure the claims of NAMES (entries, or papers for all their entries)."""
    from zoo.evidence import card, figures, verify

    chosen = card.offers(names)
    if record:
        check_folder(card.FOLDER)
    verdicts = []
    for offer in chosen:
        for verdict in verify.verify(offer.entry, slow=not fast, real=real):
            verdicts.append(verdict)
            if record and verdict.measurement is not None:
                figures.record(offer, verdict.claim, verdict.measurement, card.FOLDER)
            if not as_json:
                _print_verdict(verdict)
    if as_json:
        echo_json(
            [
                {
                    "entry": verdict.entry,
                    "claim": verdict.claim.statement,
                    "figure": verdict.claim.figure,
                    "measured": verdict.measurement and verdict.measurement.measured,
                    "verdict": verdict.word,
                    "note": _note(verdict),
                    "seconds": round(verdict.seconds, 2),
                }
                for verdict in verdicts
            ]
        )
    sys.exit(any(verdict.word in ("does not hold", "check failed") for verdict in verdicts))


def _note(verdict: Verdict) -> str:
    if verdict.measurement is not None:
        return verdict.measurement.note
    return verdict.error or verdict.missing or f"needs {verdict.claim.needs}"


def _print_verdict(verdict: Verdict) -> None:
    click.echo(f"{verdict.entry}: {verdict.claim.statement}")
    click.echo(f"  paper     {verdict.claim.figure or '-'}")
    if verdict.measurement is not None:
        click.echo(f"  measured  {verdict.measurement.measured}")
    if _note(verdict):
        click.echo(f"  note      {_note(verdict)}")
    click.echo(f"  {verdict.word} ({verdict.seconds:.1f} s)")


@click.command("replay", short_help="Replay recorded runs of a paper's reference implementation.")
@click.argument("paper")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def replay_command(paper: str, files: tuple[Path, ...], as_json: bool) -> None:
    """Replay recordings FILES of PAPER; exit code 1 where an output differs."""
    from zoo.evidence.replay import replay

    comparisons = [comparison for path in files for comparison in replay(paper, path)]
    if as_json:
        echo_json([asdict(comparison) for comparison in comparisons])
    else:
        rows = [
            (c.recording, c.output, f"{c.absolute:.2e}", f"{c.relative:.2e}", "agrees" if c.agrees else c.problem)
            for c in comparisons
        ]
        echo_table(("recording", "output", "largest absolute", "largest relative", ""), rows)
    sys.exit(not all(comparison.agrees for comparison in comparisons))


def _lengths(ctx: click.Context, param: click.Parameter, text: str) -> list[int]:
    try:
        lengths = sorted({int(length) for length in text.split(",")})
    except ValueError:
        lengths = [0]
    if lengths[0] < 1:
        raise click.BadParameter(f"{text!r} is not a list of positive integers like 512,1024")
    return lengths


@click.command("bench", short_help="Time and memory of drop-in layers over sequence lengths.")
@click.argument("names", nargs=-1, type=EntryName())
@click.option("--kind", default="attention", show_default=True, type=click.Choice(["attention"]))
@click.option(
    "--lengths",
    default="512,2048,8192,32768",
    show_default=True,
    callback=_lengths,
    help="Sequence lengths, in tokens.",
)
@click.option("--dim", default=256, show_default=True, help="Model width.")
@click.option("--heads", default=4, show_default=True, help="Heads.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--limit", default=20.0, show_default=True, help="Seconds a pass may take, in proportion to the last.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a PNG plot.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print one row of ratios per layer, in Markdown.")
@click.option("--record", is_flag=True, help="Measure into docs/bench.json, for cards and the site.")
@click.option("--note", default="", help="With --record: what else there is to know about these runs.")
@json_option
def bench_command(
    names: tuple[str, ...],
    kind: str,
    lengths: list[int],
    dim: int,
    heads: int,
    device: str,
    limit: float,
    out: Path | None,
    as_markdown: bool,
    record: bool,
    note: str,
    as_json: bool,
) -> None:
    """Time and peak memory of drop-in layers (all, or NAMES) against scaled_dot_product_attention.

    With --record every layer runs in turn with standard attention, a pass of each, and the figures go to
    docs/bench.json below the working directory, with the machine; those of other layers stay.
    """
    from zoo.evidence import bench, bench_record

    if record:
        if out is not None or as_markdown or as_json:
            raise click.UsageError("--record writes docs/bench.json and goes with none of --out, --markdown and --json")
        bench_record.measure(
            names, lengths, dim=dim, heads=heads, device=device, limit=limit, note=note, log=click.echo
        )
        click.echo(f"wrote {bench_record.FILE}; draw the cards' pictures by: zoo card NAME --pictures")
        return
    if out is not None:
        check_file(out)
    results = bench.run(names, lengths, dim=dim, heads=heads, device=device, limit=limit)
    if as_json:
        echo_json([asdict(result) for result in results])
    elif as_markdown:
        click.echo(bench.markdown(results))
    else:
        echo_table(bench.COLUMNS, bench.rows(results))
    if out is not None:
        bench.plot(results, out)
        click.echo(f"wrote {out}", err=True)
    problems = [result for result in results if result.problem]
    for result in problems:
        click.echo(f"{result.name} at length {result.length}: {result.problem}", err=True)
    sys.exit(bool(problems))


def _tasks(ctx: click.Context, param: click.Parameter, text: str) -> list[str]:
    from zoo.evidence.compare.tasks import SYNTHETIC

    chosen = [name for name in dict.fromkeys(text.split(",")) if name]
    unknown = [name for name in chosen if name not in SYNTHETIC]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(SYNTHETIC)}{suggestion(unknown[0], SYNTHETIC)}")
    return chosen


@click.command("compare", short_help="Train drop-in layers in one fair host, on recall, copying, induction and a text.")
@click.argument("names", nargs=-1, type=EntryName())
@click.option(
    "--task",
    "task_names",
    default="recall,copy,induction,selective-copy",
    show_default=True,
    callback=_tasks,
    help="Tasks, with commas; empty for none.",
)
@click.option("--text", type=click.Path(path_type=Path), help="Also the characters of this text.")
@click.option("--seeds", default=2, show_default=True, type=click.IntRange(1), help="Trainings of each layer.")
@click.option("--steps", default=400, show_default=True, type=click.IntRange(1), help="Of each training.")
@click.option("--option", "options", multiple=True, metavar="LAYER.FIELD=VALUE", help="Config of a layer.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder for the table in all forms; resumes from there.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table in Markdown.")
@json_option
def compare_command(
    names: tuple[str, ...],
    task_names: list[str],
    text: Path | None,
    seeds: int,
    steps: int,
    options: tuple[str, ...],
    out: Path | None,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Train drop-in layers (all, or NAMES) beside full attention, and print scores over seeds beside cost."""
    from zoo.evidence.compare import report, running, tasks, training

    if out is not None:
        check_folder(out)
    layers = running.layers_of(names, options)
    chosen = [tasks.SYNTHETIC[name] for name in task_names] + ([tasks.text_task(text)] if text else [])
    if not chosen:
        raise click.UsageError("give --task or --text")
    settings = training.Settings(steps=steps)
    log = partial(click.echo, err=True)
    results = list(running.run(layers, chosen, range(seeds), settings, folder=out, log=log))
    table = report.rows(results)
    if as_json:
        echo_json(report.as_json(table, results, asdict(settings)))
    elif as_markdown:
        click.echo(report.markdown(table), nl=False)
    else:
        echo_table(*report.cells(table))
    for path in report.write(table, results, asdict(settings), out) if out is not None else ():
        click.echo(f"wrote {path}", err=True)
    for problem in (result for result in results if isinstance(result, running.Problem)):
        click.echo(f"{problem.layer}, {problem.task}: {problem.text}", err=True)


@click.command("card", short_help="Render model cards and the table of papers, or check that they are current.")
@click.argument("names", nargs=-1, type=EntryName())
@click.option("--all", "everything", is_flag=True, help="Every entry of the plugins in this folder, and --papers.")
@click.option("--papers", "table", is_flag=True, help="The table of all papers and the README's count of them.")
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where something is missing, stale or orphaned.")
@click.option("--pictures", is_flag=True, help="Draw the pictures of the cards anew, too, from real input.")
@click.option("--folder", default=Path("model_cards"), show_default=True, type=click.Path(path_type=Path))
def card_command(
    names: tuple[str, ...], everything: bool, table: bool, check: bool, pictures: bool, folder: Path
) -> None:
    """Render the model cards of NAMES (entries or papers)."""
    from zoo.evidence import card, papers

    if not (names or everything or table):
        raise click.UsageError("name entries, or give --all or --papers")
    chosen = papers.offers_below(folder.parent) if everything else card.offers(names)
    if not check:
        check_folder(folder)
    for offer in chosen if pictures and not check else ():
        if (drawn := card.draw(offer, folder)) is not None:
            click.echo(f"drew {drawn}")
    stale = [path for offer in chosen if (path := card.write(offer, folder, check=check)) is not None]
    if everything or table:
        stale += papers.write(folder.parent, check=check)
    for path in stale:
        click.echo(f"{'stale' if check else 'wrote'} {path}")
    orphans = card.orphans(chosen, folder) if everything else []
    for path in orphans:
        click.echo(f"{path} is the card of no entry; remove it")
    sys.exit(bool(orphans or (check and stale)))


@click.command("programs", short_help="Try entries in torch.compile, torch.export and ONNX.")
@click.argument("names", nargs=-1, type=EntryName())
@click.option(
    "--all", "everything", is_flag=True, help="Every drop-in layer and small model of the plugins in this folder."
)
@click.option(
    "--tool", "tools", multiple=True, type=click.Choice(["compile", "export", "onnx"]), help="Only these tools."
)
@click.option("--backend", default="inductor", show_default=True, help="Of torch.compile.")
@click.option("--record", is_flag=True, help="Write the results next to the model cards, for zoo card.")
@json_option
def programs_command(
    names: tuple[str, ...], everything: bool, tools: tuple[str, ...], backend: str, record: bool, as_json: bool
) -> None:
    """Try NAMES (entries or papers) as programs; exit code 1 where one fails without saying why."""
    from zoo.evidence import card, papers, programs

    if not (names or everything):
        raise click.UsageError("name entries, or give --all")
    if record:
        check_folder(card.FOLDER)
    tried = {}
    for offer in papers.offers_below(Path()) if everything else card.offers(names):
        if not programs.concerns(offer):
            continue
        for tool in tools or programs.TITLES:
            found = tried[offer.entry.id, tool] = programs.attempt_apart(offer.qualified, tool, backend=backend)
            if record:
                programs.record(offer, tool, found, card.FOLDER)
            if not as_json:
                click.echo(f"{offer.entry.id}: {tool} {programs.said(found)}")
    if as_json:
        echo_json([{"entry": entry, "tool": tool, **asdict(found)} for (entry, tool), found in tried.items()])
    sys.exit(not all(found.works or found.refused for found in tried.values()))


@hookimpl
def zoo_commands() -> Iterable[click.Command]:
    """The commands of this module."""
    return verify_command, replay_command, bench_command, compare_command, card_command, programs_command
