"""The zoo as a pytest plugin: a local Hub for tests, and the suite of a plugin for its author.

Fixtures: ``zoo_hub`` (a running ``HubServer``, with the client pointed at it and an empty cache) and
``zoo_hub_cache`` (that cache). Options: ``--zoo-plugin NAME`` collects the suite of an installed plugin, and
``--paper ID`` keeps what concerns one paper: its entries, recordings and claims in the suites, and ``test_ID.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.testing.hub_server import HubServer

PAPER_OPTION = "--paper"
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
    """With ``--zoo-plugin`` collect the suite instead of the folders given."""
    plugin = config.getoption("--zoo-plugin")
    if plugin:
        os.environ[CONFORMANCE_PLUGIN] = plugin
        config.args[:] = [str(Path(__file__).with_name("conformance_of_plugin.py"))]
    paper = config.getoption(PAPER_OPTION)
    if paper:
        from zoo import catalogue

        try:
            catalogue.current().find_paper(paper)
        except ZooError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--paper`` keep the cases of that paper, which a suite has chosen already, and its own test module."""
    paper = config.getoption(PAPER_OPTION)
    if paper:
        module = f"test_{paper.replace('-', '_').replace('.', '_')}"
        kept = [item for item in items if item.path.stem == module or _of_a_suite(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def _of_a_suite(item: pytest.Item) -> bool:
    """Whether an item is a case of ``zoo.testing.suite`` that concerns a paper."""
    return hasattr(getattr(item, "cls", None), "zoo_plugin") and hasattr(item, "callspec")
