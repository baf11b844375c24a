"""Whether a child is as it is to be. Decisions, without I/O: what is as it is to be is not written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson

APPLIED_ANNOTATION: Final = "marketfeed.dev/applied"
"""On a child: a digest of all that was applied. A field that is no longer wanted shows in nothing else."""
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?").fullmatch
_UNITS: Final = {
    "m": Decimal("0.001"), "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip


def marked(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the digest of its content among its annotations."""
    digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_ANNOTATION: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def drifted(desired: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether a child has to be applied: a marked manifest, and the object as the API server has it.

    What others added is left to them; what the API server writes in another way (quantities, empty values) is no difference.
    """
    content = {key: value for key, value in desired.items() if key not in {"apiVersion", "kind"}}
    return not _within(content, live)


def _within(wanted: Any, there: Any) -> bool:
    if isinstance(wanted, Mapping):
        if not wanted:
            return there is None or isinstance(there, Mapping)
        return isinstance(there, Mapping) and all(_within(value, there.get(key)) for key, value in wanted.items())
    if isinstance(wanted, str):
        return wanted == there or _same_quantity(wanted, there)
    if isinstance(wanted, Sequence):
        found = [] if there is None else there
        if not isinstance(found, Sequence) or isinstance(found, str) or len(found) != len(wanted):
            return False
        return all(_within(one, other) for one, other in zip(wanted, found, strict=True))
    return bool(wanted == there)


def _same_quantity(one: str, other: Any) -> bool:
    if not isinstance(other, str):
        return False
    quantities = [_QUANTITY(text) for text in (one, other)]
    numbers = [Decimal(found[1]) * _UNITS.get(found[2] or "", Decimal(1)) for found in quantities if found]
    return len(numbers) == 2 and numbers[0] == numbers[1]
