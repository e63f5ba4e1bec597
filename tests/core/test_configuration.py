from __future__ import annotations

import warnings
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zoo

from .conftest import CATALOGUE


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
        ({"dim": 10**30}, r"dim=1000000000000000000000000000000 \(from override\) is more than any machine", "dim"),
        (
            {"inner": {"width": -(10**30)}},
            r"inner.width=-10* \(from override\) is more than any machine",
            "inner.width",
        ),
        ({"sizes": [1, 2**63]}, r"sizes=9223372036854775808 .* is more than any machine", "sizes"),
        ({"dim": "9" * 40}, r"dim=9{40} .* is more than any machine", "dim"),
        ({"dim": "9" * 5000}, r"dim='99.*99' \(from override\) is of the wrong type", "dim"),
        ({"dim": 10**5000}, r"dim=<int too large to show> \(from override\) is more than any machine", "dim"),
        ({"rate": 10**400}, r"rate=<?1?.* \(from override\) is of the wrong type; expected float", "rate"),
        ({"rate": "9" * 400}, r"rate=inf \(from override\) must be at least 0.0 and at most 1.0", "rate"),
        ({"dim": "${dim}"}, r"(dim|the config refers to itself)", None),
        ({"mode": "x" * 10**6}, r"mode='xx.{0,300}xx' \(from override\) is not one of", "mode"),
        ({"sizes": [[[1]]]}, r"sizes=\[\[\[1\]\]\] .*expected list\[int\]", "sizes"),
        ({"num_heads": 7}, r"ZeroDivisionError: .* \(num_heads=7, from override\)", None),
    ],
)
def test_bad_values_name_field_value_expectation_and_source(acme, overrides, message, field):
    with pytest.raises(zoo.ConfigError, match=message) as caught:
        zoo.load("layered", **overrides)
    assert caught.value.field == field or field is None


def nested(depth: int, kind: type) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value] if kind is list else {"inner": value}
    return value


def holding_itself(kind: type) -> object:
    value = kind()
    value.append(value) if kind is list else value.update(inner=value)
    return value


@pytest.mark.parametrize("field", ["sizes", "inner", "dim"])
@pytest.mark.parametrize("kind", [list, dict])
def test_what_is_nested_without_an_end_is_refused(acme, field, kind):
    for value in (nested(60, kind), nested(100_000, kind), holding_itself(kind)):
        with pytest.raises(zoo.ConfigError, match=rf"{field}.*(nested deeper than 50|unknown config field|wrong type)"):
            zoo.load("layered", **{field: value})


def test_more_values_than_any_schema_has_are_refused(acme):
    many = [1] * 1000
    with pytest.raises(zoo.ConfigError, match=r"sizes .* holds more than 100,000 values"):
        zoo.load("layered", sizes=[many] * 101)


FILES = {
    "deep": "sizes: " + "[" * 2_000,
    "deeper than any schema": "sizes: " + "[" * 60 + "]" * 60,
    "many from few": "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"{n}: &{n} [{','.join(['*' + m] * 10)}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)),
    "itself": "sizes: &s [*s]\n",
    "a number without an end": "dim: " + "9" * 5000,
    "no text": "\x00\x01",
    "a tag": "dim: !!python/object/apply:os.system [true]\n",
    "a scalar that holds a list": "&a a: *b\n",
    "a key that is a list": "[1, 2]: 3\n",
}


def test_a_name_in_a_file_may_stand_for_a_value(acme, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("dim: &width 24\nnum_heads: 2\ninner: {width: *width}\n")
    config = zoo.config("layered", config=path)
    assert (config.dim, config.inner.width) == (24, 24)


@pytest.mark.parametrize("name", FILES)
def test_files_that_stand_for_more_than_a_config_are_refused(acme, tmp_path, name):
    path = tmp_path / "config.yaml"
    path.write_text(FILES[name])
    with pytest.raises(zoo.ConfigError):
        zoo.load("layered", config=path)


def test_files_that_cannot_be_read_are_errors_of_ours(acme, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"dim: \xff\xfe")
    with pytest.raises(zoo.ConfigError, match="not valid YAML"):
        zoo.load("layered", config=path)
    for other in (tmp_path, "/dev/zero"):
        with pytest.raises(zoo.ConfigError, match="is no file; expected the path of a YAML file"):
            zoo.load("layered", config=other)
    for absent in (tmp_path / "\0", "x" * 5000):
        with pytest.raises(zoo.ConfigError, match="does not exist"):
            zoo.load("layered", config=absent)


def test_a_config_object_that_cannot_be_resolved_is_an_error_of_ours(acme):
    from omegaconf import OmegaConf

    unresolved = OmegaConf.create({"dim": "${nowhere}"})
    for call in ({"config": unresolved}, {"config": {"inner": OmegaConf.create({"width": "${nowhere}"})}}):
        with pytest.raises(zoo.ConfigError):
            zoo.load("layered", **call)
    assert zoo.config("layered", config=OmegaConf.create({"num_heads": 4, "dim": "${num_heads}"})).dim == 4


def test_an_infinite_number_needs_a_field_that_says_so(install):
    fields = """
        from dataclasses import dataclass
        import zoo

        @dataclass
        class Config:
            scale: float = zoo.field(1.0, "scale")
            rates: list[float] = zoo.field([0.1], "rates")
            clip: float = zoo.field(float("inf"), "limit")
            slope: float = zoo.field(1.0, "slope", maximum=float("inf"))

        class Layer:
            def __init__(self, config):
                pass

        Method = Layer
    """
    install("acme", catalogue=CATALOGUE.replace('kind="model"', 'kind="method"'), layers=fields)
    for values in ({"scale": inf}, {"scale": -inf}, {"rates": [inf]}, {"slope": -inf}, {"scale": "1e999"}):
        with pytest.raises(zoo.ConfigError, match=r"inf.* is infinite; expected a finite number"):
            zoo.load("layered", **values)
    zoo.load("layered", clip=inf, slope=inf)


def test_an_integer_for_a_float_is_meant(acme):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert zoo.config("layered", rate=1).rate == 1.0


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"zoo": ' * 100_000, " " * (65 << 20)])
def test_a_saved_config_without_an_end_is_refused(acme, tmp_path, deep):
    folder = zoo.save(zoo.load("layered"), tmp_path / "saved")
    (folder / "config.json").write_text(deep)
    with pytest.raises(zoo.WeightsError, match=r"not written by zoo\.save"):
        zoo.load(folder)


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


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not valid YAML"), *((text, "must hold a mapping") for text in ("- 1\n", "3", "text", "~"))],
)
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
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.text(st.characters(codec=None)) | st.floats() | st.integers() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    )
)
def test_nonsense_values_are_zoo_errors_never_anything_else(acme, value):
    field, heads = None, None
    try:
        heads = zoo.config("layered", num_heads=value).num_heads
    except zoo.ConfigError as error:
        field = error.field
    assert field is not None or isinstance(heads, int)


def test_a_value_that_python_cannot_write_is_named_by_its_class(acme):
    class Speechless:
        def __repr__(self):
            raise RuntimeError

    for value in (Speechless(), [Speechless()], {"a": Speechless()}):
        for field in ("dim", "mode", "sizes", "rate"):
            with pytest.raises(zoo.ConfigError, match=f"{field}=.*<Speechless"):
                zoo.load("layered", **{field: value})


@pytest.mark.parametrize("text", ["[" * 2_000, "9" * 5000, "!!python/name:os.system", "2020-99-99", "&a [*a]"])
def test_words_of_the_command_line_are_values_or_errors_of_ours(acme, text):
    from zoo.cli.options import overrides

    with pytest.raises(zoo.ConfigError, match="dim"):
        zoo.load("layered", **overrides([f"dim={text}"]))


def test_a_field_that_states_its_own_maximum_may_count_what_no_machine_holds():
    assert zoo.config("attention-sdm-memory/attention-like").neurons == 2**64
    with pytest.raises(zoo.ConfigError, match=r"neurons=18446744073709551617 .* is more than any machine"):
        zoo.config("attention-sdm-memory", neurons=2**64 + 1)
