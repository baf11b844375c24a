# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The compiled engine: runs the tables of `tables.py` over frames, and batches the events.

What is rare is declined: the plain engine takes such a frame, and says what is wrong with it.
"""

from array import array as py_array

from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from marketfeed_shard.streams.batch import Batch

from marketfeed_shard.streams._recent cimport Recent
from marketfeed_shard.books._book cimport Book
from marketfeed_shard.books._sequence cimport CHECKSUM, DROPPED, PASSES, SEQUENCE, follows
from marketfeed_shard.kernel._records cimport Record, Records
from marketfeed_shard.kernel._tables cimport Declaration
from marketfeed_shard.kernel._topics cimport Slot
from marketfeed_shard.kernel._walk cimport Row
from marketfeed_shard.kernel._values cimport Buffer, Value, put, put_char, put_integer, put_text, reserve

cdef enum:
    WIDTH = 5

cdef int64_t UNKNOWN = -(<int64_t>1 << 62) * 2
cdef array.array _longs = py_array("q")


cdef class Engine(Records):
    """One market's declarations, compiled, over one table of streams."""

    def __init__(self, groups, owner, latency_bounds_ms=()):
        """`groups`: tables that find the topic, then those of each set of messages that share one.

        `owner` is asked for what is rare: `match(topic)` for its group, `resolve(topic, message, symbol, key)` for a slot,
        `passes(…)` whether an event of a flagged stream goes out, `hole(…)` when numbers are missing whether the event goes out,
        `candle(…)` is told of candles whose end the exchange does not tell, `admit(…)`, `broken(…)` and `synced(…)` of books.
        """
        super().__init__(groups, owner)
        self._books = []
        self._recents = []
        self._bounds = len(latency_bounds_ms)
        self._bounds_ms = <double*>calloc(self._bounds + 1, sizeof(double))
        self._latency = <int64_t*>calloc(self._bounds + 1, sizeof(int64_t))
        if self._bounds_ms == NULL or self._latency == NULL:
            raise MemoryError
        for i, bound in enumerate(latency_bounds_ms):
            self._bounds_ms[i] = bound

    def __dealloc__(self):
        free(self._out.p)
        free(self._index.p)
        free(self._bounds_ms)
        free(self._latency)

    def bind(self, table):
        """Take over the columns of the stream table: to be called whenever it has grown, before the next frame."""
        self._table = table
        self._n = <int64_t*><size_t>table.n.buffer_info()[0]
        self._position = <int64_t*><size_t>table.position.buffer_info()[0]
        self._seen_ns = <int64_t*><size_t>table.received_ns.buffer_info()[0]
        self._messages = <int64_t*><size_t>table.messages.buffer_info()[0]
        self._repeated = <int64_t*><size_t>table.repeated.buffer_info()[0]
        self._owning = <int64_t*><size_t>table.owner.buffer_info()[0]
        self._flags = <uint8_t*><size_t>table.flags.buffer_info()[0]
        self._books += [None] * (len(table) - len(self._books))
        self._recents += [None] * (len(table) - len(self._recents))

    def guard(self, int slot, Recent recent):
        """Give a stream whose ids promise no order what tells its copies apart; slots were bound before."""
        self._recents[slot] = recent

    def keep_book(self, int slot, Book book):
        """Give a stream its book, or None: from now on its frames are for the plain engine; slots were bound before."""
        self._books[slot] = book

    # ---- what goes out -----------------------------------------------------------------------------------------------

    cdef int begin(self, int64_t received_ns) noexcept:
        """A new socket read: its receipt, written once for all its events."""
        cdef Buffer b
        self._received_ns = received_ns
        b.p, b.n, b.capacity = self._received, 0, 24
        put_integer(&b, received_ns)
        self._received_n = <int>b.n
        return 0

    cdef int _publish(self, int connection, uint8_t* seen, Py_ssize_t seen_n, int only) except -1:
        """Every record of the decoded frame that has to go out, into the batch."""
        cdef Record* r
        cdef Declaration* d
        cdef int64_t last
        cdef int slot, before = -1
        if self._n == NULL:
            raise RuntimeError("frames come before the stream table")
        for i in range(self._record_count):
            r = &self._records[i]
            slot = r.slot
            if only >= 0 and slot != only:
                continue
            d = &self._group.declaration[r.declaration]
            if slot < seen_n:
                seen[slot] = DELIVERED
            if slot != before:
                self._messages[slot] += 1
                before = slot
            if r.ts_ns:
                self._observe(r.ts_ns)
            if d.chained:
                if not self._passes(d, r, connection):
                    continue
            elif self._flags[slot] and not self._owner.passes(slot, r.position, self._received_ns, connection):
                continue
            elif d.numbered and r.position != UNKNOWN:
                last = self._position[slot]
                if last != UNKNOWN:
                    if r.position <= last:
                        self._repeated[slot] += 1
                        continue
                    if d.consecutive and r.position != last + 1:
                        if not self._owner.hole(slot, last, r.position, self._received_ns, connection):
                            continue
                self._position[slot] = r.position
            elif d.unique >= 0:
                if self._is_copy(d, r):
                    self._repeated[slot] += 1
                    continue
            elif self._owning[slot] >= 0 and self._owning[slot] != connection:
                self._repeated[slot] += 1
                continue
            if d.ends_candles:
                self._owner.candle(slot, r.ts_ns, self._scratch.p[r.start:r.end])
            self._seen_ns[slot] = self._received_ns
            self._n[slot] += 1
            self._write(r, self._n[slot])
        return 0

    cdef bint _passes(self, Declaration* d, Record* r, int connection) except -1:
        """A message of a book: whether it goes out, after the book was changed by it."""
        cdef Book book
        cdef Row* row = &self._rows[r.row]
        cdef int bids = d.ops[d.bids].where.place[0]
        cdef int asks = d.ops[d.asks].where.place[0]
        cdef int slot = r.slot
        cdef int outcome
        if self._flags[slot] or (self._owning[slot] >= 0 and self._owning[slot] != connection):
            if not self._owner.admit(slot, r.snapshot, r.position, r.prev, self._received_ns, connection):
                return False
        book = <Book>self._books[slot]
        outcome = PASSES if r.snapshot else follows(self._position[slot], book.joining, r.position, r.prev)
        if outcome == DROPPED:
            self._repeated[slot] += 1
            return False
        if outcome == PASSES:
            if not book.change(
                r.snapshot,
                self._pairs + row.level_start[bids], row.level_count[bids],
                self._pairs + row.level_start[asks], row.level_count[asks],
            ):
                outcome = SEQUENCE
            elif not book.is_told(self.find(&d.extra[0], r.row) if d.extras else NULL):
                outcome = CHECKSUM
        if outcome != PASSES:
            self._owner.broken(slot, outcome, r.snapshot, r.position, r.prev, self._received_ns, connection)
            return False
        book.joining = False
        self._position[slot] = r.position
        if self._flags[slot]:
            self._owner.synced(slot)
        return True

    cdef bint _can_hold(self) except -1:
        """Whether the levels of every book in the decoded frame fit it."""
        cdef Declaration* d
        cdef Record* r
        cdef Row* row
        cdef int bids, asks
        for i in range(self._record_count):
            r = &self._records[i]
            d = &self._group.declaration[r.declaration]
            if not d.chained:
                continue
            if self._books[r.slot] is None:
                return False
            row = &self._rows[r.row]
            bids, asks = d.ops[d.bids].where.place[0], d.ops[d.asks].where.place[0]
            if not (<Book>self._books[r.slot]).holds(
                r.snapshot,
                self._pairs + row.level_start[bids], row.level_count[bids],
                self._pairs + row.level_start[asks], row.level_count[asks],
            ):
                return False
        return True

    cdef bint _is_copy(self, Declaration* d, Record* r) except -1:
        """Whether an event with this id came before."""
        cdef Value* v = self.find(&d.ops[d.unique].where, r.row)
        if v == NULL:
            return False
        return (<Recent>self._recents[r.slot]).know(v.p, v.n, self._received_ns)

    cdef int _write(self, Record* r, int64_t n) except -1:
        cdef Buffer* b = &self._out
        cdef Slot* slot = &self._slots[r.slot]
        cdef Py_ssize_t start = b.n
        reserve(b, slot.head.n + (r.end - r.start) + 128)
        put_text(b, slot.head)
        if r.ts_ns:
            put(b, self._scratch.p + r.start - r.ts_n, r.ts_n)
        else:
            put(b, b"null", 4)
        if n:
            put(b, b',"recv":', 8)
            put(b, self._received, self._received_n)
            put(b, b',"n":', 5)
            put_integer(b, n)
        else:
            put(b, b',"recv":null,"n":null', 21)
        put(b, self._scratch.p + r.start, r.end - r.start)
        return self._mark(r.slot, start, r.position, 0)

    cdef int _mark(self, int slot, Py_ssize_t start, int64_t position, int kind) except -1:
        cdef int64_t* at
        reserve(&self._index, WIDTH * sizeof(int64_t))
        at = <int64_t*>(self._index.p + self._index.n)
        at[0], at[1], at[2], at[3], at[4] = slot, start, self._out.n, position, kind
        self._index.n += WIDTH * sizeof(int64_t)
        return 0

    cdef void _observe(self, int64_t ts_ns) noexcept:
        cdef double ms = (self._received_ns - ts_ns) / 1e6
        cdef int i = 0
        while i < self._bounds and ms > self._bounds_ms[i]:
            i += 1
        self._latency[i] += 1
        self._latency_sum_ms += ms
        if ts_ns - self._received_ns > self._skew_ns:
            self._skew_ns = ts_ns - self._received_ns

    # ---- from Python -------------------------------------------------------------------------------------------------

    def feed(self, bytes frame, int connection, long long received_ns, int only=-1):
        """One frame: True if its events are in the batch, False if it is for the plain engine.

        `only`: a slot; records of other streams are left out.
        """
        if received_ns != self._received_ns:
            self.begin(received_ns)
        return self.take(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), connection, NULL, 0, only)

    cdef bint take(self, const char* p, Py_ssize_t n, int connection, uint8_t* seen, Py_ssize_t seen_n, int only) except -1:
        self.frames += 1
        if self._decode(p, n) < 0 or not self._can_hold():
            self.declined += 1
            return False
        self._publish(connection, seen, seen_n, only)
        return True

    @property
    def received_ns(self):
        """Wall clock of the socket read whose events are added."""
        return self._received_ns

    def mark_read(self, long long received_ns):
        """Wall clock of the socket read whose events follow."""
        self.begin(received_ns)

    def frame(self):
        """The frame that is being published: for `passes`, which may keep it."""
        return PyBytes_FromStringAndSize(self._frame, self._frame_n)

    def decode(self, bytes frame):
        """Offline: the events of a frame, each with a line feed after it, or None if it is for the plain engine."""
        if self._decode(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame)) < 0:
            self.declined += 1
            return None
        self._out.n = self._index.n = 0
        for i in range(self._record_count):
            self._write(&self._records[i], 0)
            reserve(&self._out, 1)
            put_char(&self._out, c'\n')
        result = PyBytes_FromStringAndSize(self._out.p, self._out.n)
        self._out.n = self._index.n = 0
        return result

    def append(self, int slot, bytes event, long long position, int kind):
        """Add an event that was encoded elsewhere, in its place among the others."""
        cdef Py_ssize_t start = self._out.n
        reserve(&self._out, PyBytes_GET_SIZE(event))
        put(&self._out, PyBytes_AS_STRING(event), PyBytes_GET_SIZE(event))
        self._mark(slot, start, position, kind)

    def flush(self, done=None):
        """The events since the last call as a batch, or None if there are none."""
        if self._index.n == 0:
            return None
        cdef array.array index = array.clone(_longs, self._index.n // sizeof(int64_t), False)
        memcpy(index.data.as_longlongs, self._index.p, self._index.n)
        batch = Batch(PyBytes_FromStringAndSize(self._out.p, self._out.n), index, self._received_ns, done)
        self._out.n = self._index.n = 0
        return batch

    def observe(self, long long ts_ns):
        """Count the latency of an event that came through the plain engine."""
        self._observe(ts_ns)

    def latency(self):
        """(events by bucket, the last one without a bound; their sum in ms; most that an exchange was ahead, in ns)."""
        return [self._latency[i] for i in range(self._bounds + 1)], self._latency_sum_ms, self._skew_ns
