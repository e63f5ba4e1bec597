"""The zoo as a pytest plugin: a local Hub for tests, and the suite of a plugin for its author.

Fixtures: ``zoo_hub`` (a running ``HubServer``, with the client pointed at it and an empty cache) and
``zoo_hub_cache`` (that cache). Options: ``--zoo-plugin NAME`` collects the suite of an installed plugin, and
``--paper ID`` keeps what concerns one paper: its entries, recordings and claims in the suites, and ``test_ID.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.testing.hub_server import HubServer

PAPER_OPTION = "--paper"
SLOW = "slow: takes long; left out unless asked for, with -m slow"
# Carries the option to the module that is collected, and to the workers of pytest-xdist.
CONFORMANCE_PLUGIN = "ZOO_CONFORMANCE_PLUGIN"


@pytest.fixture
def zoo_hub_cache(tmp_path: Path) -> Path:
    """The empty cache that ``zoo_hub`` gives to the client."""
    return tmp_path / "hub-cache"


@pytest.fixture
def zoo_hub(zoo_hub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A local Hub; ``HF_ENDPOINT``, the cache and the token are those of the test."""
    import huggingface_hub.constants

    from zoo.testing.hub_server import HubServer

    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HUB_CACHE", str(zoo_hub_cache))
        monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet-cache"))
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "zoo-cache"))
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        # Read once, at import.
        monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield hub


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    parser.addoption("--zoo-plugin", metavar="NAME", help="run the zoo's suite on this installed plugin")
    parser.addoption(PAPER_OPTION, metavar="ID", help="run what concerns this paper only")


def pytest_configure(config: pytest.Config) -> None:
    """With ``--zoo-plugin`` collect the suite instead of the folders given; refuse a paper that does not exist."""
    config.addinivalue_line("markers", SLOW)
    plugin = config.getoption("--zoo-plugin")
    if plugin:
        os.environ[CONFORMANCE_PLUGIN] = plugin
        config.args[:] = [str(Path(__file__).with_name("conformance_of_plugin.py"))]
    paper = config.getoption(PAPER_OPTION)
    if paper:
        from zoo import catalogue

        try:
            config.option.paper = catalogue.current().find_paper(paper)[1].id
        except ZooError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow unless it is asked for, and with ``--paper`` what concerns other papers."""
    kept = [item for item in items if config.option.markexpr or item.get_closest_marker("slow") is None]
    paper = config.getoption(PAPER_OPTION)
    if paper:
        kept = [item for item in kept if item.path.stem == _module_of(paper) or _of_a_suite(item)]
    if len(kept) < len(items):
        chosen = set(kept)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = kept


def _of_a_suite(item: pytest.Item) -> bool:
    """Whether an item is a case of ``zoo.testing.suite``, which has chosen those of a paper already."""
    return hasattr(getattr(item, "cls", None), "zoo_plugin") and hasattr(item, "callspec")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``--paper`` do not import the test modules of other papers."""
    paper = config.getoption(PAPER_OPTION)
    if paper and collection_path.stem in _modules_of_papers() - {_module_of(paper)}:
        return True
    return None


def _module_of(paper: str) -> str:
    return f"test_{paper.replace('-', '_').replace('.', '_')}"


@cache
def _modules_of_papers() -> frozenset[str]:
    from zoo import catalogue

    return frozenset(_module_of(paper.id) for plugin in catalogue.current().plugins for paper in plugin.papers)
