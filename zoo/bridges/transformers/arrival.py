"""What happens when transformers arrives in a process that has imported the zoo: its classes learn of ours.

``import zoo`` imports no transformers, and who uses transformers should not have to call anything before
``AutoModelForCausalLM.from_pretrained`` reads what ``zoo.save`` wrote, or before a model that was saved with a zoo
attention comes back with it. So the zoo waits: as soon as one of three modules of transformers has been imported, by
whomever, the step that belongs to it is taken. Nothing else about imports changes, and a step that fails warns and
leaves transformers as it is.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

# Module of transformers -> what then is done.
STEPS = {
    "transformers.modeling_utils": "zoo.bridges.transformers.registration:install",
    "transformers.models.auto.configuration_auto": "zoo.bridges.transformers.auto:register_config",
    "transformers.models.auto.modeling_auto": "zoo.bridges.transformers.auto:register_models",
}


def wait() -> None:
    """Wait for transformers; what has arrived already is served at once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name in STEPS:
        if name in sys.modules:
            _take_step(name)


def _take_step(name: str) -> None:
    module, _, function = STEPS[name].partition(":")
    try:
        getattr(importlib.import_module(module), function)()
    except Exception as error:
        warnings.warn(
            f"this transformers does not know the zoo's models ({type(error).__name__}: {error}); it works as if the "
            "zoo were not there. Run: pip install -U attention-zoo transformers",
            stacklevel=2,
        )


class _Finder:
    # Not of importlib.abc, which takes longer to import than all of this package.
    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in STEPS or getattr(_this_thread, "asks", False):
            return None
        _this_thread.asks = True
        try:
            spec = find_spec(name)
        finally:
            _this_thread.asks = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


# While it asks the other finders, ours must not answer.
_this_thread = threading.local()


class _Loader:
    """The module's own loader, and then its step."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._own.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        _take_step(module.__name__)
