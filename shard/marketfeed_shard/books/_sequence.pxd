"""The rule of `sequence.py`, which see, for the engine."""

from libc.stdint cimport int64_t

cdef enum:
    PASSES = 0
    DROPPED = 1
    SEQUENCE = 2
    CHECKSUM = 3

cdef inline int follows(int64_t last, bint joining, int64_t seq, int64_t prev) noexcept:
    cdef int64_t unknown = -(<int64_t>1 << 62) * 2
    if seq == unknown:
        return PASSES if last == unknown else SEQUENCE
    if last == unknown:
        return SEQUENCE
    if prev == last:
        return PASSES
    if seq <= last:
        return DROPPED
    if joining and unknown != prev and prev < last:
        return PASSES
    return SEQUENCE
