"""What is saved is what was there, and loading leaves other threads alone."""

from __future__ import annotations

import contextlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

import zoo
from zoo import configuration
from zoo.catalogue import Offer
from zoo.errors import ZooError
from zoo.testing.forms import alternatives
from zoo.testing.specimens import call, example_of, small_instance, small_preset

THREADS = 3


def check_save_and_load(offer: Offer) -> None:
    """A saved object comes back bit for bit and gives the same outputs."""
    entry = offer.entry
    loaded = _load(offer)
    with tempfile.TemporaryDirectory() as folder:
        again = zoo.load(zoo.save(loaded, folder))
        assert type(again) is type(loaded)
        if isinstance(loaded, nn.Module):
            before, after = loaded.state_dict(), again.state_dict()
            assert before.keys() == after.keys()
            assert all(torch.equal(before[key], after[key]) for key in before)
            inputs = example_of(entry, small_instance(entry))
            assert _same(loaded, again, inputs), "something that matters is not in the state"


def check_switches(offer: Offer) -> None:
    """An option that can be changed on a loaded module is saved as it is then, or saving refuses."""
    entry = offer.entry
    values = OmegaConf.to_container(configuration.merge(entry, small_preset(entry)).config)
    assert isinstance(values, dict)
    options = alternatives(entry, {str(name): value for name, value in values.items()})
    loaded = _load(offer)
    switches = [
        (name, value)
        for name, others in options.items()
        if isinstance(getattr(loaded, name, None), bool | int | float | str) and getattr(loaded, name) == values[name]
        for value in others
    ]
    tried = [_check_switch(offer, name, value) for name, value in switches]
    if not any(tried):
        pytest.skip("none of its options can be changed on the module")


def _check_switch(offer: Offer, name: str, value: Any) -> bool:
    """Whether the module works with another value of an option that it has as an attribute."""
    loaded, inputs = _load(offer), example_of(offer.entry, small_instance(offer.entry))
    try:
        setattr(loaded, name, value)
        with torch.no_grad():
            call(loaded, inputs)
    except Exception:  # not made to be changed: it says so, or parts are missing
        return False
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(ZooError):
        again = zoo.load(zoo.save(loaded, folder))
        assert _same(loaded, again, inputs), f"saved with {name}={value!r}, it came back as something else"
    return True


def check_threads(offer: Offer) -> None:
    """Loading in several threads gives what loading alone gives, and modules built meanwhile are left alone."""
    inputs = example_of(offer.entry, small_instance(offer.entry))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(THREADS) as pool:
        alone = _load(offer)
        zoo.save(alone, folder)
        loading = [pool.submit(zoo.load, folder) for _ in range(THREADS)]
        counting = pool.submit(lambda: zoo.info(offer.qualified).parameters)
        bystanders = [nn.Linear(2, 2)]
        while not all(each.done() for each in (*loading, counting)):
            bystanders.append(nn.Linear(2, 2))
        assert not any(layer.weight.is_meta for layer in bystanders), "a layer of another thread has no values"
        assert all(_same(alone, each.result(), inputs) for each in loading), "a thread loaded something else"


def _load(offer: Offer) -> Any:
    preset = small_preset(offer.entry)
    torch.manual_seed(0)
    return zoo.load(f"{offer.qualified}/{preset}" if preset else offer.qualified, weights=None)


def _same(one: nn.Module, other: nn.Module, inputs: dict[str, Any]) -> bool:
    with torch.no_grad():
        pairs = zip(call(one, inputs), call(other, inputs), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)
