"""Holds all that is published against all that was told, stream by stream, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from marketfeed.exchanges import catalogue
from marketfeed.normalizer import Row
from marketfeed_shard.streams.batch import Batch
from tests.simulation.account import Account
from tests.simulation.agenda import Agenda
from tests.simulation.book_account import BookAccount
from tests.simulation.broken import BrokenError
from tests.simulation.chronicle import Chronicle
from tests.simulation.figures import Figures
from tests.simulation.plan import Plan

LEAST_CALLS = 10
"""Weight of REST calls that a market allows in its interval, where each loss may be asked for at once."""
ANSWERED_S = 60.0
"""REST that has answered for so long answers what is asked of it now."""


class Judge:
    """It is the `Reader` of the chronicle; the sink hands it what was published. Raises `BrokenError`."""

    def __init__(
        self, plan: Plan, chronicle: Chronicle, figures: Figures, agenda: Agenda, answers_s: Callable[[], float]
    ) -> None:
        """`answers_s`: for how long all REST calls have been answered, and at once."""
        self._answers_s = answers_s
        self._legs = plan.legs
        self._market = catalogue.market(plan.exchange, plan.market)
        self._chronicle, self._figures, self._agenda = chronicle, figures, agenda
        self._polled = {poll.channel for poll in self._market.polls}
        hooks = {message.hook.name: message.channel for message in self._market.wire.messages if message.hook is not None}
        self._ends = "candle_end" in hooks
        self._summed = {channel for name, channel in hooks.items() if name.endswith("checksum")}
        self._accounts = {(c, symbol): self._account(c, symbol) for symbol in plan.symbols for c in plan.channels}

    def told(self, row: Row, now_s: float, *, withheld: bool) -> None:
        self._accounts[row.channel, row.symbol].told(row, now_s, withheld=withheld)

    def repeated(self, row: Row) -> None:
        self._accounts[row.channel, row.symbol].repeated(row)

    def published(self, batch: Batch) -> None:
        """A batch that was handed to the sinks."""
        for _, encoded in batch.events():
            event: dict[str, Any] = orjson.loads(encoded)
            if event["channel"] == "instruments":
                continue
            account = self._accounts.get((event["channel"], event["symbol"]))
            if account is None:
                raise BrokenError(f"nothing was told of the stream of {event}")
            account.take(event, self._agenda.now_s)

    def proven(self) -> list[tuple[str, str]]:
        """(channel, symbol) of streams of which a lost message is noticed."""
        return [name for name, account in self._accounts.items() if account.is_proven]

    def summed(self) -> list[tuple[str, str]]:
        """(channel, symbol) of streams whose messages bring a checksum."""
        return [name for name in self._accounts if name[0] in self._summed]

    def overdue(self, since_s: float, before_s: float) -> str | None:
        """What was told between these moments and is neither published nor announced; null: nothing."""
        found = (account.overdue(since_s, before_s) for account in self._accounts.values())
        return next(filter(None, found), None)

    def _account(self, channel: str, symbol: str) -> Account:
        if channel != "book":
            return Account(
                channel,
                symbol,
                self._figures,
                polled=channel in self._polled,
                ends=self._ends and channel.startswith("candles"),
                fills=self._could_be_filled if channel == "trades" else _never,
                seamless=self._legs == 2,
            )
        market = self._market
        return BookAccount(
            symbol,
            self._figures,
            lambda seq, levels: self._chronicle.books(symbol, seq, levels),
            market.depth(None),
            cuts=market.cuts_books,
        )

    def _could_be_filled(self, missing: int) -> bool:
        """Whether the exchange's history holds so many missing trades, and tells them.

        Where it has the latest trades alone, or calls may be made one a second, some of them may come too late.
        """
        history = self._market.history
        if history is None or not history.pages or self._market.limits.rest.count < LEAST_CALLS:
            return False
        return missing <= history.rows // 2 and self._answers_s() > ANSWERED_S


def _never(missing: int) -> bool:
    return False
