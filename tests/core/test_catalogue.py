from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import zoo
from zoo import catalogue, names
from zoo.authoring import doctor
from zoo.evidence import card

from .conftest import CATALOGUE, LAYERS


def test_names_split_at_first_colon_and_slash():
    assert names.parse("acme:moh-dit/XL/2-90") == ("acme", "moh-dit", "XL/2-90")
    assert names.parse("MoBA") == (None, "moba", None)
    assert names.parse("a/b:c") == (None, "a", "b:c")


def test_presets_are_found_whatever_their_case_and_dashes(acme):
    assert catalogue.current().find("layered/Deep-One").preset == "deep_one"
    assert catalogue.current().find("layered/xl/2").preset == "XL/2"
    assert catalogue.current().find("acme:layered/default").preset is None


@pytest.mark.parametrize("place", ["./saved", "/tmp/saved", "~/saved", "hf://you/saved"])
def test_a_place_is_no_name(acme, place):
    with pytest.raises(zoo.UnknownName, match=r"is a place, which zoo\.load takes"):
        zoo.info(place)


def test_unknown_names_come_with_the_nearest(acme):
    with pytest.raises(zoo.UnknownName, match="Did you mean 'layered'"):
        catalogue.current().find("layerd")
    with pytest.raises(zoo.UnknownName, match=r"no preset 'wid'.*Did you mean 'wide'.*Its presets: wide"):
        catalogue.current().find("layered/wid")
    with pytest.raises(zoo.UnknownName, match="offers 'acme:nonsense'"):
        catalogue.current().find("acme:nonsense")


class Speechless:
    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


@pytest.mark.parametrize("name", [None, 3, True, b"layered", ["layered"], float("nan"), Speechless()])
def test_what_is_no_text_is_no_name(acme, name):
    for action in (
        lambda: zoo.load(name),
        lambda: zoo.config(name),
        lambda: zoo.info(name),
        lambda: zoo.entries(plugin=name or 0),
        lambda: zoo.entries(tag=name or 0),
        lambda: zoo.entries(search=name or 0),
        lambda: zoo.swap(name, "softmax-limits-attention"),
    ):
        with pytest.raises(zoo.InputError, match=r"is not a name|is no text|is no torch module"):
            action()


def test_one_id_from_two_plugins_is_reachable_by_its_qualified_names_only(acme, install):
    install("zenith", catalogue=CATALOGUE, layers=LAYERS)
    with pytest.raises(zoo.AmbiguousName, match="acme:layered, zenith:layered"):
        catalogue.current().find("layered")
    assert catalogue.current().find("zenith:layered").offer.plugin == "zenith"
    assert catalogue.current().find("acme:layered").offer.plugin == "acme"
    with pytest.raises(zoo.AmbiguousName, match="acme:layered, zenith:layered"):
        catalogue.current().find_paper("layered")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nonexistent_module_of_nobody", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("1 / 0", "ZeroDivisionError"),
        (
            "from zoo import hookimpl, Paper\n@hookimpl\ndef zoo_papers():\n"
            "    yield Paper(id='x', title='', year=1, entries=())",
            "offers no entry",
        ),
        ("from zoo import hookimpl\n@hookimpl\ndef zoo_papers():\n    yield 'nonsense'", "expected zoo.Paper"),
        (
            "from zoo import Entry, hookimpl\n@hookimpl\ndef zoo_papers():\n"
            "    Entry(id='x', kind='modle', summary='s', build='a:b', config='a:b')\n    yield",
            "'modle' is not one of",
        ),
        ("from zoo import hookimpl\n@hookimpl\ndef zoo_papers():\n    return 3", "not iterable"),
        ("from zoo import hookimpl\n@hookimpl\ndef zoo_papers(surprise):\n    return ()", "surprise"),
        ("from zoo import hookimpl\n@hookimpl\ndef zoo_paper():\n    return ()", "unknown hook 'zoo_paper'"),
        (CATALOGUE.replace('tags=("self",)', 'tags="self"'), "tags='self' must be a tuple"),
        (CATALOGUE.replace('presets={"wide": {"dim": 16}', 'presets={"wide": 16'), "presets=.* must map strings"),
        (CATALOGUE.replace('summary="does nothing"', "summary=3"), "summary=3 must be a string"),
        (CATALOGUE.replace("year=2020", "license='apache-2.0', year=2020"), "SPDX writes 'Apache-2.0'"),
        (CATALOGUE.replace("year=2020", "license='see README', year=2020"), "no expression of SPDX"),
        (CATALOGUE.replace("year=2020", "license=3, year=2020"), "license=3 must be a string"),
        (CATALOGUE.replace('tags=("self",)', 'tags=("se\\x1blf",)'), "holds characters that cannot be shown"),
        (CATALOGUE.replace('"XL/2"', '"XL\\ud800"'), "holds characters that cannot be shown"),
        (CATALOGUE.replace('summary="does nothing"', 'summary="does\\nnothing"'), "a summary, in one line"),
        (CATALOGUE.replace("year=2020", "year='new'"), "year='new' must be an integer"),
        (CATALOGUE.replace("entries=(", "entries=3, ours=("), "entries=3 must be a tuple of Entry"),
        (CATALOGUE + "\n    zoo_sources = lambda: {'hf': print}", "scheme 'hf', which is the zoo's own"),
        (CATALOGUE + "\n    zoo_sources = lambda: {'vault': 3}", "'vault' to 3; expected a function"),
        (CATALOGUE + "\n    zoo_commands = lambda: ['greet']", "yielded 'greet'; expected named click.Command"),
        (CATALOGUE + "\n    zoo_commands = lambda: 1 / 0", "ZeroDivisionError"),
        (CATALOGUE.replace("yield Paper", "while True: yield Paper"), "offered twice: layered"),
        (CATALOGUE + CATALOGUE.replace("yield Paper", "yield from zoo_papers_before()\n        yield Paper"), ""),
    ],
)
def test_a_broken_plugin_never_takes_the_others_down(acme, install, text, reason):
    install("broken", catalogue=text)
    current = catalogue.current()
    assert [plugin.name for plugin in current.broken] == ["broken"]
    assert re.search(reason, current.broken[0].traceback)
    assert not current.sources
    assert current.broken[0].distribution == "zoo-broken"
    assert isinstance(zoo.load("layered"), object)
    with pytest.raises(zoo.UnknownName, match="broken and offer nothing: broken"):
        zoo.load("something-of-the-broken-one")


def test_an_id_offered_twice_by_one_plugin_breaks_that_plugin(acme, install):
    text = CATALOGUE.replace(
        "def zoo_papers():",
        "def zoo_papers():\n        yield from once()\n        yield from once()\n\n    def once():",
    )
    install("twice", catalogue=text, layers=LAYERS)
    assert "offered twice: layered" in catalogue.current().broken[0].reason


def test_a_name_that_two_distributions_advertise_belongs_to_the_one_called_so(acme, install):
    for name in ("acme", "ACME"):
        install(name, distribution=f"a-usurper-{name.lower()}-{name[0]}", catalogue="raise RuntimeError('imported')")
    current = catalogue.current()
    assert current.plugin("acme").distribution == "zoo-acme"
    assert [plugin.name for plugin in current.plugins].count("acme") == 1
    assert {plugin.reason for plugin in current.broken} == {
        "PluginError: the name 'acme' belongs to distribution 'zoo-acme'"
    }
    assert isinstance(zoo.load("layered"), object)


def test_a_name_that_two_strangers_advertise_is_nobodys(install):
    install("pigeon", distribution="one-lab", catalogue=CATALOGUE, layers=LAYERS)
    install("Pigeon", distribution="two-lab", catalogue=CATALOGUE, layers=LAYERS)
    current = catalogue.current()
    assert sorted(plugin.distribution for plugin in current.broken) == ["one-lab", "two-lab"]
    assert all("'one-lab' and 'two-lab'" in plugin.reason for plugin in current.broken)
    with pytest.raises(zoo.UnknownName, match="uninstall all but one"):
        zoo.load("layered")


@pytest.mark.parametrize("name", ["evidence", "authoring", "sequence"])
def test_nobody_takes_the_place_of_a_first_party_plugin(install, name):
    install(name, distribution="a-usurper", catalogue="raise RuntimeError('imported')")
    assert catalogue.current().plugin(name).distribution in ("attention-zoo", f"zoo-{name}")
    assert [plugin.distribution for plugin in catalogue.current().broken] == ["a-usurper"]


def _damage(package: Path, file: str, content: bytes) -> None:
    """Overwrite a file in the metadata of the distribution that the package belongs to."""
    info = package.parent / f"{package.name.removeprefix('pkg_')}-1.0.dist-info"
    (info / file).write_bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[zoo.plugins]\nev\xff\xfeil = x\n", "UnicodeDecodeError"),
        (b"[zoo.plugins]\nevil\n", "TypeError"),
        (b"[zoo.plugins]\nevil = 3 words here!\n", "'3 words here!'; expected the name of a module"),
        (b"[zoo.plugins]\nevil =\n", "''; expected the name of a module"),
        (b"[zoo.plugins]\ne:v/il = PKG.catalogue\n", "name 'e:v/il' is not made of letters"),
        (b"[zoo.plugins]\nevil = json:dumps\n", "no module; hooks are found in modules"),
    ],
)
def test_damaged_entry_points_of_one_distribution_leave_the_others_alone(acme, install, content, reason):
    package = install("evil", catalogue=CATALOGUE, layers=LAYERS)
    _damage(package, "entry_points.txt", content.replace(b"PKG", package.name.encode()))
    current = catalogue.refresh()
    assert {"acme", "sequence", "evidence"} <= {plugin.name for plugin in current.plugins}
    (broken,) = current.broken
    assert broken.distribution == "zoo-evil"
    assert reason in broken.reason


@pytest.mark.parametrize("content", [b"Metadata-Version: 2.1\nName: zoo-\xff\xfe\n", b"Metadata-Version: 2.1\n", b""])
def test_a_plugin_whose_metadata_is_damaged_works_saves_and_loads(install, content, tmp_path):
    package = install("evil", catalogue=CATALOGUE, layers=LAYERS)
    _damage(package, "METADATA", content)
    plugin = catalogue.refresh().plugin("evil")
    assert (plugin.distribution, plugin.version) in {("zoo-evil", "unknown"), ("zoo-evil", "1.0")}
    assert zoo.load(zoo.save(zoo.load("evil:layered"), tmp_path / "kept")).first.weight.shape == (8, 8)


@pytest.mark.parametrize(
    "text",
    [
        "raise GeneratorExit",
        "raise KeyboardInterrupt",
        "class Own(BaseException): pass\nraise Own('x')",
        "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
        "class Mute(BaseException):\n    def __str__(self): raise SystemExit(3)\nraise Mute",
        "raise RuntimeError('\\ud800 \\x1b[2J')",
        "raise SyntaxError('no', ('file', 'line', 'column', 3))",
        "class Odd(type): __name__ = property(lambda self: 1 / 0)\nclass E(Exception, metaclass=Odd): pass\nraise E",
        "class Lost(Exception): __traceback__ = property(lambda self: 1 / 0)\nraise Lost",
        CATALOGUE.replace('build="PKG.layers:Method"', "build=None"),
        CATALOGUE.replace('config="PKG.layers:Config", example', "config=None, example"),
        CATALOGUE.replace('kind="method"', 'kind="method", requires=("",)'),
        "def zoo_papers():\n    yield\n    raise KeyboardInterrupt",
        "class Odd:\n    def __repr__(self): raise KeyboardInterrupt\ndef zoo_papers(): return [Odd()]",
        CATALOGUE.replace("two tied layers", "\\ud800"),
        CATALOGUE.replace("two tied layers", "\\x1b[2J"),
    ],
)
def test_whatever_a_plugin_raises_sets_it_aside_alone(acme, install, text):
    install("evil", catalogue=text, layers=LAYERS)
    current = catalogue.current()
    assert [plugin.name for plugin in current.broken] == ["evil"]
    assert current.broken[0].reason.isprintable()
    assert current.plugin("acme").papers


def test_ctrl_c_still_ends_a_discovery():
    code = (
        "import os, signal, zoo\nfrom zoo.foreign import attempt\n"
        # What runs in the background ignores the signal from birth.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try: attempt(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "except KeyboardInterrupt: print('ended', signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "ended True\n"


def test_one_who_waits_is_told_which_plugin_for(install, monkeypatch, capsys):
    from zoo import foreign

    monkeypatch.setattr(foreign, "PATIENCE", 0.2)
    install("quick", catalogue="")
    assert "waiting" not in capsys.readouterr().err
    folder = install("sleepy", catalogue="import time\ntime.sleep(1)")
    err = capsys.readouterr().err
    where = f"still waiting for plugin 'sleepy' (pkg_zoo_sleepy.catalogue), at {folder}/catalogue.py:2"
    assert err.count(where) == 1
    assert "quick" not in err


FACTS = """
    from zoo import Entry, Paper
    PAPER = Paper(id="ID", title="T", year=2020, code=__package__, entries=(
        Entry(id="ID", kind="model", summary="s", build="config:build", config="config:Config"),))
"""
CONFIG = """
    from dataclasses import dataclass
    @dataclass
    class Config:
        size: int = 1
    def build(config):
        return config
"""


def _papers(folder: Path, **facts: str) -> None:
    for name, text in facts.items():
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text('"""Teaches."""\n')
        (folder / name / "config.py").write_text(textwrap.dedent(CONFIG))
        (folder / name / "facts.py").write_text(textwrap.dedent(text).replace("ID", name.replace("_", "-")))


def test_papers_are_collected_by_name_from_the_facts_beside_their_code(install):
    folder = install("lab", catalogue="from zoo import papers_beside\nzoo_papers = papers_beside(__file__)")
    _papers(folder, zeta=FACTS, alpha=FACTS, mid_dle=FACTS)
    (folder / "no_paper").mkdir()
    plugin = catalogue.refresh().plugin("lab")
    assert [paper.id for paper in plugin.papers] == ["alpha", "mid-dle", "zeta"]
    assert plugin.papers[1].entries[0].build == "pkg_zoo_lab.mid_dle.config:build"
    assert zoo.load("mid-dle", size=3).size == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(:", "SyntaxError"),
        ("", "PAPER is None; expected a zoo.Paper"),
        ("PAPER = 3", "PAPER is 3; expected a zoo.Paper"),
        (FACTS.replace('kind="model"', 'kind="gadget"'), "kind 'gadget' is not one of"),
    ],
)
def test_a_paper_with_broken_facts_is_set_aside_alone(install, text, reason):
    folder = install("lab", catalogue="from zoo import papers_beside\nzoo_papers = papers_beside(__file__)")
    _papers(folder, good=FACTS, bad=text)
    current = catalogue.refresh()
    assert current.broken == ()
    plugin = current.plugin("lab")
    assert [paper.id for paper in plugin.papers] == ["good"]
    (broken,) = plugin.broken_papers
    assert broken.name == "bad"
    assert reason in broken.reason
    report, healthy = doctor.report()
    assert not healthy
    assert "BROKEN PAPER lab:bad: " in report
    with pytest.raises(zoo.UnknownName, match="These papers are broken and were set aside: lab:bad"):
        zoo.load("bad")


def test_papers_beside_needs_a_package(tmp_path):
    with pytest.raises(zoo.PluginError, match="is no package"):
        zoo.papers_beside(str(tmp_path / "catalogue.py"))


def test_plugins_can_be_disabled_by_name_before_their_import(install, monkeypatch):
    monkeypatch.setenv("ZOO_PLUGINS_DISABLED", "acme, other")
    install("acme", catalogue="raise RuntimeError('imported')")
    assert not catalogue.current().broken
    for name in ("acme:layered", "layered"):
        with pytest.raises(zoo.UnknownName, match="disabled by ZOO_PLUGINS_DISABLED: acme"):
            catalogue.current().find(name)


def test_a_plugin_that_hangs_for_a_second_is_named_with_its_time(install):
    install("sleepy", catalogue="import time\ntime.sleep(1)")
    start = time.perf_counter()
    plugin = catalogue.current().plugin("sleepy")
    assert plugin.seconds >= 1
    assert time.perf_counter() - start < 5


def test_discovery_imports_no_heavy_package():
    code = (
        "import sys, zoo; zoo.entries();"
        "heavy = {'torch', 'huggingface_hub', 'rich', 'transformers', 'numpy', 'omegaconf'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_entry_is_found_and_shown_under_its_other_names(install):
    install(
        "known",
        catalogue="from zoo import Entry, Paper, hookimpl\n@hookimpl\ndef zoo_papers():\n"
        "    yield Paper(id='formal', title='T', year=2020, entries=(Entry(id='formal', aliases=('nickname',),"
        " kind='model', summary='s', build='PKG.code:Config', config='PKG.code:Config'),))",
        code="from dataclasses import dataclass\n@dataclass\nclass Config:\n    size: int = 1",
    )
    assert [offer.entry.id for offer in zoo.entries(search="nickname")] == ["formal"]
    info = zoo.info("nickname")
    assert "also        nickname" in str(info)
    assert info.to_dict()["aliases"] == ["nickname"]
    assert "Also called `nickname`." in card.render(info.target.offer, {}, Path())


def test_entries_are_filtered_and_rendered(acme):
    found = zoo.entries(plugin="acme", kind="method")
    assert [offer.entry.id for offer in found] == ["layered-method"]
    assert [offer.entry.id for offer in zoo.entries(plugin="acme", search="two TIED")] == ["layered"]
    assert [offer.entry.id for offer in zoo.entries(plugin="acme", tag="self")] == ["layered"]
    assert "layered-method" in str(found)
    assert "<td>layered-method</td>" in found._repr_html_()
    assert found[:1]._repr_html_() == found._repr_html_()
    assert "<td>layered</td>" in zoo.papers()._repr_html_()
    assert zoo.info("layered")._repr_html_().startswith("<pre>acme:layered\n")
    assert "layered" in {paper.id for paper in zoo.papers()}
    with pytest.raises(zoo.UnknownName, match="is not a kind of entry"):
        zoo.entries(kind="gadget")
    with pytest.raises(zoo.UnknownName, match=r"no entry carries the tag 'slef'\. Did you mean 'self'"):
        zoo.entries(tag="slef")
    assert zoo.entries(tag="self", kind="method", plugin="acme") == ()


def test_info_counts_parameters_of_any_configuration_on_meta(acme):
    tied_once = lambda dim: dim * dim + 2 * dim + 2 * dim  # noqa: E731  (weight, two biases, norm)
    assert zoo.info("layered").parameters == tied_once(8)
    assert zoo.info("layered/wide").parameters == tied_once(16)
    assert zoo.info("layered", dim=20_000).to_dict()["parameters"] == tied_once(20_000)
    assert zoo.info("layered-method").parameters is None
    assert "two tied layers" in str(zoo.info("layered/wide"))
