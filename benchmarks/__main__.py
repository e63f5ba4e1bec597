"""Run every benchmark of this folder, one after the other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NOT_BENCHMARKS = {"__init__", "__main__", "measuring", "demo"}

for script in sorted(Path(__file__).parent.glob("*.py")):
    if script.stem not in NOT_BENCHMARKS:
        print(f"\n## {script.stem}\n", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{script.stem}"], check=True)
