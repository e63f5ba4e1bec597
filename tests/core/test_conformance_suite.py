"""The conformance suite finds what it promises to find: entries that are bad in one way each."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import zoo
from tests.core.conftest import installing
from zoo import catalogue
from zoo.testing import conformance, suite
from zoo.testing.checks import CHECKS, checks_of

# name of the class[-variant] -> kind, further facts of the entry, and the checks it must fail
OPTIONED = {"config": "Optioned"}
PLAIN = {"config": "Plain", "example": "numbers"}
IDS = {"config": "Plain", "example": "ids", "tags": ("causal",)}
TARGETS = {"config": "Plain", "example": "targets"}
MODEL, SYSTEM = {"example": "with_model"}, {"example": "with_system"}
ENTRIES = {
    "Good": ("attention", {}, ""),
    "IgnoresMasks": ("attention", {}, "masks"),
    "TakesAnyMask": ("attention", {}, "masks"),
    "NotANumberWhereBlind": ("attention", {}, "masks"),
    "LooksAhead": ("attention", {}, "causality"),
    "LooksAhead-unasked": ("attention", {"config": "Bidirectional"}, "causality"),
    "LooksAhead-tagged": ("attention", {"config": "Bidirectional", "tags": ("causal",)}, "causality"),
    "LooksAheadWhenHard": ("attention", OPTIONED, "causality"),
    "LooksAheadWhenHardAndShifted": ("attention", OPTIONED, "causality"),
    "LooksAheadWhenTrained": ("attention", {}, "causality"),
    "MixesTheBatch": ("attention", {}, "masks causality batch_independence"),
    "Rolls": (
        "attention",
        {},
        "determinism masks causality batch_independence save_and_load threads dtypes autocast autocast_forms "
        "double_backward",
    ),
    "Forgets": ("attention", {}, "save_and_load threads dtypes"),
    "Infinite": ("attention", {}, "forward_and_backward masks dtypes autocast autocast_forms double_backward"),
    "SinglePrecision": ("attention", {}, "dtypes double_backward"),
    "KeepsParametersOffMeta": ("attention", {}, "parameters_on_meta"),
    "Good-loose": ("attention", {"config": "Loose"}, "schema"),
    "Good-untyped": ("attention", {"config": "Untyped"}, "schema"),
    "Good-reserved": ("attention", {"config": "Reserved"}, "schema"),
    "Good-preset": ("attention", {"presets": {"broken": {"dim": 0}}}, "schema"),
    "Good-unbatched": ("attention", {"example": "unbatched"}, "batch_independence masks"),
    "Good-dangling": ("attention", {"predict": "nothing"}, "facts_resolve"),
    "NothingTrains": ("attention", {}, "forward_and_backward"),
    "ParametersDoNothing": ("attention", {}, "forward_and_backward double_backward"),
    "ForgetsCurvature": ("attention", {}, "double_backward"),
    "MarksCurvature": ("attention", {}, "double_backward"),
    "RefusesCurvature": ("attention", {}, ""),
    "FailsUnderAutocast": ("attention", {}, "autocast autocast_forms overflow"),
    "RoundsUnderAutocast": ("attention", {}, "autocast autocast_forms"),
    "LosesGradientsUnderAutocast": ("attention", {}, "autocast autocast_forms"),
    "RoundsItsChoiceWhenHard": ("attention", OPTIONED, "autocast_forms"),
    "Overflows": ("attention", {}, "overflow"),
    "NeedsExamples": ("attention", {}, "empty"),
    "NeedsTokens": ("attention", {}, "empty"),
    "NeedsTokensWhenHard": ("attention", OPTIONED, "empty"),
    "Switches": ("attention", OPTIONED, ""),
    "LocksSwitches": ("attention", OPTIONED, ""),
    "TakesTheProcess": ("attention", {}, "threads"),
    "BreaksTheGraph": ("attention", {}, "batch_independence"),
    "RefusesCompilers": ("attention", {}, ""),
    "Pools": ("model", PLAIN, ""),
    "PoolsTheBatch": ("model", PLAIN, "batch_independence empty"),
    "PoolsTheBatchToo": ("model", PLAIN, "batch_independence empty"),
    "Constant": ("model", PLAIN, ""),
    "Reads": ("model", IDS, ""),
    "ReadsAhead": ("model", IDS, "causality"),
    "ReadsPadding": ("model", IDS, "padding"),
    "Answers": ("model", IDS, "causality"),
    "Translates": ("model", TARGETS, ""),
    "TranslatesAhead": ("model", TARGETS, "causality"),
    "TranslatesAhead-atonce": ("model", {**TARGETS, "tags": ("non-autoregressive",)}, ""),
    "TranslatesPadding": ("model", TARGETS, "padding"),
    "Leaves": ("method", MODEL, ""),
    "Stays": ("method", MODEL, "method"),
    "StaysAfterAnError": ("method", MODEL, "method"),
    "Looks": ("probe", MODEL, ""),
    "Touches": ("probe", MODEL, "probe"),
    "GivesTensors": ("probe", MODEL, "probe"),
    "GivesNothing": ("probe", MODEL, "probe"),
    "Guesses": ("probe", MODEL, "probe"),
    "DrawsNothing": ("probe", MODEL, "plot"),
    "DrawsText": ("probe", MODEL, "plot"),
    "Asks": ("benchmark", SYSTEM, ""),
    "AsksNothing": ("benchmark", SYSTEM, "benchmark"),
    "ScoresNaN": ("benchmark", SYSTEM, "benchmark"),
    "ScoresWords": ("benchmark", SYSTEM, "benchmark"),
    "ScoresByLuck": ("benchmark", SYSTEM, "benchmark"),
    "Tree": ("taxonomy", {}, ""),
    "Stump": ("taxonomy", {}, "taxonomy"),
    "Lost": ("taxonomy", {}, "taxonomy"),
}


def _entry(name: str, kind: str, facts: dict) -> str:
    targets = {"build": name.partition("-")[0], "config": "Config", "example": "example", **facts}
    words = {
        key: value if key in ("presets", "tags") else f"tests.core.wicked:{value}" for key, value in targets.items()
    }
    return f"Entry(id={name.lower()!r}, kind={kind!r}, summary='s', **{words!r})"


@pytest.fixture(scope="module")
def wicked(tmp_path_factory):
    entries = ", ".join(_entry(name, kind, facts) for name, (kind, facts, _) in ENTRIES.items())
    with installing(tmp_path_factory.mktemp("wicked") / "site") as install:
        install(
            "wicked",
            catalogue="from zoo import Entry, Paper, hookimpl\n@hookimpl\ndef zoo_papers():\n"
            f"    yield Paper(id='wicked', title='W', year=2020, entries=({entries},))",
        )
        yield {offer.entry.id: offer for offer in catalogue.current().offers if offer.plugin == "wicked"}


def _outcome(check, offer) -> str:
    try:
        check.run(offer)
    except pytest.skip.Exception as skipped:
        return f"skipped: {skipped}"
    except (Exception, pytest.fail.Exception):
        return "failed"
    return "passed"


@pytest.mark.parametrize("name", ENTRIES)
def test_each_defect_is_found_by_its_checks_and_by_no_other(wicked, name):
    offer = wicked[name.lower()]
    quick = [check for check in checks_of(offer.entry.kind) if not check.slow]
    failed = {check.name for check in quick if _outcome(check, offer) == "failed"}
    assert failed == set(ENTRIES[name][2].split())


@pytest.mark.parametrize(
    ("name", "check", "outcome"),
    [
        ("good", "compile", "passed"),
        ("good", "export", "passed"),
        ("breaksthegraph", "compile", "failed"),
        ("breaksthegraph", "export", "failed"),
        ("refusescompilers", "compile", "skipped: refuses to be compiled: this mechanism runs eagerly only"),
        ("refusescompilers", "export", "skipped: refuses to be exported: this mechanism runs eagerly only"),
        ("pools", "causality", "skipped: has no form that is causal over a sequence"),
        ("pools", "padding", "skipped: takes no mask over a sequence"),
        ("pools", "switches", "skipped: none of its options can be changed on the module"),
        ("constant", "double_backward", "skipped: has no gradient"),
        (
            "constant",
            "forward_and_backward",
            "skipped: has no parameters, and its outputs are no differentiable function of its inputs",
        ),
    ],
)
def test_what_cannot_be_checked_is_skipped_with_its_reason(wicked, name, check, outcome):
    (found,) = [each for each in CHECKS if each.name == check]
    assert _outcome(found, wicked[name]) == outcome


def test_a_switch_that_saving_forgets_is_found(wicked, monkeypatch):
    (check,) = [each for each in CHECKS if each.name == "switches"]
    assert _outcome(check, wicked["switches"]) == "passed"
    save = zoo.save
    monkeypatch.setattr(zoo, "save", lambda layer, folder: save(zoo.load("wicked:switches"), folder))
    assert _outcome(check, wicked["switches"]) == "failed"


def test_a_check_that_an_entry_does_not_pass_yet_is_expected_to_fail_and_must(wicked, tmp_path):
    for name, check, word in (("overflows", "overflow", "1 xfailed"), ("good", "overflow", "1 failed")):
        module = tmp_path / f"test_{name}.py"
        module.write_text(
            f"from zoo.testing import suite\nTestPlugin = suite('wicked', unmet={{{name!r}: {{{check!r}: 'known'}}}})\n"
        )
        code = pytest.main(["-p", "no:cacheprovider", "-q", "-k", f"test_conformance and {name}-{check}", str(module)])
        assert code == (1 if "failed" in word.split() else 0), word


def test_a_catalogue_that_imports_something_heavy_is_found(install, monkeypatch):
    install("heavy", catalogue="import omegaconf\nzoo_papers = None")
    install("light", catalogue="zoo_papers = None")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    conformance.check_light_discovery("light")
    with pytest.raises(AssertionError, match="imports omegaconf"):
        conformance.check_light_discovery("heavy")


def test_a_suite_of_nothing_is_an_error_not_a_success(install):
    with pytest.raises(zoo.UnknownName, match=r"No plugin 'sequense'.*'sequence'"):
        suite("sequense")
    install("broken", catalogue="1 / 0")
    with pytest.raises(zoo.PluginError, match="ZeroDivisionError"):
        suite("broken")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--zoo-plugin", "sequense"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "No plugin 'sequense' is installed" in done.stdout
