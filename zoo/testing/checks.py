"""The checks of conformance, by the kinds of entry that they concern. Importing this module imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.catalogue import Offer
from zoo.facts import KINDS, MODULE_KINDS
from zoo.targets import resolve


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        target: "module:name" of ``check(offer) -> None``, within ``zoo.testing``.
        kinds: of the entries that it is for.
        slow: whether it waits to be asked for, with ``pytest -m slow``.
    """

    target: str
    kinds: tuple[str, ...] = MODULE_KINDS
    slow: bool = False

    @property
    def name(self) -> str:
        """What tests call it."""
        return self.target.partition(":")[2].removeprefix("check_")

    def run(self, offer: Offer) -> None:
        """Check an entry.

        Raises:
            AssertionError: it fails, and why.
        """
        resolve(f"zoo.testing.{self.target}")(offer)


CHECKS = (
    Check("conformance:check_facts_resolve", KINDS),
    Check("conformance:check_schema", KINDS),
    Check("conformance:check_parameters_on_meta"),
    Check("gradients:check_forward_and_backward"),
    Check("gradients:check_double_backward"),
    Check("batches:check_determinism"),
    Check("batches:check_batch_independence"),
    Check("batches:check_empty"),
    Check("precision:check_dtypes"),
    Check("precision:check_autocast"),
    Check("precision:check_autocast_forms"),
    Check("precision:check_overflow", ("attention",)),
    Check("visibility:check_masks", ("attention",)),
    Check("visibility:check_padding", ("model",)),
    Check("visibility:check_causality"),
    Check("saving:check_save_and_load", KINDS),
    Check("saving:check_switches"),
    Check("saving:check_threads"),
    Check("compiling:check_compile", slow=True),
    Check("compiling:check_export", slow=True),
    Check("instruments:check_method", ("method",)),
    Check("instruments:check_probe", ("probe",)),
    Check("instruments:check_plot", ("probe",)),
    Check("instruments:check_benchmark", ("benchmark",)),
    Check("instruments:check_taxonomy", ("taxonomy",)),
)


def checks_of(kind: str) -> list[Check]:
    """The checks of a kind of entry."""
    return [check for check in CHECKS if kind in check.kinds]
