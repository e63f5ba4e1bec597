"""Every recorded run of a reference implementation, replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo import catalogue
from zoo.evidence.replay import replay

GOLDEN = Path(__file__).parent / "golden"
RECORDINGS = sorted(GOLDEN.glob("*/*.safetensors"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recording(path):
    comparisons = replay(path.parent.name, path)
    assert comparisons
    assert not [comparison for comparison in comparisons if not comparison.agrees]


def test_every_paper_with_a_replay_has_recordings():
    papers = {paper.id for plugin in catalogue.current().plugins for paper in plugin.papers if paper.replay}
    assert papers == {path.parent.name for path in RECORDINGS}
