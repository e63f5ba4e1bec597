"""Everything that can go wrong, as one family of exceptions.

Each message says what was wrong, what was expected and what to do next.
"""

from __future__ import annotations


class ZooError(Exception):
    """Base of every error that the zoo raises on purpose."""


class UnknownName(ZooError):
    """No installed plugin offers an entry, preset, paper or weights tag of that name."""


class AmbiguousName(ZooError):
    """Several plugins offer the name; the message lists the qualified names."""


class PluginError(ZooError):
    """A plugin is broken, missing or disabled."""


class MissingDependency(ZooError):
    """A package that an entry needs is not installed; the message gives the pip command."""


class ConfigError(ZooError):
    """A configuration value is unknown, mistyped, missing or out of range.

    Args:
        message: what is wrong and what was expected.
        field: dotted name of the field at fault. When it is given (a schema's
            ``__post_init__`` should), the zoo adds the value and where it came from.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MaskError(ZooError):
    """An attention mask has a shape, dtype or kind that the mechanism cannot honour."""


class InputError(ZooError):
    """An input to a model, probe, method or benchmark is not of the documented form."""


class WeightsError(ZooError):
    """Weights cannot be found, read or fitted."""


class CheckpointMismatch(WeightsError):
    """A checkpoint's tensors do not fit the module: missing, unexpected or misshapen names."""


class DigestMismatch(WeightsError):
    """A file's size or sha256 is not the declared one; the message names both."""


class PickleRefused(WeightsError):
    """A pickle file was given where only safetensors are read."""


class DownloadError(WeightsError):
    """The Hub, or another source, could not deliver a file."""


def one_line(error: BaseException) -> str:
    """Class and message of an error in one line, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except BaseException as problem:
        text = f"(its message cannot be shown: {type(problem).__name__})"
    return f"{type(error).__name__}: {text}".splitlines()[0]
