"""Build the site: ``python -m docs.pages [FOLDER]``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from docs.pages import build


def main() -> None:
    """Build into the folder that is named, by default ``site``, and say what became of it."""
    parser = argparse.ArgumentParser(prog="python -m docs.pages", description="Build the site.")
    parser.add_argument("folder", nargs="?", type=Path, default=build.SITE, help="where to (default: site)")
    began = time.perf_counter()
    index = build.build(parser.parse_args().folder)
    print(f"built {index} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
