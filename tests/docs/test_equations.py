"""Typesetting of docstrings: nothing is lost, what cannot be read stays as it was, and the words of known cases."""

from __future__ import annotations

import re
import string
from collections import Counter
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.pages import equations, expressions
from docs.pages.layout import ROOT
from zoo.evidence import card
from zoo.evidence.papers import offers_below

DOCSTRINGS = {offer.paper.id: card.docstring(offer.paper.entries[0]) for offer in offers_below(ROOT)}
_BACK = {sign: name for name, sign in expressions.GREEK.items()} | {"∑": "sum", "∈": "in", "∉": "notin", "×": "x"}
_BACK |= {sign: text for text, sign in expressions.OPERATORS.items() if len(text) == 1}


def text_of(html: str) -> str:
    """The text of well-formed HTML, a root written as what draws it."""
    tree = ElementTree.fromstring(f"<p>{html.replace('<msqrt>', '<msqrt>sqrt')}</p>")
    return "".join(tree.itertext())


def letters(text: str) -> str:
    """Letters and digits, as ASCII writes them, in their order."""
    return "".join(re.findall(r"\w", "".join(_BACK.get(sign, sign) for sign in text))).replace("_", "")


def signs(text: str) -> list[str]:
    """What stands between letters, but for what scripts, accents, roots and code are written with."""
    return sorted(re.findall(r"[-+*/=<>|~&,;:←→≔≤≥≠∓±‖−∗]", _as_drawn(text)))


def _as_drawn(text: str) -> str:
    for ascii_sign, sign in expressions.OPERATORS.items():
        if len(ascii_sign) > 1 and ascii_sign not in ("...", "..", "//", "+="):
            text = text.replace(ascii_sign, sign)
    return text.replace("-", "−").replace("*", "∗")


@pytest.mark.parametrize("paper", DOCSTRINGS)
def test_nothing_of_a_docstring_is_lost(paper: str) -> None:
    docstring = DOCSTRINGS[paper]
    html = equations.html(docstring)
    # Numbers of lists are drawn by the browser.
    expected = re.sub(r"(?m)^ *(?:\d+\.|[*-]) ", "", docstring)
    # Of two scripts the lower one is drawn first, whichever was written first.
    assert Counter(letters(text_of(html))) == Counter(letters(expected))


def test_few_blocks_stay_as_they_were_written() -> None:
    html = "".join(map(equations.html, DOCSTRINGS.values()))
    assert html.count('<pre class="equations"') <= 0.03 * html.count('class="equations"')
    assert html.count("<math") > 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("S_{t-1}", "<msub><mi>S</mi><mrow><mi>t</mi><mo>−</mo><mn>1</mn></mrow></msub>"),
        ("a_ij", "<msub><mi>a</mi><mrow><mi>i</mi><mi>j</mi></mrow></msub>"),
        ("h_(i-1)", "<msub><mi>h</mi><mrow><mi>i</mi><mo>−</mo><mn>1</mn></mrow></msub>"),
        ("A_loc", "<msub><mi>A</mi><mrow><mi>loc</mi></mrow></msub>"),
        ("D^-1/2", '<msup><mi>D</mi><mrow><mo form="prefix">−</mo><mn>1</mn><mo>/</mo><mn>2</mn></mrow></msup>'),
        ("sqrt(d_h)", "<msqrt><msub><mi>d</mi><mrow><mi>h</mi></mrow></msub></msqrt>"),
        ("sigma0^2", "<msubsup><mi>σ</mi><mrow><mn>0</mn></mrow><mrow><mn>2</mn></mrow></msubsup>"),
        ("x^ = q~", '<mover accent="true"><mi>x</mi><mo stretchy="false">^</mo></mover><mo>=</mo>'),
        ("sum_{i not in I} y_i", "<munder><mo>∑</mo><mrow><mi>i</mi>"),
        ("W1 x", "<msub><mi>W</mi><mrow><mn>1</mn></mrow></msub>"),
    ],
)
def test_an_expression_is_set(text: str, expected: str) -> None:
    assert expected in expressions.html(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the tokens of one place", ["the tokens of one place"]),
        ("Linear of patches of p samples", ["Linear of patches of ", " samples"]),
        ("a row a of attention", ["a row ", " of attention"]),
        ("softmax over points of (Q_h y) . (K_h x_k) / sqrt(r)", ["softmax over points of "]),
        ("for i < c(t)", ["for "]),
    ],
)
def test_words_are_text_and_symbols_are_formulas(text: str, words: list[str]) -> None:
    html = expressions.html(text)
    assert [part for part in re.split(r"<math.*?</math>", html) if part] == words


@pytest.mark.parametrize("text", ["(a", "a)", "a_", "^2", "a_b_c", "x^2^3", "a § b", "x_{i"])
def test_what_cannot_be_read_is_refused_and_shown_as_it_was(text: str) -> None:
    with pytest.raises(expressions.NotReadable):
        expressions.html(text)
    assert text_of(equations.block_html(f"    {text}")) == text


_ATOMS = st.sampled_from(
    ["x", "y_i", "W_{t-1}", "alpha", "v~_j", "q'", "sqrt(d)", "A^T", "mean", "3", "0.5", "softmax_j"]
)
_JOINTS = st.sampled_from([" ", " + ", " - ", " = ", " . ", " / ", " <- ", ", ", " <= ", " over the ", " * "])


@st.composite
def expression(draw: st.DrawFn, depth: int = 2) -> str:
    parts = [draw(_ATOMS)]
    for _ in range(draw(st.integers(0, 4))):
        inner = draw(_ATOMS) if not depth or draw(st.booleans()) else f"({draw(expression(depth - 1))})"
        parts += [draw(_JOINTS), inner]
    return "".join(parts)


@given(expression())
def test_every_expression_keeps_its_letters_and_signs(text: str) -> None:
    drawn = text_of(expressions.html(text, display=True))
    assert letters(drawn) == letters(text)
    # Tildes are accents here, and a full stop between spaces a product.
    assert signs(drawn.replace("~", "")) == signs(text.replace("~", ""))


@given(st.text(string.ascii_letters + string.digits + " _^~'()[]{}.,;:+-*/=<>|&\"", max_size=60))
def test_any_text_is_set_or_refused(text: str) -> None:
    try:
        html = expressions.html(text)
    except expressions.NotReadable:
        return
    assert Counter(letters(text_of(html))) == Counter(letters(text))


@given(st.text(max_size=200))
def test_any_docstring_becomes_well_formed_html(text: str) -> None:
    printable = "".join(sign for sign in text if sign.isprintable() or sign == "\n")
    html = equations.html(printable).replace("&nbsp;", " ")
    ElementTree.fromstring(f"<div>{html}</div>")
