"""``zoo compare``: tasks whose answers are right, one host for all, a table in every form, and resuming."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest
import torch

import zoo
from zoo import cli
from zoo.evidence.compare import report, running, tasks, training
from zoo.evidence.compare.training import BASELINE, Layer, Settings

TINY = Settings(dim=16, num_layers=1, num_heads=2, steps=3, batch_size=4, evaluated=16)

LAYERS = """
    from dataclasses import dataclass
    import torch
    from torch import nn
    import zoo

    @dataclass
    class Config:
        dim: int = zoo.field(8, "width", minimum=1)
        causal: bool = zoo.field(True, "order")
        scale: float = zoo.field(1.0, "of the output")
        broken: bool = zoo.field(False, "whether it fails")

    @dataclass
    class Bidirectional(Config):
        def __post_init__(self):
            if self.causal:
                raise zoo.ConfigError("there is no order in a mean of all", field="causal")

    class Mean(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config, self.value = config, nn.Linear(config.dim, config.dim)

        def forward(self, x, attn_mask=None):
            if self.config.broken:
                raise RuntimeError("no such luck")
            sums = x.cumsum(1) if self.config.causal else x.sum(1, keepdim=True).expand_as(x)
            return self.config.scale * self.value(sums / x.shape[1])
"""

CATALOGUE = """
    from zoo import Entry, Paper, hookimpl

    @hookimpl
    def zoo_papers():
        yield Paper(id="mean", title="Means", year=2020, entries=(
            Entry(id="mean", kind="attention", summary="a mean", build="PKG.layers:Mean", config="PKG.layers:Config"),
            Entry(id="mean-of-all", kind="attention", summary="both ways", build="PKG.layers:Mean",
                  config="PKG.layers:Bidirectional"),
        ))
"""


@pytest.fixture
def means(install):
    return install("mean", catalogue=CATALOGUE, layers=LAYERS)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox jumps over the lazy dog. " * 40)
    return path


def draw(name, level, size=64):
    return tasks.SYNTHETIC[name].draw(level, size, torch.Generator().manual_seed(0), False)


@pytest.mark.parametrize("pairs", tasks.SYNTHETIC["recall"].levels)
def test_recall_asks_every_key_once_for_its_value(pairs):
    ids, targets = draw("recall", pairs)
    for row, answers in zip(ids.tolist(), targets.tolist(), strict=True):
        told = dict(zip(row[: 2 * pairs : 2], row[1 : 2 * pairs : 2], strict=True))
        assert len(told) == pairs
        assert sorted(row[2 * pairs :]) == sorted(told)
        assert answers == [tasks.IGNORED] * 2 * pairs + [told[key] for key in row[2 * pairs :]]


@pytest.mark.parametrize("name", ["copy", "selective-copy"])
def test_copying_asks_the_tokens_in_their_order_at_blanks(name):
    for level in tasks.SYNTHETIC[name].levels:
        ids, targets = draw(name, level)
        for row, answers in zip(ids.tolist(), targets.tolist(), strict=True):
            shown, blanks = row[: row.index(tasks.MARK)], row[row.index(tasks.MARK) + 1 :]
            content = [token for token in shown if token != tasks.NOISE]
            assert answers[-level:] == content
            assert set(answers[:-level]) == {tasks.IGNORED}
            assert blanks == [tasks.BLANK] * level


def test_noise_lies_at_random_places():
    ids, _ = draw("selective-copy", 8)
    places = (ids[:, :24] != tasks.NOISE).float().mean(0)
    assert places.min() > 0
    assert places.max() < 1


@pytest.mark.parametrize("length", tasks.SYNTHETIC["induction"].levels)
def test_induction_asks_for_what_followed_the_mark(length):
    ids, targets = draw("induction", length, 300)
    for row, answers in zip(ids.tolist(), targets.tolist(), strict=True):
        assert row.count(tasks.MARK) == 2
        assert row[-1] == tasks.MARK
        assert answers[-1] == row[row.index(tasks.MARK) + 1] < tasks.TOKENS
        assert set(answers[:-1]) == {tasks.IGNORED}


def test_a_text_gives_its_next_characters_and_holds_out_its_end(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("ab" * 450 + "c" * 100)
    task = tasks.text_task(path)
    generator = torch.Generator().manual_seed(0)
    ids, targets = task.draw(64, 8, generator, False)
    assert torch.equal(ids[:, 1:], targets[:, :-1])
    assert set(ids.flatten().tolist()) == {0, 1}
    assert set(task.draw(64, 8, generator, True)[0].flatten().tolist()) == {2}
    path.write_text("too short")
    with pytest.raises(zoo.InputError, match="has 9 characters; a comparison needs 650"):
        tasks.text_task(path)
    with pytest.raises(zoo.InputError, match="cannot be read"):
        tasks.text_task(tmp_path / "absent.txt")


def test_every_sequence_fits_the_host():
    for task in tasks.SYNTHETIC.values():
        for level in task.levels:
            ids, targets = draw(task.name, level, 4)
            assert ids.shape == targets.shape
            assert ids.shape[1] <= task.length
            assert max(int(ids.max()), int(targets.max())) < task.vocab_size


def test_a_run_follows_its_seed_and_says_what_it_cost(means):
    task = tasks.SYNTHETIC["copy"]
    first, again, other = (training.train(Layer("mean"), task, seed, TINY, causal=True) for seed in (0, 0, 1))
    assert first.scores == again.scores
    assert set(first.scores) == {"4", "8", "16"}
    assert first.peak_bytes == again.peak_bytes > 0
    assert first.scores != other.scores
    assert (first.parameters, first.positions) == (16 * 17, "sinusoidal")
    assert training.train(Layer(BASELINE), task, 0, TINY, causal=True).positions == "its own"


def test_full_attention_learns_what_a_mean_cannot(means):
    task = dataclasses.replace(tasks.SYNTHETIC["induction"], levels=(8,))
    settings = Settings(dim=32, steps=150, batch_size=32, evaluated=128, num_heads=2)
    full, mean = (training.train(Layer(name), task, 0, settings, causal=True) for name in (BASELINE, "mean"))
    assert full.scores["8"] > 0.9
    assert mean.scores["8"] < 0.5


def test_what_is_done_is_not_done_again(means, tmp_path, monkeypatch, text):
    layers, chosen = [Layer(BASELINE), Layer("mean")], [tasks.SYNTHETIC["copy"], tasks.text_task(text)]
    lines: list[str] = []
    first = list(running.run(layers, chosen, (0, 1), TINY, folder=tmp_path / "out", log=lines.append))
    assert len(first) == len(lines) == 8
    assert lines[-1].startswith("mean, text, seed 1: ")
    assert "(0 runs left" in lines[-1]
    runs = tmp_path / "out" / running.RUNS
    # Killed in the middle of a line: that run is made again, and no other.
    content = runs.read_text()
    runs.write_text(content[: content.rindex("\n", 0, -1) + 20])
    made = []
    train = training.train
    monkeypatch.setattr(running, "train", lambda *args, **options: made.append(args) or train(*args, **options))
    again = list(running.run(layers, chosen, (0, 1), TINY, folder=tmp_path / "out"))
    assert [run.scores for run in again] == [run.scores for run in first]
    assert len(made) == 1
    with pytest.raises(zoo.InputError, match="runs with other steps: not to be compared"):
        list(running.run(layers, chosen, (0,), dataclasses.replace(TINY, steps=4), folder=tmp_path / "out"))
    text.write_text(text.read_text().upper())
    with pytest.raises(zoo.InputError, match="runs with other text"):
        list(running.run(layers, [tasks.text_task(text)], (0,), TINY, folder=tmp_path / "out"))
    runs.write_text("{}\n")
    with pytest.raises(zoo.InputError, match="is damaged"):
        list(running.run(layers, chosen, (0,), TINY, folder=tmp_path / "out"))


def test_a_layer_that_fails_or_has_no_causal_form_is_alone_with_it(means, text):
    layers = [Layer("mean", {"broken": True}), Layer("mean-of-all"), Layer("mean", {"scale": 0.5})]
    chosen = [tasks.SYNTHETIC["copy"], tasks.text_task(text)]
    results = list(running.run(layers, chosen, (0,), TINY))
    found = {(result.layer, result.task): result for result in results}
    assert "no such luck" in found["mean (broken=True)", "copy"].text
    assert "no causal form" in found["mean-of-all", "text"].text
    assert not found["mean-of-all", "copy"].causal
    assert found["mean (scale=0.5)", "text"].causal
    heads, body = report.cells(report.rows(results))
    assert [row[0] for row in body] == ["mean-of-all", "mean (scale=0.5)"]
    assert body[0][heads.index("text 64")] == "-"


def run_of(layer, seed, score):
    return training.Run(layer, "copy", seed, {"4": score}, True, "its own", 10, 2.0 + seed, 5_000_000)


def test_every_form_of_the_table_says_the_same(tmp_path):
    results = [run_of("acme:mean (x=1)", 0, 0.5), run_of("acme:mean (x=1)", 1, 0.7), run_of(BASELINE, 0, 1.0)]
    results.append(running.Problem("other", "copy", "no"))
    table = report.rows(results)
    heads, body = report.cells(table)
    assert dict(zip(heads, body[0], strict=True)) == {
        "layer": "mean (x=1)",
        "causal": "yes",
        "positions": "its own",
        "parameters": "10",
        "ms a step": "2.0",
        "peak MB": "5.0",
        "copy 4": "0.60 ± 0.10",
    }
    paths = report.write(table, results, {"steps": 3}, tmp_path)
    assert [path.name for path in paths] == ["table.md", "table.csv", "table.json", "table.png"]
    assert "| `mean (x=1)` | yes | its own | 10 | 2.0 | 5.0 | 0.60 ± 0.10 |" in (tmp_path / "table.md").read_text()
    (first, second) = csv.DictReader((tmp_path / "table.csv").open())
    assert (float(first["mean"]), float(first["spread"])) == pytest.approx((0.6, 0.1))
    assert second["layer"] == BASELINE
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["layers"][0]["tasks"]["copy"]["scores"]["4"]["mean"] == pytest.approx(0.6)
    assert content["problems"] == [{"layer": "other", "task": "copy", "text": "no"}]
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_the_command(means, capsys, tmp_path, text):
    arguments = ["compare", "mean", "--option", "mean.scale=0.5", "--task", "copy", "--text", str(text), "--seeds", "1"]
    arguments += ["--steps", "1", "--out", str(tmp_path / "out"), "--json"]
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [layer["layer"] for layer in found["layers"]] == [BASELINE, "mean (scale=0.5)"]
    assert found["settings"]["steps"] == 1
    assert "mean (scale=0.5), text, seed 0: " in err
    for wrong, message in (
        (["--task", "kopy"], "Did you mean 'copy'"),
        (["--task", ""], "give --task or --text"),
        (["--option", "moan.scale=1"], "Did you mean 'mean'"),
        (["--option", "mean=1"], "is not LAYER.FIELD=VALUE"),
        (["--option", "mean.skale=1"], "Did you mean 'scale'"),
        (["meen"], "Did you mean 'mean'"),
        (["moba-lm"], "is a model, not a drop-in attention layer"),
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(["compare", "mean", *wrong])
        assert ended.value.code != 0
        err = capsys.readouterr().err
        assert message in err
        assert "seed 0" not in err
