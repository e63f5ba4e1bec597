"""What a repository is expected to hold beside its code: a changelog, a citation file, forms for issues."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import zoo
from zoo.facts import KINDS
from zoo.licenses import require_spdx

ROOT = Path(__file__).parent.parent.parent
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
# What the schemas of the Citation File Format 1.2.0 and of GitHub's issue forms require and know.
CITATION = {"cff-version", "message", "title", "authors"}
CITATION_KNOWN = {*CITATION, "abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords"}
CITATION_KNOWN |= {"license", "license-url", "preferred-citation", "references", "repository", "repository-artifact"}
CITATION_KNOWN |= {"repository-code", "type", "url", "version"}
ELEMENTS = {
    "markdown": {"value"},
    "input": {"label", "description", "placeholder", "value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "dropdown": {"label", "description", "multiple", "options", "default"},
    "checkboxes": {"label", "description", "options"},
}


def test_the_citation_file_has_what_the_format_requires() -> None:
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert found.keys() >= CITATION
    assert found.keys() <= CITATION_KNOWN
    assert found["cff-version"] == "1.2.0"
    assert found["type"] == "software"
    assert found["version"] == zoo.__version__
    require_spdx("CITATION.cff", found["license"])
    assert all(isinstance(found[key], str) and found[key] for key in ("message", "title", "abstract", "license"))
    # An entity has a name, a person a family name or one of the other parts.
    persons = {"name", "family-names", "given-names", "alias"}
    assert found["authors"]
    assert all(author.keys() & persons for author in found["authors"])


def test_the_changelog_has_a_section_for_every_version_and_known_kinds_of_change() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    assert zoo.__version__ in text
    kinds = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert kinds
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_call_and_command_of_the_changelog_exists() -> None:
    import click

    from zoo.cli import cli

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for name in re.findall(r"`zoo\.(\w+)`", text):
        assert hasattr(zoo, name) or (ROOT / "zoo" / name).is_dir(), name
    known = set(cli.list_commands(click.Context(cli)))
    assert set(re.findall(r"`zoo ([a-z-]+)`", text)) <= known


def test_there_are_forms_for_a_new_paper_and_a_wrong_number() -> None:
    assert {path.stem for path in FORMS} == {"config", "new-paper", "wrong-number"}


@pytest.mark.parametrize("path", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem)
def test_a_form_is_one_that_github_takes(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form.keys() >= {"name", "description", "body"}
    assert form.keys() <= {"name", "description", "title", "labels", "assignees", "projects", "type", "body"}
    ids = [element["id"] for element in form["body"] if "id" in element]
    assert len(ids) == len(set(ids))
    labels = [element["attributes"].get("label") for element in form["body"] if element["type"] != "markdown"]
    assert all(labels)
    assert len(labels) == len(set(labels))
    for element in form["body"]:
        assert element.keys() <= {"type", "id", "attributes", "validations"}
        assert element["attributes"].keys() <= ELEMENTS[element["type"]], element
        assert set(element.get("validations", {})) <= {"required"}
        options = element["attributes"].get("options", ["one"])
        assert options
        assert all(isinstance(option, str) for option in options)
        assert len(set(options)) == len(options)
    assert any(element.get("validations", {}).get("required") for element in form["body"])


def test_the_form_for_a_paper_offers_every_kind() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "new-paper.yml").read_text(encoding="utf-8"))
    (kinds,) = (element for element in form["body"] if element.get("id") == "kind")
    assert [option.partition(",")[0] for option in kinds["attributes"]["options"]] == list(KINDS)
