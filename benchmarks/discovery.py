"""How long it takes to see what is there: ``zoo list`` against ``import torch``, and with 1,000 plugins."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measuring import run, seconds, table

ZOO = str(Path(sys.executable).with_name("zoo"))
PLUGINS, ENTRIES = 1_000, 10

# Plugins are byte-compiled when pip installs them; the generated ones get the same on the first run.
ENV = {"PYTHONDONTWRITEBYTECODE": ""}


def generate(site: Path, plugins: int = PLUGINS, entries: int = ENTRIES) -> None:
    """Distributions with an entry point each, as pip would leave them in site-packages."""
    for index in range(plugins):
        name = f"many{index:04}"
        info = site / f"zoo_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: zoo-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[zoo.plugins]\n{name} = zoo_{name}.catalogue\n")
        package = site / f"zoo_{name}"
        package.mkdir()
        (package / "__init__.py").touch()
        offered = "".join(
            f"        Entry(id='{name}-e{entry}', kind='attention', summary='entry {entry}', tags=('self', 'soft'),\n"
            f"              build='zoo_{name}.m:B', config='zoo_{name}.m:C', presets={{'tiny': {{'dim': 8}}}}),\n"
            for entry in range(entries)
        )
        (package / "catalogue.py").write_text(
            "from zoo import Entry, Paper, hookimpl\n\n@hookimpl\ndef zoo_papers():\n"
            f"    yield Paper(id='{name}', title='Generated {index}', year=2024, entries=(\n{offered}    ))\n"
        )


def main() -> None:
    torch_seconds = seconds([sys.executable, "-c", "import torch"], env=ENV)
    list_seconds = seconds([ZOO, "list"], env=ENV)
    imported = run(
        "import sys\nfrom zoo.cli import main\ntry:\n    main(['list'])\nexcept SystemExit: pass\n"
        "report(torch='torch' in sys.modules)"
    )
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        many = {**ENV, "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])}
        many_seconds = seconds([ZOO, "list"], env=many)
    print(
        table(
            ["process", "seconds", "ratio to `import torch`"],
            [
                ['`python -c "import torch"`', f"{torch_seconds:.3f}", "1.00"],
                ["`zoo list`", f"{list_seconds:.3f}", f"{list_seconds / torch_seconds:.2f}"],
                [
                    f"`zoo list`, {PLUGINS:,} more plugins of {ENTRIES} entries",
                    f"{many_seconds:.3f}",
                    f"{many_seconds / torch_seconds:.2f}",
                ],
            ],
        )
    )
    print(f"\n`zoo list` imported torch: {'yes' if imported['torch'] else 'no'}")


if __name__ == "__main__":
    main()
