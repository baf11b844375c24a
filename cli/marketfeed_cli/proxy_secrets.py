"""Addresses of proxies that stand in Secrets, for whoever asks for instrument lists."""

from __future__ import annotations

from pathlib import Path

from marketfeed.listing import InstrumentsError
from marketfeed.resource import FromSecret
from marketfeed_operator.fetch import Secrets
from marketfeed_shard import secrets


def reader(folder: Path | None) -> Secrets:
    """Reads them from the folder of `--secrets`, each time anew."""
    there = secrets.Secrets(folder)

    def read(reference: FromSecret) -> str:
        try:
            return there.text(reference)
        except secrets.SecretError as error:
            raise InstrumentsError(f"the address of a proxy: {error}") from None

    return read
