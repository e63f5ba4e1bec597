"""From the ASCII in which docstrings write mathematics to HTML: words as text, the formulas among them as MathML.

What is read: scripts (``x_ij``, ``S_{t-1}``, ``e^{mu dt}``, ``D^-1/2``), primes, accents (``q~``, ``x^``), Greek names,
``sqrt(...)``, ``sum_j``, names of functions and of quantities, brackets, relations and operators. Division stays a
slash: where a fraction would begin and end is not written in ASCII. Nothing is left out, added or moved, so that the
letters, digits and signs of the output are those of the input; a test holds it so.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

Kind = Literal["code", "number", "word", "letter", "operator", "mark", "group", "root"]

_NAMES = (
    *(
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
    ),
    *("omicron", "pi", "rho", "_", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
# The place "_" is that of the other small sigma. Capitals that look like Latin letters have no name.
GREEK = {name: chr(0x3B1 + place) for place, name in enumerate(_NAMES) if name != "_"} | {
    name.capitalize(): chr(0x391 + _NAMES.index(name))
    for name in ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "phi", "psi", "omega")
}
_ASCII = "<- -> := <= >= != -+ +- || += ... .. - * = + / // | < > ~ & % ."
_SIGNS = "← → ≔ ≤ ≥ ≠ ∓ ± ‖ += … … − ∗ = + / // | < > ~ & % ·"
OPERATORS = dict(zip(_ASCII.split(" "), _SIGNS.split(" "), strict=True))
_BARS = ("|", "||")
# What is applied to the next piece by a space alone: "log x", "softmax w".
_FUNCTIONS = (
    *("softmax", "softplus", "sigmoid", "tanh", "exp", "log", "ln", "cos", "sin", "relu", "ReLU", "GELU", "argmax"),
    *("max", "min", "mean", "median", "std", "var", "diag", "sum"),
)
# What no article stands before.
_JOINING = ("of", "in", "over", "by", "at", "is", "and", "or", "per", "with", "to", "from", "as", "for", "on", "goes")
_WITH_LIMITS = ("sum", "max", "min", "argmax")
_CLOSING = {"(": ")", "[": "]", "{": "}"}

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<code>``.+?``|`.+?`)
    | (?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)
    | (?P<word>(?:GREEK)(?![^\W\d_])
        | (?!(?:NAMES)_)(?=[a-z_]*[a-z]{4}|(?:[a-z]{3,}_)+[a-z]{3})[a-z]{2,}(?:_[a-z]{2,})+\b(?!\^)
        | [^\W\d_]{2,}(?:\d+(?:x\d+|d\b)?)?(?:'s\b|-[^\W\d_]+)*
        | [^\W\d_](?:-[^\W\d_]{2,})+)
    | (?P<letter>[^\W\d_])
    | (?P<operator><-|->|:=|<=|>=|!=|-\+|\+-|\+=|\|\||\.\.\.?|//|[-+*/=<>|~&%])
    | (?P<script>[_^])
    | (?P<prime>')
    | (?P<bracket>[][(){}])
    | (?P<mark>[,;:.?!"])
    """.replace("NAMES", "|".join((*_FUNCTIONS, "concat", *GREEK))).replace("GREEK", "|".join(GREEK)),
    re.VERBOSE,
)


class NotReadable(ValueError):
    """Text that is no expression of this notation; its message says what could not be read."""


@dataclass(frozen=True)
class Piece:
    """A piece of an expression.

    Args:
        kind: "group" is a bracket with its content, "root" a square root.
        text: as it was written; of a group the opening bracket.
        spaced: whether a space comes before it.
        inner: the content of a group or root.
        below, above: its scripts.
        primes: how many.
        accent: "~" or "^" above it, or none.
    """

    kind: Kind
    text: str
    spaced: bool = False
    inner: tuple[Piece, ...] = ()
    below: tuple[Piece, ...] = ()
    above: tuple[Piece, ...] = ()
    primes: int = 0
    accent: str = ""

    @property
    def bare(self) -> bool:
        """Whether nothing is attached to it."""
        return not (self.below or self.above or self.primes or self.accent)

    @property
    def named(self) -> bool:
        """Whether it is a word, and not the name of a Greek letter."""
        return self.kind == "word" and self.text not in GREEK


def html(text: str, *, display: bool = False) -> str:
    """An expression, or a sentence with expressions in it, as HTML.

    Args:
        text: one line of ASCII.
        display: whether limits stand below sums, as in a line of its own.

    Raises:
        NotReadable: it is not of this notation, for instance a bracket is not closed.
    """
    pieces = parse(text)
    if len(pieces) == 1 and pieces[0].kind == "word" and pieces[0].bare:
        # Alone it is a name in a table, Greek or not.
        return escape(text.strip(), quote=False)
    return "".join(_segments(pieces, display)).strip()


def parse(text: str) -> tuple[Piece, ...]:
    """The pieces of an expression.

    Raises:
        NotReadable: it is not of this notation.
    """
    return _Reader(text).sequence()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, bool]] = []
        self.place = 0
        spaced, at = False, 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise NotReadable(f"{text[at]!r} in {text!r}")
            at = found.end()
            if found.lastgroup != "space":
                self.tokens.append((found.lastgroup, found.group(), spaced))
            spaced = found.lastgroup == "space"

    def peek(self, ahead: int = 0) -> tuple[str, str, bool]:
        """(kind, text, whether a space comes before it) of a token to come."""
        place = self.place + ahead
        return self.tokens[place] if place < len(self.tokens) else ("end", "", True)

    def touching(self, *texts: str) -> bool:
        """Whether the next token is one of these and follows without a space."""
        _, text, spaced = self.peek()
        return text in texts and not spaced

    def take(self) -> tuple[str, str, bool]:
        token = self.peek()
        self.place += 1
        return token

    def sequence(self, closing: str = "") -> tuple[Piece, ...]:
        """Pieces up to a closing bracket, which is taken too, or the end."""
        found: list[Piece] = []
        while (token := self.peek())[1] != closing:
            if token[0] == "end":
                raise NotReadable(f"{closing!r} is missing in {self.text!r}")
            if token[1] in _CLOSING.values():
                raise NotReadable(f"{token[1]!r} closes nothing in {self.text!r}")
            found.append(self.piece())
        self.take()
        return tuple(found)

    def piece(self) -> Piece:
        kind, text, spaced = self.take()
        if kind == "script":
            raise NotReadable(f"a script of nothing in {self.text!r}")
        if kind == "bracket":
            return self.attached(Piece("group", text, spaced, self.sequence(_CLOSING[text])))
        if text == "." and self._multiplies(spaced):
            return Piece("operator", text, spaced)
        if text == "sqrt" and (root := self._root(spaced)):
            return root
        if kind == "prime":
            return Piece("mark", text, spaced)
        made = Piece(kind, text, spaced)  # type: ignore[arg-type]
        return made if kind in ("mark", "code") or (kind == "operator" and text not in _BARS) else self.attached(made)

    def _multiplies(self, spaced: bool) -> bool:
        """Whether a full stop is a product: it has spaces on both sides, or on none."""
        kind, _, after = self.peek()
        return kind != "end" and spaced == after and self.place > 1

    def _root(self, spaced: bool) -> Piece | None:
        if self.touching("("):
            self.take()
            return self.attached(Piece("root", "sqrt", spaced, self.sequence(")")))
        if self.peek()[0] in ("letter", "number", "word"):
            return Piece("root", "sqrt", spaced, (self.piece(),))
        return None

    def attached(self, made: Piece) -> Piece:
        """A piece with the primes, accents and scripts that touch it."""
        while True:
            kind, text, spaced = self.peek()
            simple = made.kind == "letter" or made.text in GREEK
            if spaced:
                return made
            if kind == "number" and simple and made.bare:
                made = replace(made, below=(Piece("number", self.take()[1]),))
            elif kind == "prime":
                self.take()
                if made.text in _WITH_LIMITS and made.below:
                    last = made.below[-1]
                    made = replace(made, below=(*made.below[:-1], replace(last, primes=last.primes + 1)))
                else:
                    made = replace(made, primes=made.primes + 1)
            elif text in ("~", "^") and not made.accent and simple and (text == "~" or not self._script_follows()):
                made = replace(made, accent=self.take()[1])
            elif text == "_" and (not made.below or made.below[0].kind == "number"):
                self.take()
                made = replace(made, below=(*made.below, *self.script()))
            elif text == "^" and not made.above:
                self.take()
                made = replace(made, above=self.script(upper=True))
            elif kind == "script":
                raise NotReadable(f"two scripts in one place in {self.text!r}")
            else:
                return made

    def _script_follows(self) -> bool:
        kind, text, spaced = self.peek(1)
        return not spaced and (kind in ("number", "word", "letter") or text in ("(", "{", "-", "*"))

    def script(self, *, upper: bool = False) -> tuple[Piece, ...]:
        """What touches a "_" or "^"."""
        kind, text, spaced = self.take()
        if not spaced and text in ("{", "("):
            content = self.sequence(_CLOSING[text])
            # A bracket below groups; one above may be part of the name: A^(0).
            return (Piece("group", text, False, content),) if upper and text == "(" else content
        if not spaced and text == "*":
            return (Piece("operator", text),)
        if not spaced and text == "-" and upper and self.peek()[0] in ("number", "letter", "word"):
            return (Piece("operator", text), *self.script(upper=True))
        if not spaced and kind == "number":
            if upper and self.touching("/") and self.peek(1)[0] == "number":
                return (Piece("number", text), Piece("operator", self.take()[1]), Piece("number", self.take()[1]))
            more = _indices(self.take()[1]) if self.peek()[0] in ("letter", "word") and not self.peek()[2] else []
            return (Piece("number", text), *more)
        if not spaced and kind in ("letter", "word"):
            found = _indices(text)
            if self.peek()[0] == "number" and not self.peek()[2]:
                found.append(Piece("number", self.take()[1]))
            elif self.touching(",") and self.peek(1)[0] == "letter" and not self.peek(1)[2]:
                found += [Piece("mark", self.take()[1]), Piece("letter", self.take()[1])]
            return tuple(found)
        raise NotReadable(f"{text!r} as a script in {self.text!r}")


def _indices(text: str) -> list[Piece]:
    """A script of two letters is two indices; a longer one is a name."""
    if len(text) == 2 and text.isalpha() and text not in GREEK:
        return [Piece("letter", letter) for letter in text]
    return [Piece("letter" if len(text) == 1 else "word", text)]


def _in_formula(pieces: Sequence[Piece]) -> list[bool]:
    """Of each piece whether it belongs to a formula, and not to the sentence around it."""
    found = []
    for place, piece in enumerate(pieces):
        before = pieces[place - 1] if place else None
        after = pieces[place + 1] if place + 1 < len(pieces) else None
        found.append(_is_formula(piece, before, after))
    for place, piece in enumerate(pieces[:-1]):
        if piece.text == "a" and piece.bare and pieces[place + 1].spaced:
            found[place] = not _is_article(pieces, found, place)
    return found


def _is_article(pieces: Sequence[Piece], formula: Sequence[bool], place: int) -> bool:
    """Whether an "a" is a word: it begins the sentence or follows on one of its words, and a noun follows."""
    before, after = pieces[place - 1] if place else None, pieces[place + 1]
    in_sentence = before is None or (not formula[place - 1] and before.kind != "group")
    noun = after.named and not formula[place + 1] and after.text not in _JOINING
    return in_sentence and (noun or (after.kind == "number" and before is not None and before.kind == "word"))


def _is_formula(piece: Piece, before: Piece | None, after: Piece | None) -> bool:
    if piece.kind in ("mark", "code"):
        return False
    called = after is not None and after.kind == "group" and not after.spaced
    joined = any(each is not None and each.kind == "operator" for each in (before, after))
    if piece.kind == "group":
        return (before is not None and not piece.spaced and before.kind != "mark") or not _is_remark(piece)
    if piece.kind == "number" and piece.bare:
        return joined or called or any(each is not None and _is_symbol(each) for each in (before, after))
    if not piece.named or not piece.bare:
        return True
    if piece.text in _FUNCTIONS and after is not None and (_is_symbol(after) or after.text in _FUNCTIONS):
        return after.kind != "operator" or joined
    return joined or called


def _is_symbol(piece: Piece) -> bool:
    """Whether a piece is part of a formula whatever stands beside it."""
    if piece.kind == "group":
        return not _is_remark(piece)
    return piece.kind in ("letter", "operator", "root") or piece.text in GREEK or not piece.bare


def _is_remark(group: Piece) -> bool:
    """Whether a bracket holds words that are no names of quantities: several in a row, or nothing else."""
    if group.text == "{" or not group.bare:
        return False
    words = [each.kind == "code" or (each.named and each.bare) for each in group.inner]
    if all(word or each.kind == "mark" for word, each in zip(words, group.inner, strict=True)):
        return any(words)
    return any(map(all, itertools.pairwise(words))) and not any(each.kind == "operator" for each in group.inner)


def _segments(pieces: Sequence[Piece], display: bool) -> Iterator[str]:
    """Words as text, runs of formula as ``math`` elements."""
    formula = _in_formula(pieces)
    place = 0
    while place < len(pieces):
        piece = pieces[place]
        if piece.spaced and place:
            yield " "
        end = place + 1
        if formula[place]:
            while end < len(pieces) and formula[end]:
                end += 1
            style = ' displaystyle="true"' if display else ""
            set_apart = f"<math{style}>{_row(pieces[place:end])}</math>"
            if end < len(pieces) and pieces[end].kind == "mark" and not pieces[end].spaced:
                # No line begins with a comma.
                set_apart = f'<span class="together">{set_apart}{escape(pieces[end].text, quote=False)}</span>'
                end += 1
            yield set_apart
        elif piece.kind == "group":
            yield from (piece.text, *_segments(piece.inner, display), _CLOSING[piece.text])
        elif piece.kind == "code":
            yield f"<code>{escape(piece.text.strip('`'), quote=False)}</code>"
        else:
            yield escape(piece.text, quote=False)
        place = end


def _row(pieces: Sequence[Piece], *, inside: bool = False) -> str:
    """MathML of pieces side by side; ``inside`` a bracket or script "in" is a relation."""
    parts: list[str] = []
    apart = True
    for place, piece in enumerate(pieces):
        before = pieces[place - 1] if place else None
        after = pieces[place + 1] if place + 1 < len(pieces) else None
        core = _core(piece, before, after, inside)
        # Operators bring their own space, bars none.
        brings = piece.kind in ("mark", "operator") if piece.text not in _BARS else False
        brings = brings or core.startswith("<mo>")
        if before is not None and piece.spaced and not apart and not brings:
            narrow = not before.named and not piece.named
            parts.append(f'<mspace width="{"0.17em" if narrow else "0.3em"}"/>')
        parts.append(_attached(core, piece))
        apart = brings
    return "".join(parts)


def _attached(core: str, piece: Piece) -> str:
    """MathML of a piece with its accent, primes and scripts."""
    if piece.accent:
        core = f'<mover accent="true">{core}<mo stretchy="false">{piece.accent}</mo></mover>'
    if piece.primes:
        # Fonts draw primes raised.
        core = f'<mrow>{core}<mo lspace="0" rspace="0">{"′" * piece.primes}</mo></mrow>'
    scripts = [f"<mrow>{_row(script, inside=True)}</mrow>" for script in (piece.below, piece.above) if script]
    if not scripts:
        return core
    if piece.kind == "word" and piece.text in _WITH_LIMITS:
        name = {(True, False): "munder", (True, True): "munderover"}.get((bool(piece.below), bool(piece.above)), "msup")
    else:
        name = "msubsup" if len(scripts) == 2 else "msub" if piece.below else "msup"
    return f"<{name}>{core}{''.join(scripts)}</{name}>"


def _core(piece: Piece, before: Piece | None, after: Piece | None, inside: bool) -> str:
    """A piece without what is attached to it."""
    if piece.kind == "group":
        left, right = (_bracket(text) for text in (piece.text, _CLOSING[piece.text]))
        return f"<mrow>{left}{_row(piece.inner, inside=True)}{right}</mrow>"
    if piece.kind == "root":
        return f"<msqrt>{_row(piece.inner, inside=True)}</msqrt>"
    if piece.kind == "number":
        return f"<mn>{piece.text}</mn>"
    if piece.kind == "mark":
        return f'<mo separator="true" lspace="0" rspace="0.25em">{escape(piece.text)}</mo>'
    if piece.kind == "operator":
        return _operator(piece, before, after)
    if piece.kind == "code":
        return f"<mtext>{escape(piece.text.strip('`'), quote=False)}</mtext>"
    if piece.text in GREEK:
        return f"<mi>{GREEK[piece.text]}</mi>"
    if piece.kind == "letter":
        times = piece.text == "x" and piece.bare and before is not None and before.kind == "number"
        return "<mo>×</mo>" if times and after is not None and after.kind == "number" else f"<mi>{piece.text}</mi>"
    if piece.text == "sum" and (piece.below or (after is not None and after.kind != "operator" and not after.named)):
        return "<mo>∑</mo>"
    if piece.text == "in" and inside and piece.spaced and after is not None and after.spaced and not after.named:
        return "<mo>∉</mo>" if before is not None and before.text == "not" else "<mo>∈</mo>"
    if piece.text == "not" and inside and after is not None and after.text == "in":
        return ""
    alone = before is None and after is None
    name = (
        "mi"
        if alone or not piece.bare or (after is not None and not after.spaced) or piece.text in _FUNCTIONS
        else "mtext"
    )
    return f"<{name}>{escape(piece.text, quote=False)}</{name}>"


def _bracket(text: str) -> str:
    return f'<mo stretchy="false">{text}</mo>'


def _operator(piece: Piece, before: Piece | None, after: Piece | None) -> str:
    sign = escape(OPERATORS[piece.text], quote=False)
    if piece.text in _BARS:
        # They look the same where they open and where they close: spaces are those of the source.
        space = "0.28em" if piece.spaced and (after is None or after.spaced) else "0"
        return f'<mo stretchy="false" lspace="{space}" rspace="{space}">{sign}</mo>'
    if piece.text in ("-", "+") and (
        before is None or (before.kind in ("operator", "mark") and before.text not in _BARS)
    ):
        return f'<mo form="prefix">{sign}</mo>'
    if piece.text == "~":
        return f'<mo lspace="0.28em" rspace="0.28em">{sign}</mo>'
    return f"<mo>{sign}</mo>"
