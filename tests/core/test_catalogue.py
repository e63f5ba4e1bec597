from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

import zoo
from zoo import catalogue, names
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


def test_unknown_names_come_with_the_nearest(acme):
    with pytest.raises(zoo.UnknownName, match="Did you mean 'layered'"):
        catalogue.current().find("layerd")
    with pytest.raises(zoo.UnknownName, match=r"no preset 'wid'.*Did you mean 'wide'.*Its presets: wide"):
        catalogue.current().find("layered/wid")
    with pytest.raises(zoo.UnknownName, match="offers 'acme:nonsense'"):
        catalogue.current().find("acme:nonsense")


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
        (CATALOGUE.replace("year=2020", "year='new'"), "year='new' must be an integer"),
        (CATALOGUE.replace("entries=(", "entries=3, ours=("), "entries=3 must be a tuple of Entry"),
        (CATALOGUE + "\n    zoo_sources = lambda: {'hf': print}", "scheme 'hf', which is the zoo's own"),
        (CATALOGUE + "\n    zoo_sources = lambda: {'vault': 3}", "'vault' to 3; expected a function"),
        (CATALOGUE + "\n    zoo_commands = lambda: ['greet']", "yielded 'greet'; expected named click.Command"),
        (CATALOGUE + "\n    zoo_commands = lambda: 1 / 0", "ZeroDivisionError"),
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


def test_two_distributions_with_one_plugin_name_do_not_shadow_each_other(acme, install):
    install("acme", distribution="zoo-usurper", catalogue=CATALOGUE, layers=LAYERS)
    current = catalogue.current()
    assert [plugin.name for plugin in current.plugins].count("acme") == 1
    assert "is taken by distribution" in current.broken[0].reason


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
    assert "Also called `nickname`." in card.render(info.target.offer, {})


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


def test_info_counts_parameters_of_any_configuration_on_meta(acme):
    tied_once = lambda dim: dim * dim + 2 * dim + 2 * dim  # noqa: E731  (weight, two biases, norm)
    assert zoo.info("layered").parameters == tied_once(8)
    assert zoo.info("layered/wide").parameters == tied_once(16)
    assert zoo.info("layered", dim=20_000).to_dict()["parameters"] == tied_once(20_000)
    assert zoo.info("layered-method").parameters is None
    assert "two tied layers" in str(zoo.info("layered/wide"))
