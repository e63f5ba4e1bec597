"""Resolve "package.module:name" strings at first use."""

from __future__ import annotations

import importlib
from operator import attrgetter
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

    with failing_as(lambda error: PluginError(f"{target}: its module cannot be imported: {one_line(error)}")):
        try:
            value: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name
            if missing is None:
                # Raised by hand, as transformers does for what lies behind its own lazy imports.
                raise error.__cause__ or error from None
            if not f"{module_name}.".startswith(f"{missing}."):
                raise missing_dependency(missing, needed_by=module_name) from error
            raise PluginError(f"{target}: there is no module {module_name!r}") from error
    try:
        return attrgetter(attribute)(value)
    except AttributeError as error:
        raise PluginError(f"{target}: module {module_name!r} has no {attribute!r}") from error


def call(target: str, *args: Any, gives: type = object, **options: Any) -> Any:
    """What a function of a plugin gives.

    Args:
        target: "package.module:name" of the function.
        args, options: of the call.
        gives: the type that is expected of it.

    Raises:
        ZooError: as ``resolve`` does, or one of its own.
        PluginError: it raises anything else, an end of the process as if all had gone well included, or gives
            something of another type.
    """
    function = resolve(target)
    with failing_as(lambda error: PluginError(f"{target} failed: {one_line(error)}")):
        given = function(*args, **options)
    if not isinstance(given, gives):
        raise PluginError(f"{target} gives a {type(given).__name__}; expected a {gives.__name__}")
    return given


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
