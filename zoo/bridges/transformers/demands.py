"""What attention modules of transformers hand to their function besides queries, keys, values and a mask.

T5 adds a learned bias to the scores, GPT-OSS lets a sink take part in the softmax, Gemma 2 caps the scores: a mechanism
computes none of these. Which of them a module hands over stands in its source, at the call of the function; whether one
is there or None often follows from the module's own attributes, before anything runs.
"""

from __future__ import annotations

import ast
import inspect
import operator
import textwrap
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any

from torch import nn

from zoo.bridges.transformers.dispatch import INTERFACE, asking_functions

# What mechanisms are given in another form, or what changes no number.
_UNDERSTOOD = frozenset(
    (
        *("query", "key", "value", "attention_mask", "scaling", "dropout", "is_causal"),
        *("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k", "position_ids"),
        # The mask says it, too.
        "sliding_window",
        *("output_attentions", "deterministic"),
    )
)


class _State(Enum):
    """What is known of a local variable."""

    NONE = "None"
    THERE = "a value"
    UNKNOWN = "either"


@cache
def options(kind: type[Any]) -> tuple[str, ...]:
    """Names of the arguments that a module class hands over and no mechanism takes."""
    return tuple(dict.fromkeys(name for _, _, keywords in _calls(kind) for name in keywords))  # type: ignore[arg-type]


def demanded(module: nn.Module) -> dict[str, str]:
    """Those of ``options`` that are certain to be more than None in every call, with how the source writes them."""
    found: dict[str, str] = {}
    for function, call, keywords in _calls(type(module)):  # type: ignore[arg-type]
        for name, value in keywords.items():
            if isinstance(value, ast.Name):
                before = [each for each in function.body if each.lineno <= call.lineno]
                certain = _follow(before, value.id, _State.UNKNOWN, module) is _State.THERE
            else:
                known = _value(value, module)
                certain = known is not None and known[0] is not None
            if certain:
                found[name] = ast.unparse(value)
    return found


@cache
def _calls(kind: type[Any]) -> list[tuple[ast.FunctionDef, ast.Call, dict[str, ast.expr]]]:
    return [found for function in asking_functions(kind) for found in _calls_in(function)]


def _calls_in(function: Any) -> Iterator[tuple[ast.FunctionDef, ast.Call, dict[str, ast.expr]]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        return  # without its source, the first call will tell
    if not isinstance(tree, ast.FunctionDef):
        return
    bound = {
        target.id
        for each in ast.walk(tree)
        if isinstance(each, ast.Assign | ast.AnnAssign) and each.value is not None and _asks(each.value)
        for target in _targets(each)
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in bound:
            named = {each.arg: each.value for each in call.keywords if each.arg is not None}
            yield tree, call, {name: value for name, value in named.items() if name not in _UNDERSTOOD}


def _asks(value: ast.expr) -> bool:
    return any(isinstance(each, ast.Name) and each.id == INTERFACE for each in ast.walk(value))


def _follow(statements: list[ast.stmt], name: str, state: _State, module: nn.Module) -> _State:
    """What is known of a variable after some statements."""
    for each in statements:
        if isinstance(each, ast.If):
            truth = _truth(each.test, name, state, module)
            ends = [
                _follow(branch, name, _assumed(each.test, name, state, holds), module)
                for branch, holds in ((each.body, True), (each.orelse, False))
                if truth in (holds, None)
            ]
            state = ends[0] if len(set(ends)) == 1 else _State.UNKNOWN
        elif isinstance(each, ast.Assign | ast.AnnAssign):
            if each.value is not None and any(_names(target, name) for target in _targets(each)):
                state = _assigned(each.value, module)
        elif any(isinstance(part, ast.Name) and part.id == name and _is_stored(part) for part in ast.walk(each)):
            state = _State.UNKNOWN
    return state


def _targets(assignment: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]


def _names(target: ast.expr, name: str) -> bool:
    """Whether a target is this variable, or a tuple with it."""
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return any(isinstance(part, ast.Name) and part.id == name for part in parts)


def _is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _assigned(value: ast.expr, module: nn.Module) -> _State:
    if isinstance(value, ast.Call):
        return _State.THERE
    known = _value(value, module)
    if not known:
        return _State.UNKNOWN
    return _State.NONE if known[0] is None else _State.THERE


def _assumed(test: ast.expr, name: str, state: _State, holds: bool) -> _State:
    asked = _asked_for_none(test, name)
    if asked is None:
        return state
    return _State.NONE if asked == holds else _State.THERE


def _asked_for_none(test: ast.expr, name: str) -> bool | None:
    """True for ``name is None``, False for ``name is not None``, None for anything else."""
    match test:
        case ast.Compare(ast.Name(found), [ast.Is() | ast.IsNot() as how], [ast.Constant(None)]) if found == name:
            return isinstance(how, ast.Is)
    return None


_COMPARED = {ast.Is: operator.is_, ast.IsNot: operator.is_not, ast.Eq: operator.eq, ast.NotEq: operator.ne}


def _truth(test: ast.expr, name: str, state: _State, module: nn.Module) -> bool | None:
    """Whether a condition holds, where the module's attributes or the variable's state say it."""
    asked = _asked_for_none(test, name)
    if asked is not None:
        return None if state is _State.UNKNOWN else asked == (state is _State.NONE)
    match test:
        case ast.UnaryOp(ast.Not(), inner):
            truth = _truth(inner, name, state, module)
            return None if truth is None else not truth
        case ast.BoolOp(op, parts):
            truths = [_truth(part, name, state, module) for part in parts]
            decides = isinstance(op, ast.Or)
            if decides in truths:
                return decides
            return None if None in truths else not decides
        case ast.Compare(left, [how], [right]) if type(how) in _COMPARED:
            values = [known[0] for side in (left, right) if (known := _value(side, module)) is not None]
            comparable = isinstance(how, ast.Is | ast.IsNot) or all(map(_is_plain, values))
            return bool(_COMPARED[type(how)](*values)) if len(values) == 2 and comparable else None
        case _:
            known = _value(test, module)
            return bool(known[0]) if known and _is_plain(known[0]) else None


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _value(expression: ast.expr, module: nn.Module) -> tuple[Any] | None:
    """The value of a constant, or of an attribute of the module; None where it is neither."""
    match expression:
        case ast.Constant(value):
            return (value,)
        case ast.Name("self"):
            return (module,)
        case ast.Attribute(owner, leaf):
            inner = _value(owner, module)
            return (getattr(inner[0], leaf),) if inner and hasattr(inner[0], leaf) else None
    return None
