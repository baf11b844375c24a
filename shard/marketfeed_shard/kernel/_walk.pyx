# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One walk over a frame: wanted values leave slices in the rows of their scopes, all else is checked and skipped.

It is as strict as a JSON parser, and declines what is rare: escapes, text that is not ASCII, duplicates of wanted keys.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp

from marketfeed_shard.kernel._tables cimport LEVEL_ARRAYS, Alternatives, Group, Node
from marketfeed_shard.kernel._values cimport ABSENT, EXPONENT, FALSE, NUMBER, STRING, TRUE, Value, is_decimal, is_digit

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
        """Walk a frame that is one object; with `wanted` above 0 only until so many sought values are found."""
        cdef int sound
        self._group = group
        self._row_count = self._pair_count = 0
        self._p, self._end = p, p + n
        self._wanted = wanted if wanted > 0 else -1
        self._space()
        if self._p >= self._end or self._p[0] != c'{' or self._row(0, 0) < 0:
            return -1
        sound = self._object(&group.node[0], 0, 0)
        if sound != 0:
            return sound
        self._space()
        return 0 if self._p == self._end else -1

    # ---- 0: sound. -1: declined. 1: stopped, because all that was looked for is found. --------------------------------

    cdef void _space(self) noexcept:
        while self._p < self._end and (self._p[0] == c' ' or self._p[0] == c'\n' or self._p[0] == c'\t' or self._p[0] == c'\r'):
            self._p += 1

    cdef int _string(self, Value* v) noexcept:
        """At the opening quote. Plain ASCII without escapes, or declined."""
        cdef const char* p = self._p + 1
        cdef const char* end = self._end
        cdef uint8_t c
        v.p = p
        while p < end:
            c = <uint8_t>p[0]
            if c == c'"':
                v.n = <int>(p - v.p)
                v.kind = STRING
                self._p = p + 1
                return 0
            if c < 0x20 or c >= 0x80 or c == c'\\':
                return -1
            p += 1
        return -1

    cdef int _number(self, Value* v) noexcept:
        cdef const char* p = self._p
        cdef const char* end = self._end
        v.p = p
        v.kind = NUMBER
        if p < end and p[0] == c'-':
            p += 1
        if p == end or not is_digit(p[0]):
            return -1
        if p[0] == c'0':
            p += 1
        else:
            while p < end and is_digit(p[0]):
                p += 1
        if p < end and p[0] == c'.':
            p += 1
            if p == end or not is_digit(p[0]):
                return -1
            while p < end and is_digit(p[0]):
                p += 1
        if p < end and (p[0] == c'e' or p[0] == c'E'):
            v.kind = EXPONENT
            p += 1
            if p < end and (p[0] == c'+' or p[0] == c'-'):
                p += 1
            if p == end or not is_digit(p[0]):
                return -1
            while p < end and is_digit(p[0]):
                p += 1
        v.n = <int>(p - v.p)
        self._p = p
        return 0

    cdef int _scalar(self, Value* v) noexcept:
        """A string, a number or a literal; null is absent."""
        cdef char c
        cdef Py_ssize_t left = self._end - self._p
        if left <= 0:
            return -1
        c = self._p[0]
        if c == c'"':
            return self._string(v)
        if c == c't' and left >= 4 and memcmp(self._p, b"true", 4) == 0:
            v.p, v.n, v.kind = self._p, 4, TRUE
            self._p += 4
            return 0
        if c == c'f' and left >= 5 and memcmp(self._p, b"false", 5) == 0:
            v.p, v.n, v.kind = self._p, 5, FALSE
            self._p += 5
            return 0
        if c == c'n' and left >= 4 and memcmp(self._p, b"null", 4) == 0:
            v.kind = ABSENT
            self._p += 4
            return 0
        return self._number(v)

    cdef int _skip(self, int depth) noexcept:
        """Any value, checked and left out."""
        cdef Value ignored
        cdef char c
        if depth > DEPTH or self._p >= self._end:
            return -1
        c = self._p[0]
        if c == c'{':
            return self._object(NULL, -1, depth)
        if c == c'[':
            return self._array(NULL, -1, depth)
        return self._scalar(&ignored)

    cdef int _object(self, Node* node, int row, int depth) noexcept:
        """At the opening brace."""
        cdef Value key
        cdef uint64_t seen = 0
        cdef int child, sound
        self._p += 1
        self._space()
        if self._p < self._end and self._p[0] == c'}':
            self._p += 1
            return -1 if node != NULL and node.must else 0
        while True:
            if self._p >= self._end or self._p[0] != c'"' or self._string(&key) < 0:
                return -1
            self._space()
            if self._p >= self._end or self._p[0] != c':':
                return -1
            self._p += 1
            self._space()
            child = -1
            if node != NULL:
                for i in range(node.members):
                    if node.member[i].key.n == key.n and memcmp(node.member[i].key.p, key.p, key.n) == 0:
                        child = i
                        break
            if child >= 0:
                if seen >> child & 1:
                    return -1              # the last one counts; the plain engine sees to it
                seen |= <uint64_t>1 << child
                sound = self._value(node.member[child].node, row, depth + 1)
                if sound != 0:
                    return sound
            elif self._skip(depth + 1) < 0:
                return -1
            self._space()
            if self._p >= self._end:
                return -1
            if self._p[0] == c'}':
                self._p += 1
                return -1 if node != NULL and node.must & ~seen else 0
            if self._p[0] != c',':
                return -1
            self._p += 1
            self._space()

    cdef int _array(self, Node* node, int row, int depth) noexcept:
        """At the opening bracket."""
        cdef int place = 0
        cdef int child, sound
        if node != NULL and node.must:
            return -1
        self._p += 1
        self._space()
        if self._p < self._end and self._p[0] == c']':
            self._p += 1
            return 0
        while True:
            child = -1
            if node != NULL:
                for i in range(node.places):
                    if node.place[i].place == place:
                        child = i
                        break
            if child >= 0:
                sound = self._value(node.place[child].node, row, depth + 1)
                if sound != 0:
                    return sound
            elif self._skip(depth + 1) < 0:
                return -1
            place += 1
            self._space()
            if self._p >= self._end:
                return -1
            if self._p[0] == c']':
                self._p += 1
                return 0
            if self._p[0] != c',':
                return -1
            self._p += 1
            self._space()

    cdef int _value(self, int at, int row, int depth) noexcept:
        """A value at a wanted place: an array of records is gone through, anything else is one."""
        cdef Node* node = &self._group.node[at]
        cdef int sound
        if self._p >= self._end or depth > DEPTH:
            return -1
        if not node.iterate or self._p[0] != c'[':
            return self._element(at, row, depth)
        self._p += 1
        self._space()
        if self._p < self._end and self._p[0] == c']':
            self._p += 1
            return 0
        while True:
            if self._p >= self._end or (self._p[0] != c'{' and self._p[0] != c'['):
                return -1
            sound = self._element(at, row, depth + 1)
            if sound != 0:
                return sound
            self._space()
            if self._p >= self._end:
                return -1
            if self._p[0] == c']':
                self._p += 1
                return 0
            if self._p[0] != c',':
                return -1
            self._p += 1
            self._space()

    cdef int _element(self, int at, int row, int depth) noexcept:
        cdef Node* node = &self._group.node[at]
        cdef Value value
        cdef char c = self._p[0]
        if c == c'{' or c == c'[':
            if node.leaf >= 0:
                return -1
            if node.levels >= 0:
                return self._levels(node, row, depth) if c == c'[' else -1
            if node.scope:
                row = self._row(at, row)
                if row < 0:
                    return -1
            if c == c'{':
                return self._object(node, row, depth)
            return self._array(node, row, depth)
        if self._scalar(&value) < 0:
            return -1
        if node.leaf >= 0:
            if value.kind != ABSENT and not (value.kind == STRING and value.n == 0):
                self._rows[row].values[node.leaf] = value
                self._wanted -= node.sought
            return 1 if self._wanted == 0 else 0
        return 0 if value.kind == ABSENT and not node.iterate else -1

    cdef int _row(self, int at, int parent) noexcept:
        cdef Row* rows
        cdef Row* row
        if self._row_count == MOST_ROWS:
            return -1
        if self._row_count == self._row_capacity:
            rows = <Row*>realloc(self._rows, max(self._row_capacity * 2, 16) * sizeof(Row))
            if rows == NULL:
                return -1
            self._rows = rows
            self._row_capacity = max(self._row_capacity * 2, 16)
        row = &self._rows[self._row_count]
        row.node = at
        row.parent = parent
        for i in range(self._group.node[at].values):
            row.values[i].kind = ABSENT
        for i in range(LEVEL_ARRAYS):
            row.level_count[i] = -1
        self._row_count += 1
        return self._row_count - 1

    cdef int _levels(self, Node* node, int row, int depth) noexcept:
        """An array of price levels, by place or by key."""
        cdef int first = self._pair_count
        cdef Pair* pairs
        cdef Pair* pair
        self._p += 1
        self._space()
        if self._p < self._end and self._p[0] == c']':
            self._p += 1
        else:
            while True:
                if self._pair_count == MOST_PAIRS:
                    return -1
                if self._pair_count == self._pair_capacity:
                    pairs = <Pair*>realloc(self._pairs, max(self._pair_capacity * 2, 256) * sizeof(Pair))
                    if pairs == NULL:
                        return -1
                    self._pairs = pairs
                    self._pair_capacity = max(self._pair_capacity * 2, 256)
                pair = &self._pairs[self._pair_count]
                pair.price.kind = pair.size.kind = ABSENT
                if self._level(node, pair, depth + 1) < 0 or not is_decimal(&pair.price) or not is_decimal(&pair.size):
                    return -1
                self._pair_count += 1
                self._space()
                if self._p >= self._end:
                    return -1
                if self._p[0] == c']':
                    self._p += 1
                    break
                if self._p[0] != c',':
                    return -1
                self._p += 1
                self._space()
        self._rows[row].level_start[node.levels] = first
        self._rows[row].level_count[node.levels] = self._pair_count - first
        return 0

    cdef int _level(self, Node* node, Pair* pair, int depth) noexcept:
        cdef int place = 0
        cdef bint by_place
        cdef Value key
        cdef Value* target
        if self._p >= self._end:
            return -1
        by_place = self._p[0] == c'['
        if not by_place and self._p[0] != c'{':
            return -1
        self._p += 1
        self._space()
        while True:
            target = NULL
            if by_place:
                if place == node.price.place:
                    target = &pair.price
                elif place == node.size.place:
                    target = &pair.size
                place += 1
            else:
                if self._p >= self._end or self._p[0] != c'"' or self._string(&key) < 0:
                    return -1
                self._space()
                if self._p >= self._end or self._p[0] != c':':
                    return -1
                self._p += 1
                self._space()
                if node.price.place < 0 and node.price.key.n == key.n and memcmp(node.price.key.p, key.p, key.n) == 0:
                    target = &pair.price
                elif node.size.place < 0 and node.size.key.n == key.n and memcmp(node.size.key.p, key.p, key.n) == 0:
                    target = &pair.size
                if target != NULL and target.kind != ABSENT:
                    return -1
            if target != NULL:
                if self._scalar(target) < 0:
                    return -1
            elif self._skip(depth + 1) < 0:
                return -1
            self._space()
            if self._p >= self._end:
                return -1
            if self._p[0] == (c']' if by_place else c'}'):
                self._p += 1
                return 0
            if self._p[0] != c',':
                return -1
            self._p += 1
            self._space()

    cdef Value* find(self, Alternatives* where, int row) noexcept:
        """The first alternative that is there, or NULL."""
        cdef Value* value
        for i in range(where.count):
            value = &self._rows[row if where.scope[i] == 0 else self._rows[row].parent].values[where.place[i]]
            if value.kind != ABSENT:
                return value
        return NULL
