"""What fields of a manifest hold: durations, quantities, texts of a bounded length, values from Secrets."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic.alias_generators import to_camel

IN_MANIFEST: Final = {"manifest": True}
"""Context of pydantic's validation: the text was written by a person, so a duration must name its unit."""

MOST_BYTES: Final = 2**50
"""Of a quantity: a pebibyte."""
_DURATION: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|h)")
_QUANTITY: Final = re.compile(r"([0-9]{1,15})(Ki|Mi|Gi|k|M|G)?")
_DURATION_SCHEMA: Final = r"^(0{0,5}[1-9][0-9]{0,5}(\.[0-9]{1,3})?|0{1,6}\.0{0,2}[1-9][0-9]{0,2})(ms|s|m|h)$"
_QUANTITY_SCHEMA: Final = r"^0{0,14}[1-9][0-9]{0,14}(Ki|Mi|Gi|k|M|G)?$"
"""As these, for a schema: what is zero is refused, which is a rule of its own here."""
_UNIT_S = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_UNIT_BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def seconds(text: str) -> float:
    """A duration such as `500ms` or `30s`, in seconds. Raises `ValueError`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("is no duration; write a number and ms, s, m or h, such as 30s")
    return float(Decimal(found[1]) * _UNIT_S[found[2]])


def _duration_s(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return seconds(value)
    if info.context == IN_MANIFEST:
        raise ValueError("is a duration without a unit; write a number and ms, s, m or h, such as 30s")
    return value


def _quantity_bytes(value: Any) -> Any:
    if isinstance(value, str):
        found = _QUANTITY.fullmatch(value)
        if found is None:
            raise ValueError("is no quantity of bytes; write a number and Ki, Mi or Gi, such as 64Mi")
        value = int(found[1]) * _UNIT_BYTES[found[2] or ""]
    if isinstance(value, int) and value > MOST_BYTES:
        raise ValueError("is more than a memory holds; write less, such as 64Mi")
    return value


Seconds = Annotated[
    float,
    BeforeValidator(_duration_s),
    Field(gt=0),
    WithJsonSchema({"type": "string", "pattern": _DURATION_SCHEMA, "maxLength": 16}),
]
"""A duration, written `500ms`, `30s`, `5m` or `1h`; held in seconds."""
Bytes = Annotated[
    int,
    BeforeValidator(_quantity_bytes),
    Field(gt=0),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 1, "pattern": _QUANTITY_SCHEMA}),
]
"""A quantity of bytes, written `64Mi`; held in bytes."""
Address = Annotated[str, Field(max_length=1024)]
"""A URL, or host:port."""
Text = Annotated[str, Field(max_length=256)]
Pattern = Annotated[str, Field(max_length=64)]
"""A currency, or a pattern of symbols such as `BTC-*`."""


class Model(BaseModel):
    """Base of the manifest's types: camelCase on the outside, unknown fields refused, values immutable."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class SecretKeyRef(Model):
    """One key of a Secret in the feed's namespace."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    """The Secret."""
    key: str = Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")
    """The key in it."""


class FromSecret(Model):
    """A value that stands in a Secret, never in the manifest."""

    secret_key_ref: SecretKeyRef


class Tls(Model):
    """TLS towards a sink, or of our own server."""

    ca_from: FromSecret | None = None
    """Certificates of the authorities that the other side's is checked by; else those of the system."""
    cert_from: FromSecret | None = None
    """Our certificate."""
    key_from: FromSecret | None = None
    """Its private key."""
    client_ca_from: FromSecret | None = None
    """For a server: only clients with a certificate of this authority are let in."""
