"""MVFT: what is particular to it."""

from __future__ import annotations

import importlib.util
import math

import pytest
import torch

import zoo
from zoo.errors import ConfigError, InputError, MissingDependency
from zoo_activity.mvft.config import FactorsConfig, MVFTConfig
from zoo_activity.mvft.exercises import windows
from zoo_activity.mvft.factors import Factors, draw_windows
from zoo_activity.mvft.fusion import FusionAttention
from zoo_activity.mvft.signals import STATISTICS, segments, spectrum, statistics
from zoo_activity.watch import EXERCISES, HELD_OUT, recordings


def test_statistics_by_hand():
    found = dict(zip(STATISTICS, statistics(torch.tensor([1.0, 3.0, 1.0, 7.0])).tolist(), strict=True))
    # Mean 3; deviations -2, 0, -2, 4; squares 4, 0, 4, 16, their mean 6.
    expected = {
        "mean": 3,
        "standard deviation": 6**0.5,
        "minimum": 1,
        "maximum": 7,
        "median": 2,
        "range": 6,
        "root mean square": 15**0.5,
        "mean absolute deviation": 2,
        "zero-crossing rate": 1 / 3,
        "skewness": (-8 - 8 + 64) / 4 / 6**1.5,
        "kurtosis": (16 + 16 + 256) / 4 / 36 - 3,
        "energy": 60,
    }
    assert found == pytest.approx(expected)


def test_a_constant_has_no_shape_and_a_finite_gradient():
    constant = torch.full((2, 5), 3.0)
    constant[1] = 0
    constant.requires_grad_()
    found = statistics(constant)
    assert found[:, [1, 9, 10]].abs().max() == 0
    assert found[1].abs().max() == 0
    found.sum().backward()
    assert torch.isfinite(constant.grad).all()


def test_segments_overlap_by_half():
    signal = torch.arange(16.0)[None, :, None]
    assert segments(signal, 8)[0, :, 0, 0].tolist() == [0, 4, 8]
    for settings in ({}, {"window": 128}, {"window": 37}, {"segment": 7}, {"segment": 200}):
        config = MVFTConfig(**settings)
        assert segments(torch.zeros(1, config.window, 3), config.segment_length).shape[1] == config.num_segments
    assert MVFTConfig().num_segments == 2 * 4 - 1


def test_a_tone_is_in_its_bin():
    tone = torch.cos(2 * math.pi * 3 * torch.arange(16) / 16)
    found = spectrum(tone)
    assert found[3] == pytest.approx(8, rel=1e-5)
    assert found.sum() == pytest.approx(8, rel=1e-4)
    # Hann spreads it over three bins: halves of the sides.
    assert spectrum(tone, "hann")[2:5].tolist() == pytest.approx([2, 4, 2], rel=1e-5)


@pytest.mark.parametrize("fusion", ["gate", "sum", "concat"])
def test_fusion_is_the_stated_one(fusion):
    torch.manual_seed(0)
    layer = FusionAttention(MVFTConfig(dim=4, num_heads=1, fusion=fusion)).eval()
    tokens = {view: torch.randn(1, count, 4) for view, count in zip(layer.config.views, (2, 3, 4), strict=True)}
    for gate in layer.gate.values():
        torch.nn.init.normal_(gate)
    with torch.no_grad():
        query = layer.q["frequent"](tokens["frequent"])
        answers = {view: (query @ layer.k[view](x).mT / 2).softmax(-1) @ layer.v[view](x) for view, x in tokens.items()}
        inner = answers.pop("frequent")
        if fusion == "concat":
            total = torch.cat((inner, answers["temporal"], answers["statistical"]), -1)
        else:
            total = inner
            for view, clue in answers.items():
                weight = layer.gate[f"frequent_{view}"][0] if fusion == "gate" else None
                means = torch.cat((inner.mean(1), clue.mean(1)), -1)
                total = total + (1 if weight is None else torch.sigmoid(means @ weight)[:, None, None]) * clue
        torch.testing.assert_close(layer(tokens)["frequent"], layer.out["frequent"](total))


def test_parameters_by_hand():
    dim, classes = 64, 6
    block = 3 * (4 * (dim * dim + dim) + 2 * 2 * dim + (dim * 128 + 128) + (128 * dim + dim)) + 6 * 4 * 32
    views = sum(width * dim + dim + count * dim + 2 * dim for width, count in ((30, 20), (26 * 3, 7), (36, 7)))
    head = 2 * 3 * dim + 3 * dim * classes + classes
    assert zoo.info("mvft/wisdm").parameters == 3 * block + views + head


@pytest.mark.parametrize(
    "settings", [{"views": ["statistical"]}, {"views": ["frequent", "temporal"]}, {"window": 43}, {"segment": 40}]
)
def test_forms(settings):
    config = {"window": 40, "fusion": "concat", **settings}
    model = zoo.load("mvft/tiny", **config).eval()
    window = torch.randn(1, config["window"], 3)
    assert model(window).shape == (1, 6)


def test_a_recording_becomes_standardised_windows():
    entry = zoo.load("mvft/tiny")
    from zoo_activity.mvft.network import preprocess

    prepare = preprocess(entry.config)
    recording = torch.randn(100, 3) * 5 + 2
    window = prepare(recording.tolist())["window"]
    assert window.shape == (4, 40, 3)
    torch.testing.assert_close(window[1, :20], window[0, 20:])
    assert prepare(recording[:40])["window"].mean().abs() < 1e-6
    with pytest.raises(InputError, match="recording"):
        prepare(torch.zeros(30, 3))
    for other in ("recording.csv", None, [[1, "x", 2]], [[1], [1, 2]]):
        with pytest.raises(InputError, match="is no array of numbers"):
            prepare(other)


def test_the_task_keeps_its_factors_apart():
    windows, labels = draw_windows(2000, 80, torch.Generator().manual_seed(0))
    assert torch.bincount(labels, minlength=8).min() > 200
    low, high = windows[labels & 2 == 0], windows[labels & 2 == 2]
    assert low[..., 1].mean() == pytest.approx(-0.3, abs=0.02)
    assert high[..., 1].mean() == pytest.approx(0.3, abs=0.02)
    # The amplitude spectra of the two means, and the sum of the third channel, tell nothing.
    spectra = [spectrum(half[..., 1], "none").mean(0) for half in (low, high)]
    assert ((spectra[0] - spectra[1]).abs() / spectra[0]).max() < 0.15
    orders = [windows[labels & 1 == bit][..., 2].sum(1).mean() for bit in (0, 1)]
    assert abs(orders[0] - orders[1]) < 0.4


def test_the_benchmark_scores_what_is_known():
    benchmark = Factors(FactorsConfig(num_windows=64))
    labels = torch.tensor([case.label for case in benchmark.cases()])
    perfect = benchmark.score(labels)
    assert set(perfect.values()) == {1.0}
    assert benchmark.score(labels ^ 2)["mean"] == 0
    assert benchmark.score(labels ^ 2)["order"] == 1
    with pytest.raises(InputError, match="answers"):
        benchmark.score(labels[:3])


def test_configs_and_inputs_that_cannot_be_are_refused():
    for wrong in ({"dim": 10}, {"views": []}, {"views": ["temporal", "temporal"]}, {"patch_size": 99}, {"segment": 1}):
        with pytest.raises(ConfigError):
            zoo.load("mvft/tiny", **({"num_heads": 4} | wrong))
    with pytest.raises(InputError, match="window"):
        zoo.load("mvft/tiny")(torch.zeros(1, 41, 3))


@pytest.mark.skipif(
    importlib.util.find_spec("seglearn") is None,
    reason="seglearn is not installed: pip install --no-deps seglearn==1.2.5",
)
def test_real_exercises_are_split_by_person():
    held = recordings()
    assert len(held) == 140
    assert {subject for *_, subject in held} == set(range(1, 11))
    config = MVFTConfig(window=128, in_channels=6)
    train, test = windows(config, held_out=False), windows(config, held_out=True)
    expected = sum((len(signal) - 128) // 64 + 1 for signal, _, subject in held if subject in HELD_OUT)
    assert len(test.signals) == len(test.exercises) == expected
    assert set(train.exercises.tolist()) == set(test.exercises.tolist()) == set(range(len(EXERCISES)))


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="pip install seglearn"):
        recordings()
