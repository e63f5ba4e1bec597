"""Everything that can go wrong, as one family of exceptions.

Each message says what was wrong, what was expected and what to do next.
"""

from __future__ import annotations

import reprlib


class ZooError(Exception):
    """Base of every error that the zoo raises on purpose.

    Its text is safe to print: names that come from files may hold codes that steer a terminal.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


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


def printable(text: str) -> str:
    """The text with control characters, lone surrogates and marks that reorder text written as escapes.

    Line feeds, tabs and everything that a script needs to be read stay.
    """
    if text.isprintable():
        return text
    return "".join(character if _shows(character) else ascii(character)[1:-1] for character in text)


# Direction of text: they make a name read as another one.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _shows(character: str) -> bool:
    code = ord(character)
    controls = code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in (0x2028, 0x2029)
    return character in "\n\t" or not (controls or character in _REORDERING)


LONGEST_LINE = 5_000
# Past a metaclass that answers for itself.
_name_of = vars(type)["__name__"].__get__


def message_of(error: BaseException) -> str:
    """The message of an error, whatever its ``__str__`` does."""
    try:
        return f"{error}"
    except BaseException as problem:
        return f"(its message cannot be shown: {_name_of(type(problem))})"


def one_line(error: BaseException) -> str:
    """Class and message of an error in one line, whatever its ``__str__`` and its class's ``__name__`` do."""
    line = " ".join(f"{_name_of(type(error))}: {message_of(error)}".split())
    return printable(line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + " ...")


_REPR = reprlib.Repr()
_REPR.maxlist = _REPR.maxtuple = _REPR.maxdict = 20
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 200


def shown(value: object) -> str:
    """A value in a message: as Python writes it, unless that is endless, or its class writes nothing."""
    try:
        return _REPR.repr(value)
    except BaseException as problem:
        why = "too large to show" if isinstance(problem, ValueError | RecursionError) else "that cannot be shown"
        return f"<{_name_of(type(value))} {why}>"
