"""``zoo.save`` and ``zoo.push``: the Hub layout, config.json + model.safetensors + README.md."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from torch import nn

from zoo import origin
from zoo.errors import InputError


def save(obj: Any, folder: str | os.PathLike[str]) -> Path:
    """Write an object that ``zoo.load`` made so that ``zoo.load(folder)`` gives it back bit for bit.

    Args:
        obj: any loaded object; modules are written with their weights (tied tensors once, files over 5 GB
            sharded), other objects with their config alone.
        folder: created where it does not exist. Files of an earlier save in it are replaced.

    Returns:
        The folder.

    Raises:
        InputError: the object does not come from ``zoo.load``, or ``folder`` is a file.
    """
    from zoo.evidence.card import render_hub_card

    facts = origin.find(obj)
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise InputError(f"{str(path)!r} is a file; expected the name of a folder")
    path.mkdir(parents=True, exist_ok=True)
    if isinstance(obj, nn.Module):
        from huggingface_hub import save_torch_state_dict

        for stale in path.glob("model*.safetensors*"):
            stale.unlink()
        state = {name: tensor.detach() for name, tensor in obj.state_dict().items()}
        save_torch_state_dict(state, path, safe_serialization=True)
    (path / "README.md").write_text(render_hub_card(facts), encoding="utf-8")
    # Last, because its presence is what makes the folder a saved object.
    (path / origin.CONFIG_FILE).write_text(origin.to_json(facts), encoding="utf-8")
    return path


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
