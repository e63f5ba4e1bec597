"""The README of a saved object, which the Hugging Face Hub shows as its model card."""

from __future__ import annotations

import json

from zoo import catalogue, origin
from zoo.evidence.card import bullets, citation, fidelity, front_matter, sentence
from zoo.facts import MODULE_KINDS

_ANY_REPOSITORY = "hf://OWNER/REPOSITORY"


def render(facts: origin.Origin, repository: str | None = None) -> str:
    """How to load it again, its config, and what the entry's own card says of the paper.

    Args:
        facts: where the object came from.
        repository: ``owner/repo``, where it is known.
    """
    offer = catalogue.current().find(f"{facts.plugin}:{facts.entry}").offer
    paper, entry = offer.paper, offer.entry
    plain = json.dumps(dict(facts.config), indent=2)
    # The paper's licence is that of its authors' code: what somebody has trained since is not theirs.
    license = facts.license or (paper.license if entry.kind not in MODULE_KINDS else None)
    place = f"hf://{repository}" if repository else _ANY_REPOSITORY
    parts = (
        front_matter(paper, entry, license),
        f"# {entry.id}\n\n{sentence(entry.summary)}",
        f'```python\nimport zoo\n\nloaded = zoo.load("{place}")\n```',
        f"Needs the plugin `{facts.distribution}` (written with version {facts.version}).",
        None if license else 'The licence of these weights was not stated; `zoo.push(..., license="...")` states it.',
        fidelity(paper),
        bullets("Where code and paper differ", (*paper.differences, *entry.differences)),
        f"## Configuration\n\n```json\n{plain}\n```",
        citation(paper),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def name_repository(card: str, repository: str) -> str:
    """The card of a saved folder with the name of the repository that it is pushed to."""
    return card.replace(_ANY_REPOSITORY, f"hf://{repository}")
