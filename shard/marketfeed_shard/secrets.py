"""Values of Secrets, read from files each time: `<directory>/<secret name>/<key>`."""

from __future__ import annotations

from pathlib import Path

from marketfeed.resource import FromSecret


class SecretError(Exception):
    """A Secret's value cannot be had; the message names it, never its content."""


class Secrets:
    """The Secrets of one feed, as the kubelet mounts them or `--secrets` names them. Whoever needs a value asks again."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def path(self, reference: FromSecret) -> Path:
        """Where a value stands. Raises `SecretError` when it is not there."""
        name, key = reference.secret_key_ref.name, reference.secret_key_ref.key
        if self._directory is None:
            raise SecretError(f"key {key} of Secret {name}: no directory of Secrets was given, see --secrets")
        if not _is_plain(name) or not _is_plain(key):
            raise SecretError(f"key {key} of Secret {name}: a name must not be a path")
        path = self._directory / name / key
        if not path.is_file():
            raise SecretError(f"key {key} of Secret {name}: there is no file {path}")
        return path

    def text(self, reference: FromSecret) -> str:
        """A value as text, without the line end that editors add. Raises `SecretError`."""
        path = self.path(reference)
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SecretError(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise SecretError(f"{path}: is no UTF-8 text") from None


def _is_plain(name: str) -> bool:
    return name not in {"", ".", ".."} and "/" not in name and "\0" not in name
