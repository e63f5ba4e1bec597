"""Run the checks of an entry's claims and put the measured figure beside the paper's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from zoo.errors import MissingDependency
from zoo.facts import Claim, Entry, Measurement
from zoo.foreign import Failure, attempt
from zoo.targets import resolve


@dataclass(frozen=True)
class Verdict:
    """One claim and what was measured, if anything.

    Args:
        entry: its id.
        claim: what was promised.
        measurement: None where nothing was measured.
        seconds: that the check took.
        error: what the check raised.
        missing: why the check could not run: a package that is not here, or a real model that was not asked for.
    """

    entry: str
    claim: Claim
    measurement: Measurement | None
    seconds: float
    error: str = ""
    missing: str = ""

    @property
    def word(self) -> str:
        """ "holds", "does not hold", "not measured" or "check failed"."""
        if self.measurement is None:
            return "check failed" if self.error else "not measured"
        return "holds" if self.measurement.holds else "does not hold"


def verify(entry: Entry, *, slow: bool = True, real: bool = False) -> Iterator[Verdict]:
    """Measure an entry's claims one after the other.

    Args:
        entry: whose claims.
        slow: whether timings and trainings are run too.
        real: run the claims about real pretrained models, and no others.
    """
    for claim in entry.claims:
        if claim.check is None:
            if not real:
                yield Verdict(entry.id, claim, None, 0.0)
        elif claim.real and not real:
            yield Verdict(entry.id, claim, None, 0.0, missing="opens a real model: zoo verify --real")
        elif claim.real == real and (slow or not claim.slow):
            start = time.perf_counter()
            # The other claims still want to be measured, whatever this check raises.
            found = attempt(lambda claim=claim: _outcome(claim))  # type: ignore[misc]
            seconds = time.perf_counter() - start
            if isinstance(found, Failure):
                yield Verdict(entry.id, claim, None, seconds, error=found.reason)
            elif isinstance(found, MissingDependency):
                yield Verdict(entry.id, claim, None, seconds, missing=str(found))
            else:
                yield Verdict(entry.id, claim, found, seconds)


def _outcome(claim: Claim) -> Measurement | MissingDependency:
    try:
        return measure(claim)
    except MissingDependency as error:
        return error


def measure(claim: Claim) -> Measurement:
    """Run one claim's check.

    Raises:
        TypeError: the check returned something other than a Measurement.
    """
    measurement = resolve(claim.check or "")()
    if not isinstance(measurement, Measurement):
        raise TypeError(f"{claim.check} returned {measurement!r}, expected a zoo.Measurement")
    return measurement
