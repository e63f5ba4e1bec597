"""``zoo new``: what it writes installs, passes its tests, and can be published."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import zoo
from zoo.authoring import new

ROOT = Path(__file__).parent.parent.parent
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
HERE = ["--no-deps", "--no-build-isolation"]


def _texts(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return new.scaffold("big-lab2", tmp_path_factory.mktemp("new") / "zoo-big-lab2")


def test_every_name_is_the_new_plugins(folder):
    for name, text in _texts(folder).items():
        for ours in ("my-lab", "my_lab", "MyLab"):
            assert ours not in name + text, name
    assert (folder / "src" / "zoo_big_lab2" / "big_lab2" / "facts.py").is_file()
    assert "class BigLab2Attention" in (folder / "src" / "zoo_big_lab2" / "big_lab2" / "layer.py").read_text()


def test_it_installs_and_passes_its_tests(folder, tmp_path):
    done = subprocess.run(
        [*PIP, "install", *HERE, "--target", str(tmp_path / "site"), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join([str(tmp_path / "site"), *sys.path])
    environment = {"PYTHONPATH": path, "PATH": "", "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    for arguments in ([], ["--zoo-plugin", "big-lab2"]):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        assert re.search(r"^\d\d passed", done.stdout, re.MULTILINE)


def test_it_can_be_published(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert {"readme", "license", "license-files", "urls", "authors", "requires-python"} <= project.keys()
    assert (folder / project["readme"]).is_file()
    assert (folder / project["license-files"][0]).read_text() == (ROOT / "LICENSE").read_text()
    workflow = yaml.safe_load((folder / ".github" / "workflows" / "conformance.yml").read_text())
    commands = [step["run"] for step in workflow["jobs"]["conformance"]["steps"] if "run" in step]
    assert {"pytest", "zoo verify big-lab2"} <= set(commands)
    readme = (folder / "README.md").read_text()
    assert "zoo train big-lab2-classifier/digits --seed 0" in readme
    assert "## Versions" in readme


def test_it_asks_for_the_minor_version_of_the_zoo_that_it_was_made_with(folder):
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    (wanted,) = (Requirement(text).specifier for text in project["dependencies"])
    current = Version(zoo.__version__)
    assert wanted.contains(current)
    assert not wanted.contains(Version(f"{current.major}.{current.minor + 1}"))
    assert not wanted.contains(Version(f"{current.major + 1}.0"))


def test_names_that_are_none_or_taken_and_places_that_are_full_are_refused(folder, tmp_path):
    with pytest.raises(zoo.InputError, match="is no empty folder"):
        new.scaffold("other", folder)
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(zoo.InputError, match=r"is no empty folder|cannot be written"):
            new.scaffold("other", place)
    for name in ("My Lab", "", "-a", "a--b", "a_b", "../up"):
        with pytest.raises(zoo.InputError, match="is not a plugin name"):
            new.scaffold(name, tmp_path / "new")
    for name in ("moba", "sequence", "evidence", "catalogue", "weights"):
        with pytest.raises(zoo.InputError, match=f"called {name!r} already"):
            new.scaffold(name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_template_travels_with_the_distribution(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "zoo", source / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [*PIP, "wheel", *HERE, "--wheel-dir", str(tmp_path), str(source)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"zoo/authoring/template/{path.relative_to(new.TEMPLATE)}" for path in new.template_files()}
    assert wanted <= packed
    assert len(wanted) > 15
