"""Everything that is tested about a plugin's entries, as one test class.

The whole of a plugin's ``tests/test_plugin.py`` is::

    from zoo.testing import suite

    TestPlugin = suite("my-plugin", golden="tests/golden", cards="model_cards")

Each entry is put through the checks of ``zoo.testing.conformance``, each recording in ``golden/PAPER/`` is replayed,
each claim that takes no more than seconds is measured and compared with the figure recorded beside the cards.
``pytest --paper moba`` keeps what concerns one paper. Importing this module, and collecting, imports no torch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from zoo import catalogue
from zoo.catalogue import Offer
from zoo.errors import PluginError
from zoo.facts import Claim, Measurement, Paper
from zoo.testing.checks import Check, checks_of
from zoo.testing.pytest_plugin import PAPER_OPTION

# Seconds that a claim's check may take without being marked slow; twice that is a failure, on whatever machine.
QUICK = 2.0


def suite(
    plugin: str,
    *,
    golden: str | Path | None = None,
    cards: str | Path | None = None,
    unmet: Mapping[str, Mapping[str, str]] | None = None,
) -> type:
    """A test class with the whole suite of one plugin.

    Args:
        plugin: the name of its entry point.
        golden: the folder of recordings, ``golden/PAPER/*.safetensors``; relative paths start at pytest's rootdir.
        cards: the folder of model cards and measured figures, as ``zoo card`` writes it. A claim that does not hold is
            no failure as long as its card says so. Without it every claim must hold.
        unmet: entry id -> name of a check of conformance -> why the entry does not pass it yet. The test is expected to
            fail, and one that passes is a failure: the line has to go.

    Raises:
        UnknownName: no plugin of that name is installed.
        PluginError: it is broken; the message holds its traceback.
    """
    _require_working(plugin)

    class Plugin:
        """The plugin is light to discover, and every entry does what its kind and its paper promise."""

        zoo_plugin = plugin

        def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
            """Give each test its cases, at collection."""
            wanted = metafunc.config.getoption(PAPER_OPTION)
            offers = [offer for offer in _offers(plugin) if wanted in (None, offer.paper.id)]
            root = metafunc.config.rootpath
            _give_cases(
                metafunc, offers, root / golden if golden else None, root / cards if cards else None, unmet or {}
            )

        def test_light_discovery(self) -> None:
            """The catalogue imports nothing heavy, and no paper was set aside."""
            from zoo.testing import conformance

            conformance.check_light_discovery(plugin)
            assert catalogue.current().plugin(plugin).broken_papers == ()

        def test_conformance(self, offer: Offer, check: Check) -> None:
            """One check of one entry."""
            check.run(offer)

        def test_recording(self, paper: Paper, recording: Path) -> None:
            """What the reference implementation gave, ours gives too."""
            _check_recording(paper, recording)

        def test_recordings_exist(self, paper: Paper, folder: Path) -> None:
            """A paper that can replay has recordings, and only such a paper."""
            assert (paper.replay is not None) == any(folder.glob("*.safetensors")), f"{paper.id}, {folder}"

        def test_claim(self, offer: Offer, claim: Claim, folder: Path | None) -> None:
            """A claim measures what its card says."""
            _check_claim(offer, claim, folder)

        def test_figures(self, offer: Offer, folder: Path) -> None:
            """Every claim that can be measured has a figure on its card, and every figure has its claim."""
            _check_figures(offer, folder)

    return Plugin


def _require_working(plugin: str) -> None:
    for broken in catalogue.current().broken:
        if broken.name == plugin:
            raise PluginError(f"plugin {plugin!r} is broken:\n{broken.traceback}")
    catalogue.current().plugin(plugin)


def _offers(plugin: str) -> list[Offer]:
    return [offer for offer in catalogue.current().offers if offer.plugin == plugin]


def _give_cases(
    metafunc: pytest.Metafunc,
    offers: list[Offer],
    golden: Path | None,
    cards: Path | None,
    unmet: Mapping[str, Mapping[str, str]],
) -> None:
    """Parametrise a test by the arguments that it asks for."""
    papers = list({offer.paper.id: offer.paper for offer in offers}.values())
    cases: dict[str, tuple[str, Callable[[], list[Any]]]] = {
        "test_conformance": ("offer, check", lambda: _conformance_cases(offers, unmet)),
        "test_recording": ("paper, recording", lambda: _recording_cases(papers, golden)),
        "test_recordings_exist": (
            "paper, folder",
            lambda: [pytest.param(paper, golden / paper.id, id=paper.id) for paper in papers if golden],
        ),
        "test_claim": ("offer, claim, folder", lambda: _claim_cases(offers, cards)),
        "test_figures": (
            "offer, folder",
            lambda: [pytest.param(offer, cards, id=offer.entry.id) for offer in offers if cards],
        ),
    }
    name = metafunc.function.__name__
    if name in cases:
        arguments, found = cases[name]
        metafunc.parametrize(arguments, found())


def _conformance_cases(offers: list[Offer], unmet: Mapping[str, Mapping[str, str]]) -> list[Any]:
    return [
        pytest.param(
            offer, check, id=f"{offer.entry.id}-{check.name}", marks=_marks(check, unmet.get(offer.entry.id, {}))
        )
        for offer in offers
        for check in checks_of(offer.entry.kind)
    ]


def _marks(check: Check, unmet: Mapping[str, str]) -> list[pytest.MarkDecorator]:
    slow = [pytest.mark.slow] if check.slow else []
    return slow + ([pytest.mark.xfail(reason=unmet[check.name], strict=True)] if check.name in unmet else [])


def _recording_cases(papers: list[Paper], golden: Path | None) -> list[Any]:
    return [
        pytest.param(paper, path, id=f"{paper.id}-{path.stem}")
        for paper in papers
        if golden
        for path in sorted((golden / paper.id).glob("*.safetensors"))
    ]


def _claim_cases(offers: list[Offer], cards: Path | None) -> list[Any]:
    return [
        pytest.param(offer, claim, cards, id=f"{offer.entry.id}-{claim.key}")
        for offer in offers
        for claim in offer.entry.claims
        if claim.check and not claim.slow and not claim.real
    ]


def _check_recording(paper: Paper, recording: Path) -> None:
    from zoo.evidence.replay import replay

    comparisons = replay(paper, recording)
    assert comparisons, f"{recording} holds no output"
    assert not [comparison for comparison in comparisons if not comparison.agrees]


def _check_claim(offer: Offer, claim: Claim, cards: Path | None) -> None:
    from zoo.evidence import figures

    recorded = figures.read(offer, cards).get(claim.key or "") if cards else None
    promised = recorded.holds if recorded else True
    measurement, seconds = _timed(claim)
    again = f"run: zoo verify {offer.entry.id} --record && zoo card {offer.entry.id}"
    assert measurement.holds or not promised, f"does not hold: {measurement}"
    assert promised or not measurement.holds, f"recorded as not reproduced, but it holds now ({measurement}); {again}"
    assert seconds < 2 * QUICK, (
        f"took {seconds:.1f} s; what takes more than {QUICK:g} s is marked: Claim(..., slow=True)"
    )


def _timed(claim: Claim) -> tuple[Measurement, float]:
    """A measurement and the least of the processor's seconds it took, of three where it took long.

    The first may have had to import much, and any of them is slower on a machine that has other things to do.
    """
    from zoo.evidence.verify import measure

    least = math.inf
    for _ in range(3):
        start = time.thread_time()
        measurement = measure(claim)
        least = min(least, time.thread_time() - start)
        if least < QUICK:
            break
    return measurement, least


def _check_figures(offer: Offer, cards: Path) -> None:
    from zoo.evidence import figures

    claimed = {claim.key for claim in offer.entry.claims if claim.key}
    recorded = set(figures.read(offer, cards))
    again = f"run: zoo verify {offer.entry.id} --record && zoo card {offer.entry.id}"
    assert not claimed - recorded, f"no figure for {', '.join(sorted(claimed - recorded))}; {again}"
    assert not recorded - claimed, (
        f"{figures.path_of(offer, cards)} has figures without a claim: {', '.join(sorted(recorded - claimed))}; "
        "remove them, or rename them where the check was renamed"
    )
