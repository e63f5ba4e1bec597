"""The site, built once for all tests of a session, and pages of it in the Chromium of the system."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


@dataclass(frozen=True)
class Site:
    """A built site.

    Args:
        folder: where it lies.
        seconds: of one core that its building took.
    """

    folder: Path
    seconds: float

    @property
    def pages(self) -> list[Path]:
        return sorted(self.folder.rglob("*.html"))

    def address(self, page: str) -> str:
        return (self.folder / page.partition("#")[0]).as_uri() + "".join(page.partition("#")[1:])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Site:
    """The site; one worker builds it while the others wait. One that was built before is named by ``ZOO_SITE``."""
    if "ZOO_SITE" in os.environ:
        return Site(Path(os.environ["ZOO_SITE"]).resolve(), 0.0)
    pytest.importorskip("sphinx", reason="the site is built by Sphinx: pip install attention-zoo[docs]")
    filelock = pytest.importorskip("filelock")
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    done = shared / "site-built"
    with filelock.FileLock(shared / "site.lock"):
        if not done.is_file():
            from docs.pages import build

            began = time.process_time()
            build.build(shared / "site", shared / "site-source")
            done.write_text(str(time.process_time() - began), encoding="utf-8")
    return Site(shared / "site", float(done.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """The name of this worker; "master" without pytest-xdist, whose fixture of this name it stands for."""
    return getattr(request.config, "workerinput", {}).get("workerid", "master")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of the system, without a window."""
    driver = pytest.importorskip(
        "playwright.sync_api", reason="playwright is missing: pip install attention-zoo[browser]"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    quiet = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with driver.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, chromium_sandbox=False, args=quiet)
        yield launched
        launched.close()


@dataclass
class Visit:
    """A page in the browser, with what went wrong on it.

    Args:
        page: of Playwright.
        faults: what was written to the console as an error, and requests for anything but files.
    """

    page: Page
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        def said(message: Any) -> None:
            if message.type in ("error", "warning"):
                self.faults.append(f"{self.page.url}: {message.text}")

        def asked(request: Any) -> None:
            if not request.url.startswith(("file:", "data:")):
                self.faults.append(f"{self.page.url} asks for {request.url}")

        def failed(request: Any) -> None:
            # What a page still loads when a test goes on to the next one is aborted.
            if request.failure != "net::ERR_ABORTED":
                self.faults.append(f"{request.url} failed: {request.failure}")

        self.page.on("console", said)
        self.page.on("pageerror", lambda error: self.faults.append(f"{self.page.url}: {error}"))
        self.page.on("request", asked)
        self.page.on("requestfailed", failed)


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """``visit("gallery.html#kind=probe", **options of a context)``: the page; none may write an error or leave."""
    visits: list[Visit] = []

    def opened(page: str, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESK, **options})
        visits.append(Visit(context.new_page()))
        visits[-1].watch()
        visits[-1].page.set_default_timeout(60_000)
        visits[-1].page.goto(site.address(page))
        return visits[-1].page

    yield opened
    for each in visits:
        each.page.context.close()
    assert not [fault for each in visits for fault in each.faults]
