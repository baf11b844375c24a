"""The latest ids of a stream, as the engine asks for them."""

from libc.stdint cimport int64_t, uint64_t

cdef struct Key:
    uint64_t one
    uint64_t other

cdef struct Generation:
    Key* keys          # open addressing; both words zero: free
    int capacity
    int count

cdef class Recent:
    cdef:
        Generation _young
        Generation _old
        int64_t _began_ns

    cdef bint know(self, const char* p, int n, int64_t received_ns) except -1
