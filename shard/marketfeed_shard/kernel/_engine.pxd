"""The compiled engine, as its listener sees it."""

from libc.stdint cimport int64_t, uint8_t

from marketfeed_shard.kernel._records cimport Record, Records
from marketfeed_shard.kernel._tables cimport Declaration
from marketfeed_shard.kernel._values cimport Buffer

cdef enum:
    DELIVERED = 3   # of a stream, by a socket: it did, and it did since somebody last looked
    LOOKED_AT = 1   # somebody looked since


cdef class Engine(Records):
    cdef:
        Buffer _out            # the batch
        Buffer _index
        int64_t _received_ns
        char _received[24]
        int _received_n
        int64_t* _n
        int64_t* _position
        int64_t* _seen_ns
        int64_t* _messages
        int64_t* _repeated
        int64_t* _owning
        uint8_t* _flags
        object _table          # whose columns these are
        list _books            # of the streams that are books, by slot; None: left to the plain engine
        list _recents          # of the streams whose ids promise no order, by slot
        double* _bounds_ms
        int64_t* _latency
        int _bounds
        double _latency_sum_ms
        int64_t _skew_ns
        readonly long long frames
        readonly long long declined

    cdef int begin(self, int64_t received_ns) noexcept
    cdef bint take(self, const char* p, Py_ssize_t n, int connection, uint8_t* seen, Py_ssize_t seen_n, int only) except -1
    cdef int _publish(self, int connection, uint8_t* seen, Py_ssize_t seen_n, int only) except -1
    cdef bint _can_hold(self) except -1
    cdef bint _passes(self, Declaration* d, Record* r, int connection) except -1
    cdef bint _is_copy(self, Declaration* d, Record* r) except -1
    cdef int _write(self, Record* r, int64_t n) except -1
    cdef int _mark(self, int slot, Py_ssize_t start, int64_t position, int kind) except -1
    cdef void _observe(self, int64_t ts_ns) noexcept
