"""``zoo new NAME``: a plugin that can be published, and that passes its tests as generated.

Its parts are the files of ``template/``, a small plugin called my-lab that works as it lies there; only its names are
replaced.
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo import catalogue
from zoo.errors import InputError

TEMPLATE = Path(__file__).parent / "template"
_TEXTS = {".py", ".toml", ".md", ".yml", ""}


def scaffold(name: str, folder: Path | None = None) -> Path:
    """Write the plugin ``zoo-NAME``.

    Args:
        name: lower-case letters, digits and dashes.
        folder: where; ``zoo-NAME`` in the working directory by default.

    Raises:
        InputError: the name does not fit or is taken, or the folder is not empty or cannot be written.
    """
    if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) is None:
        raise InputError(f"{name!r} is not a plugin name: lower-case letters, digits and single dashes, like 'my-lab'")
    path = Path(folder or f"zoo-{name}")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} exists and is no empty folder; choose another one by --folder")
    _require_free(name)
    try:
        for source in template_files():
            target = path / _renamed(str(source.relative_to(TEMPLATE)), name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix in _TEXTS:
                target.write_text(_renamed(source.read_text(encoding="utf-8"), name), encoding="utf-8")
            else:
                target.write_bytes(source.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error
    return path


def template_files() -> list[Path]:
    """The files that a new plugin consists of."""
    return sorted(
        path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.relative_to(TEMPLATE).parts
    )


def _require_free(name: str) -> None:
    current = catalogue.current()
    taken = [
        *("catalogue", "weights"),
        *(plugin.name for plugin in current.plugins),
        *(spelling for offer in current.offers for spelling in (offer.entry.id, *offer.entry.aliases)),
    ]
    if name in taken:
        raise InputError(f"a plugin, an entry or a module of every plugin is called {name!r} already; choose another")


def _renamed(text: str, name: str) -> str:
    """The template's names, in each of their spellings, replaced by those of the new plugin."""
    words = name.split("-")
    for ours, theirs in (("my-lab", name), ("my_lab", "_".join(words)), ("MyLab", "".join(map(str.title, words)))):
        text = text.replace(ours, theirs)
    return text
