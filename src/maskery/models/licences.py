"""The name of a licence -> its terms."""

import re

from maskery.core.card import Licence

OPEN = {
    name.lower(): name
    for name in ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense")
}
COPYLEFT = re.compile(r"(?i)(a?gpl|lgpl|mpl|eupl|osl)\b")


def licence_of(name: str, note: str = "") -> Licence:
    """The terms of a licence by its SPDX name, in any case; one that is not known forbids commercial use."""
    copyleft = COPYLEFT.match(name) is not None
    spelt = OPEN.get(name.lower(), name)
    return Licence(name=spelt, commercial_use=copyleft or name.lower() in OPEN, copyleft=copyleft, note=note)
