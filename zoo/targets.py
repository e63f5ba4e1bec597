"""Resolve "package.module:name" strings at first use."""

from __future__ import annotations

import importlib
from typing import Any

from zoo.errors import MissingDependency, PluginError, one_line
from zoo.foreign import failing_as

# Import names that differ from the name pip wants.
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml", "cv2": "opencv-python-headless"}


def resolve(target: str) -> Any:
    """The object that ``target`` names.

    Raises:
        MissingDependency: an import inside the module needs a package that is not installed.
        PluginError: the module or the name does not exist, or the module fails as it is imported.
    """
    module_name, _, attribute = target.partition(":")

    with failing_as(lambda why: PluginError(f"{target}: module {module_name!r} cannot be imported: {one_line(why)}")):
        try:
            value: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if missing and not (module_name == missing or module_name.startswith(missing + ".")):
                raise missing_dependency(missing, needed_by=module_name) from error
            raise PluginError(f"{target}: there is no module {module_name!r}") from error
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError as error:
            raise PluginError(f"{target}: module {module_name!r} has no {attribute!r}") from error
    return value


def missing_dependency(module: str, *, needed_by: str) -> MissingDependency:
    """The error for a package that is not installed, naming the pip command."""
    root = module.partition(".")[0]
    distribution = _DISTRIBUTIONS.get(root, root)
    return MissingDependency(
        f"{needed_by} needs the package {root!r}, which is not installed. Run: pip install {distribution}"
    )


def require(module: str, *, needed_by: str) -> Any:
    """Import an optional dependency, or raise MissingDependency naming the pip command."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing_dependency(error.name or module, needed_by=needed_by) from error
