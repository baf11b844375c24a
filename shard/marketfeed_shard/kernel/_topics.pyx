# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From a frame's topic to its tables, and from a record to its stream's slot: asked of the owner once, remembered then.

Both come from outside, so what is remembered is bounded.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

from marketfeed_shard.kernel._scan cimport Cursor, read_string
from marketfeed_shard.kernel._tables cimport DECLARATIONS, TOPIC_PATHS, Declaration, Group, build, dispose, text_of
from marketfeed_shard.kernel._values cimport STRING, Text, Value, hash_of, put, put_char, reserve
from marketfeed_shard.kernel._walk cimport Walker

cdef enum:
    TOPICS = 1 << 15


cdef class Topics(Walker):
    """One market's tables, the topics that were met, and the slots."""

    def __cinit__(self):
        self._topics = <Topic*>calloc(TOPICS, sizeof(Topic))
        if self._topics == NULL:
            raise MemoryError

    def __init__(self, groups, owner):
        """`groups`: tables that find the topic, then those of each set of messages that share one.

        `owner` is asked `match(topic)` for its group and `resolve(topic, message, symbol, key)` for a slot.
        """
        self._owner = owner
        self._groups = <Group*>calloc(len(groups), sizeof(Group))
        if self._groups == NULL:
            raise MemoryError
        for group in groups:
            build(&self._groups[self._group_count], group)
            self._group_count += 1
        self._topic_paths = len(groups[0].topic)

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
        free(self._joined.p)

    def define(self, int slot, bytes head, bytes interval=b"", long long length_ns=0):
        """Give a slot what its events begin with; slots come in order."""
        if slot < self._slot_count:
            return
        if slot != self._slot_count:
            raise ValueError("slots are defined in order")
        cdef Slot* slots = <Slot*>realloc(self._slots, (slot + 1) * sizeof(Slot))
        if slots == NULL:
            raise MemoryError
        self._slots = slots
        self._slots[slot].head = text_of(head)
        self._slots[slot].interval = text_of(interval)
        self._slots[slot].length_ns = length_ns
        self._slot_count = slot + 1

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
        cdef Text copy
        if self._topic_count >= TOPICS // 2:
            return 0
        while self._topics[at].text.p != NULL:
            at = (at + 1) & (TOPICS - 1)
        copy = text_of(self._fresh.text.p[:self._fresh.text.n])
        self._topics[at] = self._fresh
        self._topics[at].text = copy
        self._topic_count += 1
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
