"""Licences in one spelling, that of SPDX (https://spdx.org/licenses)."""

from __future__ import annotations

import re

from zoo.errors import PluginError

# What attention is published under, known without a look at the whole list of SPDX.
COMMON = frozenset(
    {
        *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unlicense", "CC0-1.0", "MPL-2.0"),
        *("GPL-2.0-only", "GPL-3.0-only", "GPL-3.0-or-later", "LGPL-3.0-only", "AGPL-3.0-only", "AGPL-3.0-or-later"),
        *("CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", "CC-BY-ND-4.0"),
    }
)
_OTHER = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")


def require_spdx(owner: str, licence: object) -> None:
    """Let through an SPDX expression as SPDX writes it, ``LicenseRef-NAME`` for any other licence, None for none.

    Raises:
        PluginError: it is something else; the message has the right spelling where there is one.
    """
    if licence is None or licence in COMMON:
        return
    if not isinstance(licence, str):
        raise PluginError(f"{owner}: license={licence!r} must be a string, or None where no licence is known")
    if _OTHER.fullmatch(licence):
        return
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        spelling = canonicalize_license_expression(licence)
    except InvalidLicenseExpression as error:
        raise PluginError(
            f"{owner}: license={licence!r} is no expression of SPDX; expected one like 'Apache-2.0', LicenseRef-NAME "
            "for a licence of another name, or None where no licence is known"
        ) from error
    if spelling != licence:
        raise PluginError(f"{owner}: license={licence!r}; SPDX writes {spelling!r}")
