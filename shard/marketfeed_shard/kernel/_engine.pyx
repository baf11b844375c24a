# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The compiled engine: runs the tables of `tables.py` over frames, and batches the events.

A frame is walked once (`_walk`). When the whole of it is sound, each record's own fields are encoded into a scratch buffer,
every value checked as it is copied; only when all records of the frame are sound do events go out. What is rare is
declined: the plain engine takes such a frame, and says what is wrong with it.
"""

from array import array as py_array

from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

from marketfeed_shard.batch import Batch

from marketfeed_shard.kernel._scan cimport Cursor, read_string
from marketfeed_shard.kernel._tables cimport (
    DECLARATIONS, OP_CLOSE_TIME, OP_CONSTANT, OP_DECIMAL, OP_INTEGER, OP_INTERVAL, OP_LEVELS, OP_ONE_OF, OP_BEFORE, OP_TEXT,
    OP_TIME, OPS, TOPIC_PATHS, Declaration, Entry, Group, Operation, build, dispose, text_of,
)
from marketfeed_shard.kernel._values cimport (
    EXPONENT, NUMBER, STRING, Buffer, Text, Value, hash_of, integer_of, is_decimal, is_integer, put, put_char, put_integer,
    put_text, reserve, time_ns_of,
)
from marketfeed_shard.kernel._walk cimport Pair, Row, Walker

cdef enum:
    WIDTH = 5

cdef enum:
    TOPICS = 1 << 15
    MOST_BYTES = 1 << 28   # of a frame: what is in it can be counted by an int

cdef enum:
    FIELD_BYTES = 64       # more than quotes, digits and punctuation of one field take
    LEVEL_BYTES = 9        # punctuation of one level

cdef int64_t LAST_OPEN_NS = 9000000000000000000LL
cdef int64_t UNKNOWN = -(<int64_t>1 << 62) * 2
cdef array.array _longs = py_array("q")


cdef class Engine(Walker):
    """One market's declarations, compiled, over one table of streams."""

    def __cinit__(self):
        self._topics = <Topic*>calloc(TOPICS, sizeof(Topic))
        if self._topics == NULL:
            raise MemoryError

    def __init__(self, groups, owner, latency_bounds_ms=()):
        """`groups`: tables that find the topic, then those of each set of messages that share one.

        `owner` is asked for what is rare: `match(topic)` for its group, `resolve(topic, message, symbol, key)` for a slot,
        `gate(…)` whether an event of a flagged stream goes out, `hole(…)` when numbers are missing, `hook(…)` for events
        that a function has to see.
        """
        self._owner = owner
        self._groups = <Group*>calloc(len(groups), sizeof(Group))
        if self._groups == NULL:
            raise MemoryError
        for group in groups:
            build(&self._groups[self._group_count], group)
            self._group_count += 1
        self._topic_paths = len(groups[0].topic)
        self._bounds = len(latency_bounds_ms)
        self._bounds_ms = <double*>calloc(self._bounds + 1, sizeof(double))
        self._latency = <int64_t*>calloc(self._bounds + 1, sizeof(int64_t))
        if self._bounds_ms == NULL or self._latency == NULL:
            raise MemoryError
        for i, bound in enumerate(latency_bounds_ms):
            self._bounds_ms[i] = bound

    def __dealloc__(self):
        for i in range(self._group_count):
            dispose(&self._groups[i])
        free(self._groups)
        if self._topics != NULL:
            for i in range(TOPICS):
                free(<void*>self._topics[i].text.p)
        free(self._topics)
        for i in range(self._slot_count):
            free(<void*>self._slots[i].head.p)
            free(<void*>self._slots[i].interval.p)
        free(self._slots)
        free(self._records)
        free(self._joined.p)
        free(self._scratch.p)
        free(self._out.p)
        free(self._index.p)
        free(self._bounds_ms)
        free(self._latency)

    # ---- set-up ------------------------------------------------------------------------------------------------------

    def bind(self, table):
        """Take over the columns of the stream table: to be called whenever it has grown, before the next frame."""
        self._n = <int64_t*><size_t>table.n.buffer_info()[0]
        self._position = <int64_t*><size_t>table.position.buffer_info()[0]
        self._seen_ns = <int64_t*><size_t>table.received_ns.buffer_info()[0]
        self._messages = <int64_t*><size_t>table.messages.buffer_info()[0]
        self._repeated = <int64_t*><size_t>table.repeated.buffer_info()[0]
        self._owning = <int64_t*><size_t>table.owner.buffer_info()[0]
        self._flags = <uint8_t*><size_t>table.flags.buffer_info()[0]

    def define(self, int slot, bytes head, bytes interval=b"", long long length_ns=0):
        """Give a slot what its events begin with; slots come in order."""
        if slot < self._slot_count:
            return
        if slot != self._slot_count:
            raise ValueError("slots are defined in order")
        self._slots = <Slot*>realloc(self._slots, (slot + 1) * sizeof(Slot))
        if self._slots == NULL:
            raise MemoryError
        self._slots[slot].head = text_of(head)
        self._slots[slot].interval = text_of(interval)
        self._slots[slot].length_ns = length_ns
        self._slot_count = slot + 1

    # ---- one frame ---------------------------------------------------------------------------------------------------

    cdef int _peek(self, const char* p, Py_ssize_t n, Text* topic) except -2:
        """The topic of a frame: 0 found, -1 declined. Where its one path is the frame's first key nothing is walked."""
        cdef Group* g = &self._groups[0]
        cdef Cursor at
        cdef Value value
        cdef Value* v
        cdef Text key
        if self._topic_paths == 1 and g.node[0].members == 1 and g.node[g.node[0].member[0].node].leaf >= 0:
            key = g.node[0].member[0].key
            if n > key.n + 6 and p[0] == c'{' and p[1] == c'"' and memcmp(p + 2, key.p, key.n) == 0 \
                    and p[2 + key.n] == c'"' and p[3 + key.n] == c':' and p[4 + key.n] == c'"':
                at.p, at.end = p + 4 + key.n, p + n
                if read_string(&at, &value) < 0:
                    return -1
                topic.p, topic.n = value.p, value.n
                return 0
        if self.walk(g, p, n, self._topic_paths) < 0:
            return -1
        self._joined.n = 0
        reserve(&self._joined, n + TOPIC_PATHS)
        for i in range(self._topic_paths):
            v = self.find(&g.topic[i], 0)
            if v == NULL or v.kind != STRING:
                return -1
            if i:
                put_char(&self._joined, c':')
            put(&self._joined, v.p, v.n)
        topic.p, topic.n = self._joined.p, <int>self._joined.n
        return 0

    cdef Topic* _topic(self, Text name) except? NULL:
        """The entry of a topic; one that is met for the first time stands in `_fresh` until its frame is accepted."""
        cdef uint64_t h = hash_of(name.p, name.n)
        cdef uint64_t at = h & (TOPICS - 1)
        cdef Topic* t
        while True:
            t = &self._topics[at]
            if t.text.p == NULL:
                break
            if t.hash == h and t.text.n == name.n and memcmp(t.text.p, name.p, name.n) == 0:
                return t
            at = (at + 1) & (TOPICS - 1)
        t = &self._fresh
        t.hash = h
        t.text = name
        t.group = self._owner.match(name.p[:name.n])
        for i in range(DECLARATIONS):
            t.cached[i].n = -1
        return t

    cdef int _remember(self) except -1:
        """Keep `_fresh`. Topics come from outside: their number is bounded, and those beyond are looked up each time."""
        cdef uint64_t at = self._fresh.hash & (TOPICS - 1)
        if self._topic_count >= TOPICS // 2:
            return 0
        while self._topics[at].text.p != NULL:
            at = (at + 1) & (TOPICS - 1)
        self._topics[at] = self._fresh
        self._topics[at].text = text_of(self._fresh.text.p[:self._fresh.text.n])
        self._topic_count += 1
        return 0

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

    cdef int _slot_of(self, Declaration* d, int number, int row, Topic* topic) except -2:
        """The slot of a record's stream, or -1 where it is none of ours."""
        cdef Cached* cached = &topic.cached[number]
        cdef Value* symbol
        cdef Value* key
        cdef int slot
        if d.by_topic and not d.key.count:
            if cached.n < 0:
                slot = self._owner.resolve(topic.text.p[:topic.text.n], d.message, None, None)
                if slot < 0:
                    return -1
                cached.n, cached.slot = 0, slot
            return cached.slot
        symbol = NULL
        if not d.by_topic:
            symbol = self.find(&d.symbol, row)
            if symbol == NULL or symbol.kind != STRING:
                return -1
        if d.key.count:
            key = self.find(&d.key, row)
            if key == NULL:
                return -1
            return self._owner.resolve(
                topic.text.p[:topic.text.n], d.message, None if symbol == NULL else symbol.p[:symbol.n], key.p[:key.n]
            )
        if cached.n == symbol.n and memcmp(cached.symbol, symbol.p, symbol.n) == 0:
            return cached.slot
        slot = self._owner.resolve(topic.text.p[:topic.text.n], d.message, symbol.p[:symbol.n], None)
        if slot >= 0 and symbol.n <= SYMBOL:
            memcpy(cached.symbol, symbol.p, symbol.n)
            cached.n, cached.slot = symbol.n, slot
        return slot

    cdef int _record(self, Declaration* d, int number, int row, Topic* topic) except -2:
        """One record: its stream, its own fields, its position. 0 sound (though it may be no event), -1 declined."""
        cdef Record* r
        cdef Record* records
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
        if d.when.count:
            v = self.find(&d.when, row)
            if v == NULL or not is_decimal(v):
                return -1
            sound = False
            for i in range(v.n):
                if c'1' <= v.p[i] <= c'9':
                    sound = True
                    break
            if not sound:
                return 0
        at = self._slot_of(d, number, row, topic)
        if at < 0:
            return -1
        slot = &self._slots[at]
        if self._record_count == self._record_capacity:
            records = <Record*>realloc(self._records, max(self._record_capacity * 2, 16) * sizeof(Record))
            if records == NULL:
                raise MemoryError
            self._records = records
            self._record_capacity = max(self._record_capacity * 2, 16)
        r = &self._records[self._record_count]
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
        r.start += r.ts_n
        r.end = b.n
        self._record_count += 1
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
                seen[slot] = 1
            if slot != before:
                self._messages[slot] += 1
                before = slot
            if r.ts_ns:
                self._observe(r.ts_ns)
            if self._flags[slot] and not self._owner.gate(slot, r.position, self._received_ns, connection):
                continue
            if d.numbered and r.position != UNKNOWN:
                last = self._position[slot]
                if last != UNKNOWN:
                    if r.position <= last:
                        self._repeated[slot] += 1
                        continue
                    if d.consecutive and r.position != last + 1:
                        self._owner.hole(slot, last, r.position, self._received_ns)
                self._position[slot] = r.position
            elif self._owning[slot] >= 0 and self._owning[slot] != connection:
                self._repeated[slot] += 1
                continue
            if d.hooked and not self._owner.hook(slot, d.message, self._extras(d, r), self._scratch.p[r.start:r.end]):
                continue
            self._seen_ns[slot] = self._received_ns
            self._n[slot] += 1
            self._write(r, self._n[slot])
        return 0

    cdef tuple _extras(self, Declaration* d, Record* r):
        cdef Value* v
        found = []
        for i in range(d.extras):
            v = self.find(&d.extra[i], r.row)
            found.append(None if v == NULL else v.p[:v.n].decode())
        return tuple(found)

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
        if self._decode(p, n) < 0:
            self.declined += 1
            return False
        self._publish(connection, seen, seen_n, only)
        return True

    def mark_read(self, long long received_ns):
        """Wall clock of the socket read whose events follow."""
        self.begin(received_ns)

    def frame(self):
        """The frame that is being published: for `gate`, which may keep it."""
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
