# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One walk over a frame: wanted values leave slices in the rows of their scopes, all else is checked and skipped.

It is as strict as a JSON parser, and declines what is rare: escapes, text that is not ASCII, duplicates of wanted keys.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

from marketfeed_shard.kernel._scan cimport (
    Cursor, read_key, read_quoted_decimal, read_scalar, read_separator, skip_space,
)
from marketfeed_shard.kernel._tables cimport LEVEL_ARRAYS, Alternatives, Child, Group, Node
from marketfeed_shard.kernel._values cimport ABSENT, STRING, Value, is_decimal

cdef enum:
    DEPTH = 24
    MOST_ROWS = 1 << 14        # of one frame; with those of pairs they bound what a frame can make us keep
    MOST_PAIRS = 1 << 20


cdef class Walker:
    """The state of a walk, and what it found."""

    def __dealloc__(self):
        free(self._rows)
        free(self._pairs)

    cdef int walk(self, Group* group, const char* p, Py_ssize_t n, int wanted) noexcept:
        """Walk a frame that is one object; with `wanted` above 0 only until so many sought values are found.

        0: sound. -1: declined. 1: stopped, because all that was looked for is found; so it is in all functions below.
        """
        cdef int sound
        self._group = group
        self._row_count = self._pair_count = 0
        self._at.p, self._at.end = p, p + n
        self._wanted = wanted if wanted > 0 else -1
        skip_space(&self._at)
        if self._at.p >= self._at.end or self._at.p[0] != c'{' or new_row(self, 0, 0) < 0:
            return -1
        sound = read_object(self, &group.node[0], 0, 0)
        if sound != 0:
            return sound
        skip_space(&self._at)
        return 0 if self._at.p == self._at.end else -1

    cdef Value* find(self, Alternatives* where, int row) noexcept:
        """The first alternative that is there, or NULL."""
        cdef Value* value
        for i in range(where.count):
            value = &self._rows[row if where.scope[i] == 0 else self._rows[row].parent].values[where.place[i]]
            if value.kind != ABSENT:
                return value
        return NULL


cdef int new_row(Walker w, int at, int parent) noexcept:
    """A row for the values of one scope: its place, or -1."""
    cdef Row* rows
    cdef Row* row
    cdef int capacity
    if w._row_count == MOST_ROWS:
        return -1
    if w._row_count == w._row_capacity:
        capacity = max(w._row_capacity * 2, 16)
        rows = <Row*>realloc(w._rows, capacity * sizeof(Row))
        if rows == NULL:
            return -1
        w._rows, w._row_capacity = rows, capacity
    row = &w._rows[w._row_count]
    row.node, row.parent = at, parent
    for i in range(w._group.node[at].values):
        row.values[i].kind = ABSENT
    for i in range(LEVEL_ARRAYS):
        row.level_count[i] = -1
    w._row_count += 1
    return w._row_count - 1


cdef Pair* new_pair(Walker w) noexcept:
    """Room for one more level, not counted yet, or NULL."""
    cdef Pair* pairs
    cdef int capacity
    if w._pair_count == MOST_PAIRS:
        return NULL
    if w._pair_count == w._pair_capacity:
        capacity = max(w._pair_capacity * 2, 256)
        pairs = <Pair*>realloc(w._pairs, capacity * sizeof(Pair))
        if pairs == NULL:
            return NULL
        w._pairs, w._pair_capacity = pairs, capacity
    return &w._pairs[w._pair_count]


cdef inline bint is_named(Child* child, Value* key) noexcept:
    return child.key.n == key.n and child.key.p[0] == key.p[0] and (key.n == 1 or memcmp(child.key.p, key.p, key.n) == 0)


cdef int skip_value(Walker w, int depth) noexcept:
    """Any value, checked and left out."""
    cdef Value ignored
    if depth > DEPTH or w._at.p >= w._at.end:
        return -1
    if w._at.p[0] == c'{':
        return read_object(w, NULL, -1, depth)
    if w._at.p[0] == c'[':
        return read_array(w, NULL, -1, depth)
    return read_scalar(&w._at, &ignored)


cdef int read_object(Walker w, Node* node, int row, int depth) noexcept:
    """At the opening brace. Members that lead to records must be there."""
    cdef Cursor* c = &w._at
    cdef Value key
    cdef uint64_t seen = 0
    cdef int members = 0 if node == NULL else node.members
    cdef int child, more, sound, likely = 0
    c.p += 1
    skip_space(c)
    if c.p < c.end and c.p[0] == c'}':
        c.p += 1
        return -1 if node != NULL and node.must else 0
    while True:
        if read_key(c, &key) < 0:
            return -1
        child = -1
        for i in range(members):               # in the order of the declaration, which is often that of the frame
            if is_named(&node.member[likely], &key):
                child = likely
            likely = 0 if likely + 1 == members else likely + 1
            if child >= 0:
                break
        if child >= 0:
            if seen >> child & 1:
                return -1                      # the last one counts; the plain engine sees to it
            seen |= <uint64_t>1 << child
            sound = read_value(w, node.member[child].node, row, depth + 1)
            if sound != 0:
                return sound
        elif skip_value(w, depth + 1) < 0:
            return -1
        more = read_separator(c, c'}')
        if more <= 0:
            return -1 if more < 0 or (node != NULL and node.must & ~seen) else 0


cdef int read_array(Walker w, Node* node, int row, int depth) noexcept:
    """At the opening bracket. Wanted are its elements at some places."""
    cdef Cursor* c = &w._at
    cdef int places = 0 if node == NULL else node.places
    cdef int place = 0
    cdef int child, more, sound
    if node != NULL and node.must:
        return -1
    c.p += 1
    skip_space(c)
    if c.p < c.end and c.p[0] == c']':
        c.p += 1
        return 0
    while True:
        child = -1
        for i in range(places):
            if node.place[i].place == place:
                child = i
                break
        if child >= 0:
            sound = read_value(w, node.place[child].node, row, depth + 1)
            if sound != 0:
                return sound
        elif skip_value(w, depth + 1) < 0:
            return -1
        place += 1
        more = read_separator(c, c']')
        if more <= 0:
            return more


cdef int read_value(Walker w, int at, int row, int depth) noexcept:
    """A value at a wanted place: an array of records is gone through, anything else is one."""
    cdef Cursor* c = &w._at
    cdef int more, sound
    if c.p >= c.end or depth > DEPTH:
        return -1
    if not w._group.node[at].iterate or c.p[0] != c'[':
        return read_element(w, at, row, depth)
    c.p += 1
    skip_space(c)
    if c.p < c.end and c.p[0] == c']':
        c.p += 1
        return 0
    while True:
        if c.p >= c.end or (c.p[0] != c'{' and c.p[0] != c'['):
            return -1
        sound = read_element(w, at, row, depth + 1)
        if sound != 0:
            return sound
        more = read_separator(c, c']')
        if more <= 0:
            return more


cdef int read_element(Walker w, int at, int row, int depth) noexcept:
    cdef Node* node = &w._group.node[at]
    cdef Value value
    cdef char first = w._at.p[0]
    if first == c'{' or first == c'[':
        if node.leaf >= 0:
            return -1
        if node.levels >= 0:
            return read_levels(w, node, row, depth) if first == c'[' else -1
        if node.scope:
            row = new_row(w, at, row)
            if row < 0:
                return -1
        if first == c'{':
            return read_object(w, node, row, depth)
        return read_array(w, node, row, depth)
    if read_scalar(&w._at, &value) < 0:
        return -1
    if node.leaf >= 0:
        if value.kind != ABSENT and not (value.kind == STRING and value.n == 0):
            w._rows[row].values[node.leaf] = value
            w._wanted -= node.sought
        return 1 if w._wanted == 0 else 0
    return 0 if value.kind == ABSENT and not node.iterate else -1


cdef int read_levels(Walker w, Node* node, int row, int depth) noexcept:
    """An array of price levels, by place or by key."""
    cdef Cursor* c = &w._at
    cdef int first = w._pair_count
    cdef int more
    cdef Pair* pair
    c.p += 1
    skip_space(c)
    if c.p < c.end and c.p[0] == c']':
        c.p += 1
    else:
        while True:
            pair = new_pair(w)
            if pair == NULL:
                return -1
            pair.price.kind = pair.size.kind = ABSENT
            if read_level(w, node, pair, depth + 1) < 0:
                return -1
            w._pair_count += 1
            more = read_separator(c, c']')
            if more < 0:
                return -1
            if more == 0:
                break
    w._rows[row].level_start[node.levels] = first
    w._rows[row].level_count[node.levels] = w._pair_count - first
    return 0


cdef int read_level(Walker w, Node* node, Pair* pair, int depth) noexcept:
    cdef Cursor* c = &w._at
    cdef int place = 0
    cdef int more
    cdef bint by_place
    cdef Value key
    cdef Value* target
    if c.p >= c.end or (c.p[0] != c'[' and c.p[0] != c'{'):
        return -1
    by_place = c.p[0] == c'['
    c.p += 1
    skip_space(c)
    while True:
        target = NULL
        if by_place:
            if place == node.price.place:
                target = &pair.price
            elif place == node.size.place:
                target = &pair.size
            place += 1
        else:
            if read_key(c, &key) < 0:
                return -1
            if node.price.place < 0 and is_named(&node.price, &key):
                target = &pair.price
            elif node.size.place < 0 and is_named(&node.size, &key):
                target = &pair.size
            if target != NULL and target.kind != ABSENT:
                return -1
        if target == NULL:
            if skip_value(w, depth + 1) < 0:
                return -1
        elif read_quoted_decimal(c, target) < 0 and (read_scalar(c, target) < 0 or not is_decimal(target)):
            return -1
        more = read_separator(c, c']' if by_place else c'}')
        if more < 0:
            return -1
        if more == 0:
            return 0 if pair.price.kind != ABSENT and pair.size.kind != ABSENT else -1
