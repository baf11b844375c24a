"""What can go wrong with the API server, in a few kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


class ClusterError(Exception):
    """A call that the API server did not carry out; one sentence."""

    reason = "Error"
    """One word for it, as metrics have it."""

    def __init__(self, call: str, told: str) -> None:
        """`told`: what the API server says of it, or why nothing came."""
        super().__init__(f"{call}: {told}")
        self.told = told


class NotFoundError(ClusterError):
    """There is no such object, or no such kind."""

    reason = "NotFound"


class ConflictError(ClusterError):
    """It is there already, or somebody else was faster."""

    reason = "Conflict"


class ForbiddenError(ClusterError):
    """The operator's account may not."""

    reason = "Forbidden"


class InvalidError(ClusterError):
    """The API server refuses the content."""

    reason = "Invalid"


class UnavailableError(ClusterError):
    """The API server answers that it cannot just now."""

    reason = "Unavailable"


class UnreachableError(UnavailableError):
    """The API server does not answer."""

    reason = "Unreachable"


class SlowError(UnreachableError):
    """It, or what it passes the call on to, takes too long."""


class NoReportError(Exception):
    """A shard's `/status` could not be had; why, in few words."""


_BY_STATUS: Final[Mapping[int, type[ClusterError]]] = {
    400: InvalidError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
    429: UnavailableError,
}


def of(call: str, status: int, told: str) -> ClusterError:
    """The error of an HTTP status."""
    kind = _BY_STATUS.get(status, UnavailableError if status >= 500 else ClusterError)
    return kind(call, told or f"HTTP {status}")
