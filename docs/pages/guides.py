"""The code of the guides, run as it stands: ``python -m docs.pages.guides PAGE``.

A guide is a Markdown page. Its fenced blocks are taken in order, in one session and an empty folder:

* ``python``: executed, in the names that earlier blocks left; where its first line is a comment that names a file
  (``# train.py``), it is written there instead.
* ``console``: lines that begin with ``$`` are commands of bash, whose exported variables later blocks see; a command
  that fails stops the run.
* ``diff``: applied to the files that it names.
* ``text`` right after a ``python`` block: what that block prints. Lines between the commands of a ``console`` block:
  what they print. ``...`` stands for anything in a line, and as a line for any number of lines. After
  ``<!-- measured -->`` numbers are those of one machine and may differ.
* other languages: shown, not run.

``<!-- needs: MODULE, MODULE -->`` names what the page needs beyond the development environment. ``--update`` writes
what was printed into the page where it differs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import traceback
import venv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "guides"
_COMMANDS = {"pip": "pip", "zoo": "zoo.cli", "pytest": "pytest", "torchrun": "torch.distributed.run"}
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w/.-]+\.\w+)\n")
_MEASURED = "<!-- measured -->"
_NEEDS = re.compile(r"<!-- needs: ([\w, ]+) -->")


@dataclass(frozen=True)
class Block:
    """A block that is run.

    Args:
        language: ``python``, ``console`` or ``diff``.
        code: its lines; of a console the commands, with what is shown of their output between them.
        shown: what it prints, as the page has it.
        start, end: where block and shown output stand in the page, in characters.
        measured: whether its numbers are those of one machine.
    """

    language: str
    code: str
    shown: str
    start: int
    end: int
    measured: bool = False

    @property
    def file(self) -> str | None:
        """The file that the block is written to, or None where it is executed."""
        found = _FILE.match(self.code) if self.language == "python" else None
        return found[1] if found else None


def blocks(text: str) -> list[Block]:
    """What a page runs, in its order."""
    found: list[Block] = []
    for fence in _FENCE.finditer(text):
        language, code = fence.groups()
        if language in ("python", "console", "diff"):
            shown = code if language == "console" else ""
            measured = text[: fence.start()].rstrip().endswith(_MEASURED)
            found.append(Block(language, code, shown, fence.start(), fence.end(), measured))
        elif language == "text" and found and not text[found[-1].end : fence.start()].strip():
            last = found.pop()
            found.append(replace(last, shown=code, end=fence.end()))
    return found


def missing(text: str) -> list[str]:
    """Modules that a page needs and that are not there."""
    named = _NEEDS.search(text)
    return [name for name in named[1].split(", ") if importlib.util.find_spec(name) is None] if named else []


def agrees(shown: str, printed: str, measured: bool = False) -> bool:
    """Whether a page shows what was printed; blanks at the ends of lines do not count.

    Args:
        shown, printed: the texts.
        measured: numbers may differ, and the blanks that align them.
    """
    want, got = ("".join(f"{line.rstrip()}\n" for line in text.strip().splitlines()) for text in (shown, printed))
    if measured:
        want, got = (re.sub(r" +", " ", re.sub(r"\d[\d.,]*", "0", text)) for text in (want, got))
    pattern = re.escape(want).replace(r"\.\.\.", "...")
    pattern = re.sub(r"^\.\.\.\n", lambda _: "(?:.*\n)*?", pattern.replace("\\\n", "\n"), flags=re.MULTILINE)
    return re.fullmatch(pattern.replace("...", ".*?"), got) is not None


class Session:
    """Runs blocks in a folder.

    Args:
        folder: the working directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, block: Block) -> str:
        """Run a block; returns what it printed, of a console with its commands.

        Raises:
            RuntimeError: the block failed; with what it wrote.
        """
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
            return ""
        if block.language == "diff":
            return self._apply(block.code)
        return self._console(block.code) if block.language == "console" else self._python(block.code)

    def _apply(self, code: str) -> str:
        command = ["git", "apply", "-p0", "--unidiff-zero", "--recount", "-"]
        done = subprocess.run(command, input=code, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{code}\n{done.stderr}")
        return ""

    def _python(self, code: str) -> str:
        printed = io.StringIO()
        try:
            with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
                exec(compile(code, "guide", "exec"), self.names)
        except Exception as error:
            raise RuntimeError(f"{code}\n{printed.getvalue()}{traceback.format_exc()}") from error
        return printed.getvalue()

    def _console(self, code: str) -> str:
        printed = ""
        for command, _ in with_output(code):
            printed += f"$ {command}\n"
            with tempfile.TemporaryDirectory() as place:
                after, output = Path(place) / "environment", Path(place) / "output"
                script = f"{command}\ncode=$?\nenv -0 > {after}\nexit $code"
                # A file, not a pipe: what goes on in the background would hold a pipe open.
                with output.open("wb") as writing:
                    done = subprocess.run(
                        ["bash", "-c", script], cwd=self.folder, stdout=writing, stderr=subprocess.STDOUT
                    )
                said = output.read_text(encoding="utf-8")
                if done.returncode != 0:
                    raise RuntimeError(f"$ {command}\nended with code {done.returncode}:\n{said}")
                printed += said if not said or said.endswith("\n") else f"{said}\n"
                os.environ.update(_variables(after.read_text(encoding="utf-8")))
        return printed


def with_output(code: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what is shown of its output; a backslash continues a command."""
    found: list[tuple[str, str]] = []
    for line in code.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and found[-1][0].endswith("\\") and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line}", "")
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def _variables(dump: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in dump.split("\0") if line)
    return {name: value for name, _, value in pairs if name not in ("_", "SHLVL", "PWD", "OLDPWD")}


def run(page: Path, folder: Path) -> list[str]:
    """What each block of a page prints, run in a folder by this process.

    Raises:
        RuntimeError: a block failed.
    """
    session = Session(folder)
    return [session.run(block) for block in blocks(page.read_text(encoding="utf-8"))]


def updated(text: str, printed: Sequence[str]) -> str:
    """A page that shows what was printed where it shows something else."""
    for block, output in reversed(list(zip(blocks(text), printed, strict=True))):
        if agrees(block.shown, output, block.measured):
            continue
        if block.language == "console":
            new = f"```console\n{output}```"
        else:
            kept = "\n".join(line.rstrip() for line in output.strip().splitlines())
            new = f"```python\n{block.code}```" + (f"\n\n```text\n{kept}\n```" if kept else "")
        text = text[: block.start] + new + text[block.end :]
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    """Run pages, each in a process and a folder of its own."""
    parser = argparse.ArgumentParser(prog="python -m docs.pages.guides", description="Run the code of guides.")
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files (default: all guides)")
    parser.add_argument("--update", action="store_true", help="write what was printed into the pages")
    parser.add_argument("--folder", type=Path, help="run one page here, in this process, and print JSON")
    options = parser.parse_args(arguments)
    if options.folder is not None:
        # What a console left running in the background ends with this process, and with nothing else.
        os.setpgrp()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            found: dict[str, Any] = {"printed": run(options.pages[0].resolve(), options.folder.resolve())}
        except RuntimeError as error:
            found = {"failed": str(error)}
        print(json.dumps(found), flush=True)
        os.killpg(0, signal.SIGTERM)
        return
    failed = False
    for page in options.pages or sorted(FOLDER.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if absent := missing(text):
            print(f"{page.name}: not run, needs {', '.join(absent)}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = run_apart(page, Path(folder))
        if "failed" in found:
            print(f"{page.name}: {found['failed']}")
            failed = True
            continue
        changed = updated(text, found["printed"])
        if changed != text and options.update:
            page.write_text(changed, encoding="utf-8")
        failed |= changed != text and not options.update
        print(f"{page.name}: {'shows what it prints' if changed == text else 'differed'}")
    sys.exit(failed)


def run_apart(page: Path, place: Path) -> dict[str, Any]:
    """Run a page in a process of its own: ``{"printed": [...]}``, or ``{"failed": "why"}``.

    Args:
        page: the Markdown file.
        place: an empty folder, for the page's working directory and what belongs to it.
    """
    folder, environment = prepared(place)
    command = [sys.executable, "-m", "docs.pages.guides", str(page.resolve()), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"failed": done.stderr[-2000:] or f"ended with code {done.returncode}"}
    return found


def prepared(place: Path) -> tuple[Path, dict[str, str]]:
    """A working directory below ``place``, and variables for what runs there.

    They put an environment before this one, in which pip may install, and let nothing reach a network.
    """
    folder = place / "here"
    folder.mkdir()
    (folder / "attention-zoo").symlink_to(ROOT)  # the clone that some pages speak of
    own = place / "environment"
    venv.create(own, with_pip=False)
    (packages,) = own.glob("lib/python*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    # ``addsitedir`` reads what lies there of editable installations, which a bare path does not.
    (packages / "ours.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in ours))
    for command, module in _COMMANDS.items():
        script = own / "bin" / command
        script.write_text(f'#!/bin/sh\nexec "{own}/bin/python" -m {module} "$@"\n')
        script.chmod(0o755)
    home = place / "home"
    home.mkdir()
    here = os.environ.get("PYTHONPATH", "")
    return folder, {
        "PATH": f"{own / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{here}" if here else str(ROOT),
        "HOME": str(home),
        "HF_HOME": str(home / "hub"),
        "ZOO_CACHE": str(home / "zoo"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # this is how pip spells that there is to be none
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "120",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        # Nobody listens there: what asks the network fails, and is seen.
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "127.0.0.1,localhost",
    }


if __name__ == "__main__":
    main()
