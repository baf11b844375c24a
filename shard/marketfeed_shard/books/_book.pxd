"""A compiled book, as the engine sees it."""

from libc.stdint cimport int64_t

from marketfeed_shard.books._side cimport Side
from marketfeed_shard.kernel._values cimport Value
from marketfeed_shard.kernel._walk cimport Pair

cdef class Book:
    cdef:
        public bint joining
        Side _bids
        Side _asks
        int _scale         # decimals of the finest price
        int _whole         # digits before the point of the greatest price
        int _depth         # levels a side, or 0
        bint _has_checksum
        bint _of_texts     # by which recipe

    cdef bint holds(self, bint snapshot, Pair* bids, int bid_count, Pair* asks, int ask_count) noexcept
    cdef bint change(self, bint snapshot, Pair* bids, int bid_count, Pair* asks, int ask_count) except -1
    cdef bint is_told(self, const Value* told) except -1
    cdef int64_t _checksum(self) except? -1
