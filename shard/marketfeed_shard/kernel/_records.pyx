# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Records of a frame, their own fields encoded into a scratch buffer: every value is checked as it is copied.

The whole frame is walked first, and only when all its records are sound is any of them an event.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

from marketfeed_shard.kernel._tables cimport (
    OP_BEFORE, OP_CLOSE_TIME, OP_CONSTANT, OP_DECIMAL, OP_DEPTH, OP_INTEGER, OP_INTERVAL, OP_LEVELS, OP_ONE_OF, OP_TEXT, OP_TIME, OPS,
    Declaration, Entry, Group, Operation,
)
from marketfeed_shard.kernel._topics cimport Slot, Topic, Topics
from marketfeed_shard.kernel._values cimport (
    EXPONENT, NUMBER, STRING, Buffer, Text, Value, integer_of, is_decimal, is_integer, put, put_char, put_integer, put_text,
    reserve, time_ns_of,
)
from marketfeed_shard.kernel._walk cimport Pair, Row

cdef enum:
    MOST_BYTES = 1 << 28   # of a frame: what is in it can be counted by an int
    FIELD_BYTES = 64       # more than quotes, digits and punctuation of one field take
    LEVEL_BYTES = 9        # punctuation of one level

cdef int64_t UNKNOWN = -(<int64_t>1 << 62) * 2
cdef int64_t LAST_OPEN_NS = 9000000000000000000LL   # of a candle whose end has to fit 64 bits


cdef class Records(Topics):
    """What one frame brought."""

    def __dealloc__(self):
        free(self._records)
        free(self._scratch.p)

    cdef int _decode(self, const char* p, Py_ssize_t n) except -2:
        """Walk a frame and encode the own fields of its records into the scratch buffer: 0, or -1 declined."""
        cdef Text name
        cdef Topic* topic
        cdef Group* g
        cdef bint some = False
        self._record_count = 0
        self._frame, self._frame_n = p, n
        if n > MOST_BYTES:
            return -1
        if self._peek(p, n, &name) < 0:
            return -1
        topic = self._topic(name)
        if topic.group < 0:
            return -1
        g = &self._groups[topic.group]
        if self.walk(g, p, n, 0) < 0:
            return -1
        self._scratch.n = 0
        for i in range(g.declarations):
            for row in range(self._row_count):
                if self._rows[row].node == g.declaration[i].node:
                    some = True
                    if self._record(&g.declaration[i], i, row, topic) < 0:
                        return -1
        if not some:
            return -1
        if topic == &self._fresh:
            self._remember()
        return 0

    cdef int _record(self, Declaration* d, int number, int row, Topic* topic) except -2:
        """One record: its stream, its own fields, its position. 0 sound (though it may be no event), -1 declined."""
        cdef Record* r
        cdef Operation* o
        cdef Value* v
        cdef Buffer* b = &self._scratch
        cdef Slot* slot
        cdef Entry* entry
        cdef Row* own
        cdef Value* chosen[OPS]
        cdef bint sound, counted = False, snapshot = False, funding_counted = False
        cdef int64_t ns, open_ns = 0
        cdef int at, levels
        cdef Py_ssize_t funding_start = 0
        at = self._counts(d, row)
        if at <= 0:
            return at
        at = self._slot_of(d, number, row, topic)
        if at < 0:
            return -1
        slot = &self._slots[at]
        r = self._new_record()
        r.declaration, r.slot, r.row, r.position = number, at, row, UNKNOWN
        r.start = b.n
        own = &self._rows[row]
        for i in range(d.operations):
            o = &d.ops[i]
            v = chosen[i] = NULL
            reserve(b, o.before.n + o.constant.n + FIELD_BYTES)
            if o.op == OP_LEVELS:
                levels = own.level_count[o.where.place[0]]
                if levels < 0:
                    return -1
                reserve(b, o.before.n + levels * LEVEL_BYTES + self._frame_n)
                put_text(b, o.before)
                put_char(b, c'[')
                self._put_levels(b, own.level_start[o.where.place[0]], levels)
                put_char(b, c']')
                counted = True
                continue
            if o.op == OP_CONSTANT:
                if i == 0:
                    r.ts_ns, r.ts_n = 0, 0
                    continue
                put_text(b, o.before)
                put_text(b, o.constant)
                counted |= o.counts
                if i == d.snapshot:
                    snapshot = o.constant.n == 4         # true
                continue
            if o.op == OP_DEPTH:
                if snapshot:
                    put_text(b, o.before)
                    put_text(b, o.constant)
                continue
            if o.op == OP_INTERVAL:
                reserve(b, o.before.n + slot.interval.n)
                put_text(b, o.before)
                put_text(b, slot.interval)
                continue
            if o.op == OP_CLOSE_TIME:
                v = self.find(&o.where, row)
                ns = 0 if v == NULL else time_ns_of(v, &sound)
                if open_ns == 0 or (v != NULL and not sound):
                    return -1
                if ns == 0:
                    if slot.length_ns == 0 or open_ns > LAST_OPEN_NS:
                        return -1
                    ns = open_ns + slot.length_ns - 1000000
                put_text(b, o.before)
                put_integer(b, ns // 1000000 * 1000000)
                continue
            v = chosen[i] = self.find(&o.where, row)
            if i == d.funding_rate or (i == d.next_funding and d.funding_rate < 0):
                funding_start, funding_counted = b.n, counted
            if v == NULL and not (o.op == OP_ONE_OF and o.otherwise.count):
                if i == 0:
                    r.ts_ns, r.ts_n = 0, 0
                    if not o.optional and o.where.count:
                        return -1
                    continue
                if not o.optional:
                    return -1
                if not o.omit:
                    put_text(b, o.before)
                    put(b, b"null", 4)
                continue
            if v != NULL:
                reserve(b, o.before.n + v.n + FIELD_BYTES)
            if i > 0:
                put_text(b, o.before)
            counted |= o.counts
            if o.op == OP_DECIMAL:
                if not is_decimal(v):
                    return -1
                put_char(b, c'"')
                put(b, v.p, v.n)
                put_char(b, c'"')
            elif o.op == OP_TEXT:
                if v.kind != STRING and v.kind != NUMBER:
                    return -1
                put_char(b, c'"')
                put(b, v.p, v.n)
                put_char(b, c'"')
            elif o.op == OP_INTEGER:
                if (v.kind != STRING and v.kind != NUMBER) or not is_integer(v):
                    return -1
                if i == d.prev_seq and snapshot:
                    put(b, b"null", 4)
                else:
                    put(b, v.p, v.n)
            elif o.op == OP_BEFORE:
                if (v.kind != STRING and v.kind != NUMBER) or not is_integer(v):
                    return -1
                if i == d.prev_seq and snapshot:
                    put(b, b"null", 4)
                else:
                    put_integer(b, integer_of(v) - 1)
            elif o.op == OP_TIME:
                ns = time_ns_of(v, &sound)
                if not sound:
                    return -1
                if i == 0:
                    r.ts_ns = ns
                    if ns:
                        put_integer(b, ns)
                    r.ts_n = <int>(b.n - r.start)
                elif i == d.next_funding and not ns:
                    b.n, counted = funding_start, funding_counted
                elif ns:
                    open_ns = ns
                    put_integer(b, ns)
                else:
                    open_ns = 0
                    put(b, b"null", 4)
            else:
                entry = self._entry(o, v, row)
                if entry == NULL:
                    return -1
                reserve(b, entry.written.n + FIELD_BYTES)
                if i == d.snapshot:
                    snapshot = entry.written.n == 4      # true
                put_text(b, entry.written)
        put_char(b, c'}')
        if not counted:
            b.n = r.start
            return 0
        if d.snapshot >= 0 and not snapshot and self._nothing_changed(d, chosen, own):
            b.n = r.start
            return 0
        if d.numbered:
            v = chosen[d.position]
            if v != NULL and is_integer(v) and v.p[0] != c'-':
                r.position = integer_of(v)
        r.snapshot, r.prev = snapshot, UNKNOWN
        if d.chained and not snapshot and d.prev_seq >= 0 and chosen[d.prev_seq] != NULL:
            r.prev = integer_of(chosen[d.prev_seq]) - (d.ops[d.prev_seq].op == OP_BEFORE)
        r.start += r.ts_n
        r.end = b.n
        self._record_count += 1
        return 0

    cdef Record* _new_record(self) except NULL:
        """Room for one more record, not counted yet."""
        cdef Record* records
        cdef int capacity
        if self._record_count == self._record_capacity:
            capacity = max(self._record_capacity * 2, 16)
            records = <Record*>realloc(self._records, capacity * sizeof(Record))
            if records == NULL:
                raise MemoryError
            self._records, self._record_capacity = records, capacity
        return &self._records[self._record_count]

    cdef int _counts(self, Declaration* d, int row) noexcept:
        """Whether a record counts: 1, or 0 where the number that decides is zero, or -1 declined."""
        cdef Value* v
        if not d.when.count:
            return 1
        v = self.find(&d.when, row)
        if v == NULL or not is_decimal(v):
            return -1
        for i in range(v.n):
            if c'1' <= v.p[i] <= c'9':
                return 1
        return 0

    cdef void _put_levels(self, Buffer* b, int first, int count) noexcept:
        cdef Pair* pair
        for i in range(first, first + count):
            pair = &self._pairs[i]
            if i > first:
                put_char(b, c',')
            put(b, b'["', 2)
            put(b, pair.price.p, pair.price.n)
            put(b, b'","', 3)
            put(b, pair.size.p, pair.size.n)
            put(b, b'"]', 2)

    cdef Entry* _entry(self, Operation* o, Value* v, int row) noexcept:
        """What a value of few forms is written as, or NULL."""
        if v != NULL:
            if v.kind == EXPONENT:
                return NULL
            for i in range(o.entries):
                if o.table[i].wire.n == v.n and memcmp(o.table[i].wire.p, v.p, v.n) == 0:
                    return &o.table[i]
        if o.otherwise.count:
            v = self.find(&o.otherwise, row)
            if v != NULL:
                for i in range(o.other_entries):
                    if o.other_table[i].wire.n == v.n and memcmp(o.other_table[i].wire.p, v.p, v.n) == 0:
                        return &o.other_table[i]
        return NULL

    cdef bint _nothing_changed(self, Declaration* d, Value** chosen, Row* own) noexcept:
        """A delta without levels that stays at its number: a sign of life, no event."""
        cdef Value* seq
        cdef Value* prev
        if own.level_count[d.ops[d.bids].where.place[0]] or own.level_count[d.ops[d.asks].where.place[0]]:
            return False
        seq, prev = chosen[d.seq], chosen[d.prev_seq]
        return seq != NULL and prev != NULL and integer_of(seq) == integer_of(prev) - (d.ops[d.prev_seq].op == OP_BEFORE)
