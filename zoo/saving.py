"""``zoo.save`` and ``zoo.push``: the Hub layout, config.json + model.safetensors + README.md."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from zoo import origin
from zoo.errors import InputError, WeightsError
from zoo.weights.files import CONFIG_FILE, INDEX, SINGLE

CARD_FILE = "README.md"
_WEIGHTS = re.compile(rf"model(-\d+-of-\d+)?\.safetensors|{re.escape(INDEX)}")


def save(obj: Any, folder: str | os.PathLike[str]) -> Path:
    """Write an object that ``zoo.load`` made so that ``zoo.load(folder)`` gives it back bit for bit.

    Args:
        obj: any loaded object; modules are written with their weights (tied tensors once, files over 5 GB
            sharded), other objects with their config alone.
        folder: created where it does not exist. Files of an earlier save in it are replaced, once the new ones are
            complete.

    Returns:
        The folder.

    Raises:
        InputError: the object does not come from ``zoo.load`` or has no values to save, or ``folder`` is a file, or
            holds files of these names that ``zoo.save`` did not write.
        WeightsError: the files cannot be written.
    """
    from zoo.evidence.card import render_hub_card

    facts = origin.find(obj)
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise InputError(f"{str(path)!r} is a file; expected the name of a folder")
    _refuse_to_replace(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path, prefix=".saving-") as fresh:
            if isinstance(obj, nn.Module):
                _write_weights(obj, Path(fresh))
            (Path(fresh) / CARD_FILE).write_text(render_hub_card(facts), encoding="utf-8")
            for stale in _weights_in(path):
                stale.unlink()
            for file in Path(fresh).iterdir():
                file.replace(path / file.name)
        # Last, because its presence is what makes the folder a saved object.
        (path / CONFIG_FILE).write_text(origin.to_json(facts), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{type(obj).__name__} cannot be saved to {str(path)!r}: {error}") from error
    return path


def _weights_in(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if _WEIGHTS.fullmatch(path.name)]


def _refuse_to_replace(folder: Path) -> None:
    """Only what an earlier save wrote may be replaced."""
    named = [folder / CARD_FILE, folder / CONFIG_FILE, *_weights_in(folder)]
    found = [path.name for path in named if path.exists()]
    if found and not origin.is_saved(folder):
        raise InputError(
            f"{str(folder)!r} holds {', '.join(found)}, which zoo.save did not write and would replace; "
            "choose another folder"
        )


def _write_weights(module: nn.Module, folder: Path) -> None:
    from huggingface_hub import save_torch_state_dict
    from safetensors.torch import save_file

    state = {name: tensor.detach() for name, tensor in module.state_dict().items()}
    for name, tensor in state.items():
        if tensor.is_meta:
            raise InputError(f"{name} is on the meta device and has no values to save")
        if hasattr(tensor, "full_tensor"):
            raise InputError(f"{name} is sharded over a mesh; load without mesh= to save, or gather the state dict")
    if state:
        save_torch_state_dict(state, folder, safe_serialization=True)
    else:
        # An empty file, where save_torch_state_dict writes none: a module whose file is missing is an error.
        save_file({}, folder / SINGLE)


def push(
    obj: Any,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Upload an object in the Hub layout; ``zoo.load("hf://owner/repo")`` gives it back.

    Args:
        obj: an object that ``zoo.load`` made, or a folder that ``zoo.save`` wrote.
        repo_id: ``owner/repo``; created where it does not exist.
        private: whether a new repository is private.
        revision: a branch; by default ``main``.
        token: a Hub token with write access; by default the logged-in one.

    Returns:
        ``hf://owner/repo@<commit>`` of the upload.
    """
    from zoo.weights import push_folder

    if isinstance(obj, str | os.PathLike):
        origin.read(os.fspath(obj))
        return push_folder(Path(obj), repo_id, private=private, revision=revision, token=token)
    with tempfile.TemporaryDirectory() as folder:
        save(obj, folder)
        return push_folder(Path(folder), repo_id, private=private, revision=revision, token=token)
