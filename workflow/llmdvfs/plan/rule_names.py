"""Names that Snakemake accepts for rules, one for each deployment."""

import hashlib
import re
from collections.abc import Iterable

DIGEST_DIGITS = 6


def rule_names(ids: Iterable[str]) -> dict[str, str]:
    """Return id -> name of letters, digits and `_`.

    Ids that differ only in other characters get a digest at the end of their names.
    """
    plain = {item: re.sub(r"[^A-Za-z0-9]", "_", item) for item in ids}
    names = list(plain.values())
    return {
        item: name if names.count(name) == 1 else f"{name}_{hashlib.sha256(item.encode()).hexdigest()[:DIGEST_DIGITS]}"
        for item, name in plain.items()
    }
