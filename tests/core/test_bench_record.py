"""What drop-in layers cost, as shipped data, and the pictures that are drawn of it and of sizes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image

import zoo
from zoo.evidence import bench_record, card, cost_pictures
from zoo.evidence.bench_record import Pass, Record, Series

SETTINGS = {"dim": 32, "heads": 4, "device": "cpu", "lengths": [64, 128], "limit": 20.0}
SERIES = Series(
    plugin="sequence",
    causal=True,
    parameters=10,
    dense_parameters=20,
    passes=(
        Pass(64, 0.001, 0.002, 1 << 20, 1 << 21),
        Pass(128, 0.002, 0.008, 1 << 21, 1 << 23),
        Pass(256, 0.004, 0.03),
    ),
    ended="a pass over 512 tokens would take about 30 s",
    machine="a processor, one thread, float32",
    versions={"python": "3"},
    date="2026-01-01",
)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures in this process, which is quicker."""

    def in_process(what, job):
        rows = list(bench_record._rows(what, job))
        ended = "".join(row["ended"] for row in rows if "ended" in row)
        return [row for row in rows if "ended" not in row], ended

    monkeypatch.setattr(bench_record, "_in_process", in_process)


def _offer(name):
    return next(offer for offer in zoo.entries() if offer.entry.id == name)


def _measure(root, names, **changes):
    settings = {key: value for key, value in (SETTINGS | changes).items() if key != "lengths"}
    return bench_record.measure(names, changes.get("lengths", [64, 128]), **settings, root=root)


def test_layers_are_recorded_one_beside_the_other_with_their_machine(tmp_path, here):
    _measure(tmp_path, ["moba"], note="alone")
    _measure(tmp_path, ["efficient-attention"])
    found = bench_record.read(tmp_path)
    assert list(found.layers) == ["efficient-attention", "moba"]
    moba = found.layers["moba"]
    assert (moba.causal, moba.note, moba.plugin, moba.ended) == (True, "alone", "sequence", "")
    assert not found.layers["efficient-attention"].causal, "there is no causal form of it"
    assert moba.parameters == moba.dense_parameters == 4 * 32 * 32
    assert [one.length for one in moba.passes] == [64, 128]
    assert all(min(one.seconds, one.dense_seconds) > 0 for one in moba.passes)
    assert all(one.peak_bytes is not None and one.dense_bytes is not None for one in moba.passes)
    assert moba.machine.endswith("one thread, float32")
    assert set(moba.versions) >= {"python", "torch"}


def test_another_size_is_refused_unless_all_are_measured_anew(tmp_path, here):
    bench_record.write(Record(SETTINGS, {"moba": SERIES, "moh": SERIES}), tmp_path)
    with pytest.raises(zoo.ConfigError, match="record all layers anew"):
        _measure(tmp_path, ["moba"], dim=64)
    _measure(tmp_path, ["moba", "moh"], dim=64)
    assert bench_record.read(tmp_path).settings["dim"] == 64


def test_the_record_comes_back_as_written_and_another_file_is_refused(tmp_path):
    record = Record(SETTINGS, {"moba": SERIES})
    path = bench_record.write(record, tmp_path)
    assert bench_record.read(tmp_path) == record
    path.write_text(json.dumps({"layers": {"moba": {"seconds": 1}}}))
    with pytest.raises(zoo.InputError, match="zoo bench --record"):
        bench_record.read(tmp_path)


def test_a_series_ends_before_a_pass_that_would_take_too_long():
    assert bench_record._expected([], 512) == 0
    assert bench_record._expected([(512, 1.0)], 1024) == 2, "one length says nothing about growth"
    assert bench_record._expected([(512, 1.0), (1024, 4.0)], 2048) == 16
    assert bench_record._expected([(512, 1.0), (1024, 0.5)], 2048) == 1, "never less than in proportion"
    job = {**SETTINGS, "name": "moba", "causal": True, "limit": 0.0}
    *passes, last = bench_record._rows("seconds", job)
    assert [row["length"] for row in passes] == [64]
    assert last["ended"].startswith("a pass over 128 tokens")


def test_a_process_that_fails_says_why_and_keeps_what_it_measured():
    rows, ended = bench_record._in_process("seconds", {**SETTINGS, "name": "no-such-layer", "causal": True})
    assert rows == []
    assert "no-such-layer" in ended


def test_the_command_records_and_takes_no_second_form(tmp_path, here, monkeypatch):
    from click.testing import CliRunner

    from zoo.evidence.commands import bench_command

    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    found = run(bench_command, ["moba", "--record", "--lengths", "64", "--dim", "32", "--note", "quiet"])
    assert found.exit_code == 0, found.output
    assert "moba: time over standard attention's, by length: 64: " in found.output
    assert bench_record.read().layers["moba"].note == "quiet"
    assert run(bench_command, ["moba", "--record", "--json"]).exit_code == 2


def test_the_card_of_a_recorded_layer_shows_what_it_costs(tmp_path):
    """A layer whose facts name no picture gets this one; a picture of its own comes first."""
    plain = replace(_offer("moba"), entry=replace(_offer("moba").entry, picture=None))
    folder = tmp_path / "model_cards"
    card.write(plain, folder)
    assert card.draw(plain, folder) is None
    bench_record.write(Record(SETTINGS, {"moba": SERIES}), tmp_path)
    card.write(plain, folder)
    picture = folder / "sequence" / "pictures" / "moba.png"
    assert card.write(plain, folder, check=True) == picture
    assert card.draw(plain, folder) == picture
    assert card.write(plain, folder, check=True) is None
    text = (folder / "sequence" / "moba.md").read_text()
    assert f"![{cost_pictures.layer_caption(SERIES, SETTINGS)}](pictures/moba.png)" in text
    other = replace(plain, plugin="another")
    assert card.draw(other, folder) is None, "a layer of that name in another plugin was not measured"


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: cost_pictures.layer_picture("moba", SERIES, path),
        lambda path: cost_pictures.presets_picture("triplet-attention-resnet", path),
        lambda path: cost_pictures.growth_picture(["efficient-attention", "marginal-attention"], path, sizes=(64, 128)),
    ],
    ids=["layer", "presets", "growth"],
)
def test_pictures_are_as_wide_as_a_card_and_light(draw, tmp_path):
    path = tmp_path / "deeper" / "picture.png"
    draw(path)
    assert 800 <= Image.open(path).width <= 1000
    assert path.stat().st_size < 100_000


def test_counts_are_drawn_as_the_model_has_them(tmp_path, monkeypatch):
    drawn = {}

    def bars(panel, names, values, title):
        drawn[title] = dict(zip(names, values, strict=True))

    monkeypatch.setattr(cost_pictures, "_bars", bars)
    cost_pictures.presets_picture("triplet-attention-resnet", tmp_path / "p.png", presets=["18", "50"])
    assert list(drawn) == ["Parameters", "Multiply-adds, input 1 x 3 x 224 x 224"]
    assert drawn["Parameters"]["50"] == zoo.info("triplet-attention-resnet/50").parameters
    assert 1.7e9 < drawn["Multiply-adds, input 1 x 3 x 224 x 224"]["18"] < 2e9


def test_what_has_no_size_and_too_many_lines_are_refused(tmp_path):
    with pytest.raises(zoo.ConfigError, match="no size to draw"):
        cost_pictures.presets_picture("attention-sdm", tmp_path / "p.png")
    with pytest.raises(zoo.ConfigError, match="moh cannot be counted"):
        cost_pictures.growth_picture(["moh"], tmp_path / "p.png", sizes=[64])
    with pytest.raises(zoo.ConfigError, match="7 at most"):
        cost_pictures.growth_picture(["moba"] * 8, tmp_path / "p.png")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (640, "640"), (5_630_000, "5.63 M"), (1.1e9, "1.1 G"), (999_600, "1 M"), (2e12, "2 T")],
)
def test_counts_are_short(number, text):
    assert cost_pictures.short(number) == text
