# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One order book, compiled: prices and sizes as 64-bit integers with their decimals. `book.py` says what it means.

Levels lie in order, the best last, so that changes near it move little. What does not fit 64 bits is not taken: it is
measured before anything is changed, and such a book is left to the plain twin.
"""

from binascii import crc32

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

from marketfeed_shard.books.book import MOST_LEVELS
from marketfeed_shard.books.checksums import Checksum

from marketfeed_shard.books._decimals cimport POWER, put_decimal, put_digits
from marketfeed_shard.books._side cimport Level, Side, cut, digits_of, fit, put_levels, refine
from marketfeed_shard.kernel._values cimport STRING, Buffer, Value, integer_of, is_integer, put_char
from marketfeed_shard.kernel._walk cimport Pair

cdef enum:
    DECIMAL_BYTES = 24
    SUMMED = 25        # levels a side that any checksum is made of

cdef int _most_levels = MOST_LEVELS


cdef class Book:
    """One order book."""

    def __cinit__(self, checksum=None, depth=None):
        """`checksum`: the exchange's recipe; `depth`: levels a side that are kept, where what falls out of it is not told."""
        self._bids.sign, self._asks.sign = 1, -1
        self._depth = depth or 0
        self._has_checksum = checksum is not None
        self._of_texts = checksum is Checksum.TEXTS

    def __dealloc__(self):
        free(self._bids.level)
        free(self._asks.level)

    # ---- for the engine ----------------------------------------------------------------------------------------------

    cdef bint holds(self, bint snapshot, Pair* bids, int bid_count, Pair* asks, int ask_count) noexcept:
        """Whether all of it fits; nothing is changed."""
        cdef int scale = 0 if snapshot else self._scale
        cdef int digits = 0 if snapshot else self._whole
        return fit(bids, bid_count, &digits, &scale) and fit(asks, ask_count, &digits, &scale)

    cdef bint change(self, bint snapshot, Pair* bids, int bid_count, Pair* asks, int ask_count) except -1:
        """Apply what fits. False: it grew too deep."""
        cdef int scale = 0 if snapshot else self._scale
        cdef int digits = 0 if snapshot else self._whole
        fit(bids, bid_count, &digits, &scale)
        fit(asks, ask_count, &digits, &scale)
        if snapshot:
            self.clear()
        elif scale > self._scale:
            refine(&self._bids, POWER[scale - self._scale])
            refine(&self._asks, POWER[scale - self._scale])
        self._scale, self._whole = scale, digits
        put_levels(&self._bids, bids, bid_count, scale)
        put_levels(&self._asks, asks, ask_count, scale)
        if self._depth:
            cut(&self._bids, self._depth)
            cut(&self._asks, self._depth)
        return max(self._bids.count, self._asks.count) <= _most_levels

    cdef bint is_told(self, const Value* told) except -1:
        """Whether a checksum is that of this book; NULL: none is told."""
        if not self._has_checksum:
            return True
        if self._of_texts and (told == NULL or (told.n == 1 and told.p[0] == c'0')):
            return True
        return told != NULL and is_integer(told) and integer_of(told) == self._checksum()

    # ---- from Python -------------------------------------------------------------------------------------------------

    def fits(self, bint snapshot, bids, asks):
        """Whether it can hold these levels beside its own, or in their place."""
        cdef Pair* pairs = pairs_of(bids, asks)
        cdef bint fit = self.holds(snapshot, pairs, <int>len(bids), pairs + len(bids), <int>len(asks))
        free(pairs)
        return fit

    def apply(self, bint snapshot, bids, asks):
        """Change it, or begin anew; the levels fit. False: it grew too deep."""
        cdef Pair* pairs = pairs_of(bids, asks)
        try:
            return self.change(snapshot, pairs, <int>len(bids), pairs + len(bids), <int>len(asks))
        finally:
            free(pairs)

    def agrees(self, str told):
        """Whether the exchange's checksum is that of this book; true where the market has none."""
        cdef Value value
        if told is None:
            return self.is_told(NULL)
        value = value_of(told)
        return self.is_told(&value)

    def clear(self):
        """Forget all levels."""
        self.joining = False
        self._bids.count = self._asks.count = 0
        self._scale = self._whole = 0

    @property
    def is_crossed(self):
        """Whether somebody bids as much as somebody asks: then it is wrong."""
        if not self._bids.count or not self._asks.count:
            return False
        return self._bids.level[self._bids.count - 1].worth >= -self._asks.level[self._asks.count - 1].worth

    def levels(self):
        """(bids, asks), each from the best on."""
        return texts_of(&self._bids, self._scale), texts_of(&self._asks, self._scale)

    # ---- checksums ---------------------------------------------------------------------------------------------------

    cdef int64_t _checksum(self) except? -1:
        cdef char text[4 * SUMMED * DECIMAL_BYTES]
        cdef Buffer b
        cdef int64_t unsigned
        b.p, b.n, b.capacity = text, 0, sizeof(text)
        if self._of_texts:
            for i in range(SUMMED):
                put_text_of(&b, &self._bids, i, self._scale)
                put_text_of(&b, &self._asks, i, self._scale)
            unsigned = crc32(PyBytes_FromStringAndSize(text, max(0, b.n - 1)))
            return unsigned - (unsigned >> 31 << 32)
        put_digits_of(&b, &self._asks, self._scale)
        put_digits_of(&b, &self._bids, self._scale)
        return crc32(PyBytes_FromStringAndSize(text, b.n))


# ---- texts ---------------------------------------------------------------------------------------------------------------


cdef void put_text_of(Buffer* b, Side* s, int place, int scale) noexcept:
    """`price:size:` of a level, counted from the best; nothing where there is none."""
    cdef Level* level
    if place < s.count:
        level = &s.level[s.count - 1 - place]
        put_decimal(b, digits_of(s, level, scale), level.price_decimals)
        put_char(b, c':')
        put_decimal(b, level.size, level.size_decimals)
        put_char(b, c':')


cdef void put_digits_of(Buffer* b, Side* s, int scale) noexcept:
    cdef Level* level
    for i in range(min(s.count, 10)):
        level = &s.level[s.count - 1 - i]
        put_digits(b, digits_of(s, level, scale))
        put_digits(b, level.size)


cdef list texts_of(Side* s, int scale):
    cdef char text[DECIMAL_BYTES]
    cdef Buffer b
    cdef Level* level
    levels = []
    b.p, b.capacity = text, sizeof(text)
    for i in range(s.count - 1, -1, -1):
        level = &s.level[i]
        b.n = 0
        put_decimal(&b, digits_of(s, level, scale), level.price_decimals)
        price = b.p[:b.n].decode("ascii")
        b.n = 0
        put_decimal(&b, level.size, level.size_decimals)
        levels.append([price, b.p[:b.n].decode("ascii")])
    return levels


cdef Value value_of(str text) except *:
    cdef Value v
    cdef Py_ssize_t n
    v.p = PyUnicode_AsUTF8AndSize(text, &n)
    v.n, v.kind = <int>n, STRING
    return v


cdef Pair* pairs_of(bids, asks) except NULL:
    """The levels of both sides, one after the other, for as long as their texts live; to be freed."""
    cdef Pair* pairs = <Pair*>malloc((len(bids) + len(asks) + 1) * sizeof(Pair))
    cdef int at = 0
    if pairs == NULL:
        raise MemoryError
    for side in (bids, asks):
        for price, size in side:
            pairs[at].price, pairs[at].size = value_of(price), value_of(size)
            at += 1
    return pairs
