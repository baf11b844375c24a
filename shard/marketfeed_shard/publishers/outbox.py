"""What a publisher has taken and its sink has not answered yet: bounded, in order, every event accounted for. Without I/O."""

from __future__ import annotations

from collections import deque

from marketfeed_shard.publishers.losses import Losses
from marketfeed_shard.streams.batch import Batch


class _Entry:
    __slots__ = ("answered", "batch", "count", "entered_s", "refused", "size_bytes")

    def __init__(self, batch: Batch, entered_s: float) -> None:
        self.batch = batch
        self.entered_s = entered_s
        self.size_bytes = len(batch.data)
        self.count = len(batch)
        self.answered = 0
        """Events answered so far, from the first."""
        self.refused = False
        """Whether one of them was refused."""


class Outbox:
    """Batches that wait to be sent, then batches that wait for their answers; oldest first.

    A sink that promises `at most once` answers in order, one answer an event. What was sent when the connection breaks is
    lost: it may have arrived.
    """

    def __init__(self, buffer_bytes: int, window_bytes: int, max_age_s: float) -> None:
        """`buffer_bytes`: of all events held. `window_bytes`: of events sent and not answered."""
        self._buffer_bytes = buffer_bytes
        self._window_bytes = window_bytes
        self._max_age_s = max_age_s
        self._waiting: deque[_Entry] = deque()
        self._sent: deque[_Entry] = deque()
        self._sent_bytes = 0
        self._delivered_ns = 0
        self.queued_bytes = 0
        """Of events that wait, to be sent or for their answers."""
        self.published = 0
        self.dropped = 0
        self.losses = Losses()
        self.progress_s = 0.0
        """When the sink last answered, or was given something to answer while it owed nothing."""

    @property
    def waiting(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._waiting)

    @property
    def owed(self) -> bool:
        """Whether something sent waits for its answer."""
        return bool(self._sent)

    def put(self, batch: Batch, now_s: float) -> None:
        """Take a batch with at least one event, at the end of what waits."""
        batch.hold()
        entry = _Entry(batch, now_s)
        self._waiting.append(entry)
        self.queued_bytes += entry.size_bytes

    def trim(self, now_s: float) -> None:
        """Drop what waits for longer than its age, then the oldest until the rest fits."""
        waiting = self._waiting
        oldest_s = now_s - self._max_age_s
        while waiting and (waiting[0].entered_s < oldest_s or self.queued_bytes > self._buffer_bytes):
            self._lose(waiting.popleft())

    def take(self, now_s: float) -> Batch | None:
        """The next batch to send, or None where nothing waits or the window is full."""
        waiting = self._waiting
        oldest_s = now_s - self._max_age_s
        while waiting and waiting[0].entered_s < oldest_s:
            self._lose(waiting.popleft())
        if not waiting:
            return None
        if not self._sent:
            self.progress_s = now_s
        elif self._sent_bytes + waiting[0].size_bytes > self._window_bytes:
            return None
        entry = waiting.popleft()
        self._sent.append(entry)
        self._sent_bytes += entry.size_bytes
        return entry.batch

    def answered(self, count: int, now_s: float) -> None:
        """The sink took so many more events. Raises `ValueError` for more than it owed."""
        self.progress_s = now_s
        sent = self._sent
        while count:
            if not sent:
                raise ValueError("more answers than commands")
            entry = sent[0]
            step = min(count, entry.count - entry.answered)
            self.losses.accept(entry.batch, entry.answered, entry.answered + step)
            entry.answered += step
            self.published += step
            count -= step
            self._finish(entry)

    def refused(self, now_s: float) -> None:
        """The sink refused the next event. Raises `ValueError` if it owed none."""
        self.progress_s = now_s
        if not self._sent:
            raise ValueError("more answers than commands")
        entry = self._sent[0]
        self.losses.refuse(entry.batch, entry.answered, self._delivered_ns)
        self.dropped += 1
        entry.answered += 1
        entry.refused = True
        self._finish(entry)

    def broken(self) -> None:
        """The connection is gone, and with it what was sent."""
        while self._sent:
            self._lose(self._sent.popleft())
        self._sent_bytes = 0

    def abandon(self) -> None:
        """All that is left is lost."""
        self.broken()
        while self._waiting:
            self._lose(self._waiting.popleft())

    def lag_s(self, now_s: float) -> float:
        """Age of the oldest event without an answer."""
        entry = self._sent[0] if self._sent else self._waiting[0] if self._waiting else None
        return 0.0 if entry is None else max(0.0, now_s - entry.entered_s)

    def _finish(self, entry: _Entry) -> None:
        if entry.answered < entry.count:
            return
        self._sent.popleft()
        self._sent_bytes -= entry.size_bytes
        self.queued_bytes -= entry.size_bytes
        if entry.refused:
            entry.batch.abandon()
        else:
            self._delivered_ns = entry.batch.received_ns
            entry.batch.release()

    def _lose(self, entry: _Entry) -> None:
        self.losses.add(entry.batch, entry.answered, entry.count, self._delivered_ns)
        self.dropped += entry.count - entry.answered
        self.queued_bytes -= entry.size_bytes
        entry.batch.abandon()
