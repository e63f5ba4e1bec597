"""The conformance suite on every first-party plugin."""

from __future__ import annotations

import pytest

from zoo import catalogue
from zoo.testing import conformance


@pytest.mark.parametrize(("offer", "check"), conformance.cases())
def test_entry(offer, check):
    check(offer)


@pytest.mark.parametrize("plugin", [plugin.name for plugin in catalogue.current().plugins])
def test_light_discovery(plugin):
    conformance.check_light_discovery(plugin)


def test_no_first_party_plugin_is_broken():
    assert catalogue.current().broken == ()
