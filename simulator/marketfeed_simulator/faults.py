"""Faults on command: what they do to data, and to whom. No socket here; cutting connections is the server's."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from random import Random

from marketfeed_simulator.tampering import Corruption, Rule, Tampered, Tampering, spoil

EVERY = "*"


class Faults:
    """What is wrong just now. A stream is a pattern (`btcusdt@*`); a connection a number, or null: all, later ones too."""

    def __init__(self, monotonic: Callable[[], float], banned_status: int = 418) -> None:
        """`banned_status`: the HTTP status that the exchange has for those whom it banned."""
        self._monotonic = monotonic
        self._banned_status = banned_status
        self._random = Random(0)  # noqa: S311 - which topics are refused, the same in every run
        self._stalled: set[int | None] = set()
        self._frozen: set[int | None] = set()
        self._delays: dict[int | None, float] = {}
        self._silent: list[str] = []
        self._rules: list[Rule] = []
        self._tampered: list[Tampered] = []
        self._held: dict[tuple[int, str], bytes] = {}
        self._rejections: list[str] = []
        self._refusing: tuple[int | None, float] | None = None
        self._pace: tuple[float, int] = (0.0, 0)
        """(share that is refused, topics or requests for which that still holds)"""
        self._rest_refusals: list[int] = []
        self._rest_errors = 0
        self.rest_delay_s = 0.0
        """REST calls are answered so much later."""
        self.without_snapshots = False
        """What new subscribers alone would get does not come."""

    @property
    def active(self) -> bool:
        """Whether any of them touches data."""
        return bool(self._stalled or self._frozen or self._delays or self._silent or self._rules or self._held)

    # ---- commands ----------------------------------------------------------------------------------------------------

    def stall(self, connection: int | None = None) -> None:
        """Send no data; control messages, pings and pongs go on. What would have been sent is lost."""
        self._stalled.add(connection)

    def freeze(self, connection: int | None = None) -> None:
        """Send nothing at all, not even pongs, and keep the socket: a peer that is gone without a word."""
        self._frozen.add(connection)

    def slow(self, delay_s: float, connection: int | None = None) -> None:
        """Send data so much later."""
        self._delays[connection] = delay_s

    def silence(self, stream: str) -> None:
        """Acknowledge these streams and deliver nothing of them."""
        self._silent.append(stream)

    def withhold_snapshots(self) -> None:
        """Send new subscribers nothing that others do not get: books begin in the middle (as OKX announced in 2026-02)."""
        self.without_snapshots = True

    def gap(self, messages: int = 1, stream: str = EVERY, connection: int | None = None) -> None:
        """Leave the next messages out, so that ids jump."""
        self._rules.append(Rule(Tampering.GAP, stream, connection, messages))

    def duplicate(self, messages: int = 1, stream: str = EVERY, connection: int | None = None) -> None:
        """Send each of the next messages twice."""
        self._rules.append(Rule(Tampering.DUPLICATE, stream, connection, messages))

    def reorder(self, messages: int = 1, stream: str = EVERY, connection: int | None = None) -> None:
        """Send each of the next messages after the one of its stream that follows it."""
        self._rules.append(Rule(Tampering.REORDER, stream, connection, messages))

    def corrupt(
        self, messages: int = 1, stream: str = EVERY, connection: int | None = None, form: Corruption = "truncated"
    ) -> None:
        """Spoil the next messages."""
        self._rules.append(Rule(Tampering.CORRUPT, stream, connection, messages, form))

    def reject_subscribes(self, count: int = 1, reason: str = "Invalid request") -> None:
        """Answer the next subscriptions with an error."""
        self._rejections += [reason] * count

    def reject_pace(self, share: float = 0.5, count: int = 100) -> None:
        """Of the next so many topics or requests refuse about this share for their pace, which ones by chance.

        Kraken and OKX answer with their error, Binance closes with 1008; Bybit documents no such limit and refuses none.
        """
        self._pace = share, count

    def rest_slow(self, delay_s: float) -> None:
        """Answer REST calls so much later."""
        self.rest_delay_s = delay_s

    def rest_refuse(self, status: int = 503, calls: int = 1) -> None:
        """Refuse the next REST calls with this HTTP status; WebSockets go on."""
        self._rest_refusals += [status] * calls

    def rest_error(self, calls: int = 1) -> None:
        """Answer the next REST calls with a body that is cut in half."""
        self._rest_errors += calls

    def refuse(self, status: int | None = 503, seconds: float = float("inf")) -> None:
        """Refuse new connections and REST calls for so long: with this HTTP status, or null, by a reset."""
        self._refusing = status, self._monotonic() + seconds

    def ban(self, seconds: float = 120.0, status: int | None = None) -> None:
        """Refuse whoever comes as the exchange does with those it banned, and say until when."""
        self.refuse(self._banned_status if status is None else status, seconds)

    def clear(self, connection: int | None = None) -> None:
        """End all of them; with a connection, what was said of this one alone."""
        if connection is not None:
            self._stalled.discard(connection)
            self._frozen.discard(connection)
            self._delays.pop(connection, None)
            self._rules = [rule for rule in self._rules if rule.connection != connection]
            return
        for state in (self._stalled, self._frozen, self._delays, self._silent, self._rules, self._held, self._rejections):
            state.clear()
        self._rest_refusals.clear()
        self._refusing = None
        self._pace = (0.0, 0)
        self._rest_errors, self.rest_delay_s = 0, 0.0
        self.without_snapshots = False

    def tampered(self) -> list[Tampered]:
        """Messages that were left out, doubled, put in another order or spoilt so far, as they would have been sent."""
        return self._tampered

    # ---- what follows ------------------------------------------------------------------------------------------------

    def stalled(self, connection: int) -> bool:
        return not self._stalled.isdisjoint((None, connection))

    def frozen(self, connection: int) -> bool:
        return not self._frozen.isdisjoint((None, connection))

    def delay_s(self, connection: int) -> float:
        return self._delays.get(connection, self._delays.get(None, 0.0))

    def rejection(self) -> str | None:
        """Why the subscription at hand is refused, or null."""
        return self._rejections.pop(0) if self._rejections else None

    def grants(self) -> bool:
        """Whether the topic or request at hand is fast enough for nobody to mind."""
        share, count = self._pace
        if not count:
            return True
        self._pace = share, count - 1
        return self._random.random() >= share

    def rest_refusal(self) -> int | None:
        """The HTTP status with which the REST call at hand is refused, or null."""
        return self._rest_refusals.pop(0) if self._rest_refusals else None

    def rest_body(self, body: str) -> str:
        """What the REST call at hand is answered."""
        if not self._rest_errors:
            return body
        self._rest_errors -= 1
        return body[: len(body) // 2]

    def refusal(self) -> tuple[int | None, float] | None:
        """How whoever comes now is refused, and for how many seconds yet; null: he is not."""
        if self._refusing is None:
            return None
        status, until_s = self._refusing
        left_s = until_s - self._monotonic()
        return (status, left_s) if left_s > 0 else None

    def apply(self, connection: int, stream: str, text: bytes) -> list[bytes]:
        """What goes out on a connection in place of one message."""
        if self.stalled(connection) or self.frozen(connection) or any(fnmatchcase(stream, s) for s in self._silent):
            return []
        earlier = self._held.pop((connection, stream), None)
        out = self._tamper(connection, stream, text)
        return out if earlier is None else [*out, earlier]

    def _tamper(self, connection: int, stream: str, text: bytes) -> list[bytes]:
        rule = next((rule for rule in self._rules if rule.fits(connection, stream)), None)
        if rule is None:
            return [text]
        rule.left -= 1
        if rule.left <= 0:
            self._rules.remove(rule)
        self._tampered.append(Tampered(rule.kind, connection, stream, text.decode(errors="backslashreplace")))
        match rule.kind:
            case Tampering.GAP:
                return []
            case Tampering.DUPLICATE:
                return [text, text]
            case Tampering.CORRUPT:
                return [spoil(text, rule.form)]
            case Tampering.REORDER:
                self._held[connection, stream] = text
                return []
