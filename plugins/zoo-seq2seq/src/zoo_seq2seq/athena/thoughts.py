"""Arithmetic expressions as symbols: equal where they are the same sum or product, and written as the authors do.

Kinds: a number of the problem, a constant, a transform of one thought (NEG, INV, ROOT, HALF), an aggregate of several
(ADD, MUL). A sum of sums is one sum; it remembers the two thoughts that it was made of.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from zoo.errors import InputError

TRANSFORMS = ("NEG", "INV", "ROOT", "HALF")
AGGREGATES = ("ADD", "MUL")
NUMBER, CONSTANT = "number", "constant"


@dataclass(frozen=True, eq=False)
class Thought:
    """An expression.

    Args:
        kind: NUMBER, CONSTANT, or one of TRANSFORMS and AGGREGATES.
        operands: what it was built of: none, one or two thoughts.
        value: index of a number, value of a constant.
    """

    kind: str
    operands: tuple[Thought, ...] = ()
    value: float = 0.0

    @cached_property
    def terms(self) -> tuple[Thought, ...]:
        """Operands, with those of operands of the same aggregate in their place."""
        if self.kind not in AGGREGATES:
            return self.operands
        return tuple(term for each in self.operands for term in (each.terms if each.kind == self.kind else (each,)))

    @cached_property
    def key(self) -> str:
        """The same for equal thoughts."""
        if not self.operands:
            return f"{self.kind} {self.value!r}"
        keys = [term.key for term in self.terms]
        return f"{self.kind}({','.join(sorted(keys) if self.kind in AGGREGATES else keys)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thought) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        match self.kind:
            case "number":
                return f"n{int(self.value)}"
            case "constant":
                return f"x{self.value:.12g}".replace(".", "_")
            case "NEG":
                return f"-{self.operands[0].enclosed}"
            case "INV":
                return f"1 / {self.operands[0].enclosed}"
            case "ROOT":
                return f"{self.operands[0].enclosed} ** 0.5"
            case "HALF":
                return f"{self.operands[0].enclosed} / 2"
        first, *others = self.terms
        if self.kind == "ADD":
            signed = (f" - {each.operands[0].enclosed}" if each.kind == "NEG" else f" + {each}" for each in others)
            return str(first) + "".join(signed)
        factors = (
            f" / {each.operands[0].enclosed}" if each.kind == "INV" else f" * {each.enclosed}" for each in others
        )
        return (str(first) if first.kind == "INV" else first.enclosed) + "".join(factors)

    @property
    def enclosed(self) -> str:
        """As it is written within another: in brackets, unless it is a number or a constant."""
        return f"( {self} )" if self.operands else str(self)

    def parts(self) -> Iterator[Thought]:
        """Itself and all that it was built of."""
        yield self
        for each in self.operands:
            yield from each.parts()

    def evaluate(self, numbers: Sequence[float]) -> float:
        """Its value; NaN where there is none (a division by zero, a root of less than zero).

        Args:
            numbers: values of n0, n1, ...
        """
        if self.kind == NUMBER:
            return float(numbers[int(self.value)])
        if self.kind == CONSTANT:
            return self.value
        values = [each.evaluate(numbers) for each in self.terms]
        match self.kind:
            case "NEG":
                return -values[0]
            case "INV":
                return 1 / values[0] if values[0] else math.nan
            case "ROOT":
                return math.sqrt(values[0]) if values[0] >= 0 else math.nan
            case "HALF":
                return values[0] / 2
        return math.fsum(values) if self.kind == "ADD" else math.prod(values)


def number(index: int) -> Thought:
    """n_index."""
    return Thought(NUMBER, value=index)


def constant(value: float) -> Thought:
    """A number that the problem does not mention."""
    return Thought(CONSTANT, value=float(value))


def transform(kind: str, of: Thought) -> Thought:
    """One of TRANSFORMS."""
    return Thought(kind, (of,))


def aggregate(kind: str, one: Thought, other: Thought) -> Thought:
    """One of AGGREGATES."""
    return Thought(kind, (one, other))


def parse(equation: str, constants: Sequence[float] = ()) -> Thought:
    """The thought of an equation of n0, n1, ..., x1, x3_14, ..., + - * / ** and brackets.

    a - b is a + NEG(b), a / b is a * INV(b), a / 2 and a * 0.5 are HALF(a), a * 2 is a + a, a * -1 is NEG(a), powers
    are products or ROOT.

    Args:
        equation: as the authors write it.
        constants: literal numbers that may stand in it besides those of the rules above.

    Raises:
        InputError: anything else.
    """
    try:
        tree = ast.parse(equation.strip(), mode="eval").body
    except SyntaxError as error:
        raise InputError(f"{equation!r} is no equation: {error.msg}") from error
    return _Parser(equation, constants).thought(tree)


@dataclass(frozen=True)
class _Parser:
    equation: str
    constants: Sequence[float]

    def thought(self, node: ast.expr) -> Thought:
        match node:
            case ast.Name(id=name) if name[:1] == "n" and name[1:].isdigit():
                return number(int(name[1:]))
            case ast.Name(id=name) if name[:1] == "x":
                return constant(self._value(name[1:].replace("_", ".")))
            case ast.Constant(value=int() | float() as value) if float(value) in map(float, self.constants):
                return constant(value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return transform("NEG", self.thought(operand))
            case ast.BinOp(left=left, op=operator, right=right):
                return self._binary(left, operator, right)
        raise InputError(f"{ast.unparse(node)!r} in {self.equation!r} is no number, constant or operation")

    def _binary(self, left: ast.expr, operator: ast.operator, right: ast.expr) -> Thought:
        literal = self._literal(right)
        match operator:
            case ast.Add():
                return aggregate("ADD", self.thought(left), self.thought(right))
            case ast.Sub():
                return aggregate("ADD", self.thought(left), transform("NEG", self.thought(right)))
            case ast.Mult():
                if literal is None and (other := self._literal(left)) is not None:
                    return self._times(self.thought(right), other)
                if literal is None:
                    return aggregate("MUL", self.thought(left), self.thought(right))
                return self._times(self.thought(left), literal)
            case ast.Div():
                if literal == 2:
                    return transform("HALF", self.thought(left))
                return aggregate("MUL", self.thought(left), transform("INV", self.thought(right)))
            case ast.Pow():
                return self._power(self.thought(left), literal)
        raise InputError(f"{type(operator).__name__} in {self.equation!r}: expected + - * / or **")

    def _times(self, base: Thought, factor: float) -> Thought:
        simple = {2.0: lambda: aggregate("ADD", base, base), 1.0: lambda: base}
        simple |= {-1.0: lambda: transform("NEG", base), 0.5: lambda: transform("HALF", base)}
        if factor in simple:
            return simple[factor]()
        raise InputError(f"the factor {factor:g} in {self.equation!r} is not among the constants")

    def _power(self, base: Thought, power: float | None) -> Thought:
        if power == 0.5:
            return transform("ROOT", base)
        if power in (1, 2, 3):
            found = base
            for _ in range(int(power) - 1):
                found = aggregate("MUL", found, base)
            return found
        raise InputError(f"a power in {self.equation!r} is not one of 0.5, 1, 2 and 3")

    def _literal(self, node: ast.expr) -> float | None:
        """The value of a plain number that is no constant of the problem set."""
        sign = 1.0
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1.0, node.operand
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return None if float(node.value) in map(float, self.constants) and sign > 0 else sign * float(node.value)
        return None

    def _value(self, text: str) -> float:
        try:
            return float(text)
        except ValueError as error:
            raise InputError(f"x{text} in {self.equation!r} is no constant") from error
