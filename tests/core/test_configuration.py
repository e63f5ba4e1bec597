from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoo


def test_layers_merge_in_order(acme, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("num_heads: 4\nrate: 0.5\ninner:\n  width: 9\n")
    config = zoo.config("layered/wide", config=path, rate=0.75)
    assert (config.dim, config.num_heads, config.rate, config.inner.width) == (16, 4, 0.75, 9)
    config = zoo.config("layered/wide", config={"dim": 24, "inner.width": 5})
    assert (config.dim, config.num_heads, config.inner.width) == (24, 2, 5)
    assert zoo.config("layered", config=config).dim == 24


def test_a_later_list_replaces_an_earlier_one(acme):
    assert list(zoo.config("layered/deep_one").sizes) == [4]
    assert list(zoo.config("layered/deep_one", sizes=(7, 8)).sizes) == [7, 8]


def test_defaults_are_not_shared_between_configs(acme):
    first = zoo.config("layered")
    first.sizes.append(9)
    assert list(zoo.config("layered").sizes) == [1, 2, 3]


@pytest.mark.parametrize(
    ("overrides", "message", "field"),
    [
        ({"dimm": 3}, r"unknown config field 'dimm' \(from override\). Did you mean 'dim'\?", "dimm"),
        ({"inner": {"widht": 3}}, r"unknown config field 'inner.widht' .*'inner.width'", "inner.widht"),
        ({"dim": "wide"}, r"dim='wide' \(from override\) is of the wrong type; expected int \(features\)", "dim"),
        ({"dim": 2.5}, r"dim=2.5 .*expected int", "dim"),
        ({"sizes": ["a"]}, r"sizes=\['a'\] .*expected list\[int\]", "sizes"),
        ({"dim": 0}, r"dim=0 \(from override\) must be at least 1 features", "dim"),
        ({"rate": 1.5}, r"rate=1.5 \(from override\) must be at least 0.0 and at most 1.0", "rate"),
        ({"rate": float("nan")}, r"rate=nan", "rate"),
        ({"sizes": [3, 0]}, r"sizes=0 .*at least 1", "sizes"),
        ({"mode": "sfot"}, r"mode='sfot' .*not one of 'soft', 'hard'. Did you mean 'soft'", "mode"),
        ({"dim": 9}, r"dim=9 is not divisible by num_heads=2 \(dim=9, from override\)", "dim"),
        ({"inner": {"width": 0}}, r"inner.width=0 .*at least 1", "inner.width"),
        ({"inner": 3}, r"inner=3", "inner"),
        ({"dim": None}, r"dim=None .*expected int", "dim"),
        ({"dim.x": 3}, r"unknown config field 'dim.x'", "dim.x"),
        ({"dim": "${dimm}"}, r"dim \(from override\) cannot be resolved: .*'dimm' not found; expected int", "dim"),
        ({"inner": {"width": 13}}, r"13 brings bad luck \(inner.width=13, from override\)", "inner.width"),
        ({"num_heads": 7}, r"ZeroDivisionError: .* \(num_heads=7, from override\)", None),
    ],
)
def test_bad_values_name_field_value_expectation_and_source(acme, overrides, message, field):
    with pytest.raises(zoo.ConfigError, match=message) as caught:
        zoo.load("layered", **overrides)
    assert caught.value.field == field


def test_an_error_says_which_layer_the_value_came_from(acme, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("num_heads: 3\n")
    with pytest.raises(zoo.ConfigError, match=r"dim=16, from preset 'wide'"):
        zoo.load("layered/wide", config=path)
    folder = zoo.save(zoo.load("layered/wide", rate=0.5), tmp_path / "saved")
    with pytest.raises(zoo.ConfigError, match=r"dim=16, from saved config"):
        zoo.load(folder, config=path)
    with pytest.raises(zoo.ConfigError, match=r"rate=2.0 \(from override\)"):
        zoo.load(folder, config=path, rate=2)
    path.write_text("dim: 17\n")
    with pytest.raises(zoo.ConfigError, match=r"dim=17, from file '.*bad.yaml'"):
        zoo.load(folder, config=path)
    path.write_text("rate: much\n")
    with pytest.raises(zoo.ConfigError, match=r"rate='much' \(from file '.*bad.yaml'\)"):
        zoo.load("layered", config=path)


@pytest.mark.parametrize(("text", "message"), [("a: [", "not valid YAML"), ("- 1\n", "must hold a mapping")])
def test_a_config_file_that_is_no_mapping(acme, tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.load("layered", config=path)
    with pytest.raises(zoo.ConfigError, match="does not exist"):
        zoo.load("layered", config=tmp_path / "absent.yaml")
    for nonsense in (3, ["dim"]):
        with pytest.raises(zoo.ConfigError, match="neither a mapping"):
            zoo.load("layered", config=nonsense)


def test_interpolations_are_resolved_but_never_taken_from_a_saved_config(acme, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "soft")
    assert zoo.config("layered", dim="${num_heads}", mode="${oc.env:SECRET}") == zoo.config("layered", dim=2)
    folder = zoo.save(zoo.load("layered"), tmp_path)
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"soft"', '"${oc.env:SECRET}"'))
    with pytest.raises(zoo.WeightsError, match="holds an interpolation"):
        zoo.load(folder)


def test_a_field_without_default_must_be_given(install):
    install(
        "needy",
        catalogue="""
            from zoo import Entry, Paper, hookimpl
            @hookimpl
            def zoo_papers():
                yield Paper(id="needy", title="N", year=2020, entries=(
                    Entry(id="needy", kind="method", summary="s", build="PKG.needy:C", config="PKG.needy:C"),))
        """,
        needy="""
            from dataclasses import dataclass
            import zoo
            @dataclass
            class C:
                size: int = zoo.field(help="how large", unit="pixels")
            C.__call__ = lambda self: self
        """,
    )
    with pytest.raises(zoo.ConfigError, match=r"without a value: size: int \(pixels\)"):
        zoo.load("needy")
    assert zoo.config("needy", size=3).size == 3


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.one_of(st.text(), st.floats(), st.lists(st.integers()), st.dictionaries(st.text(), st.integers())))
def test_nonsense_values_are_zoo_errors_never_anything_else(acme, value):
    field, heads = None, None
    try:
        heads = zoo.config("layered", num_heads=value).num_heads
    except zoo.ConfigError as error:
        field = error.field
    assert field is not None or isinstance(heads, int)
