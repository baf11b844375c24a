# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Writes how far each stream went, for every event of a batch, without a Python object an event."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from marketfeed_shard.streams.batch import POSITION, SLOT, WIDTH

cdef Py_ssize_t _slot = SLOT
cdef Py_ssize_t _position = POSITION
cdef Py_ssize_t _width = WIDTH


def write(unsigned char[::1] records, Py_ssize_t record_bytes, Py_ssize_t mark_at, const int64_t[::1] index, int64_t received_ns):
    """Mark each event's position and receipt in its stream's record; the last one of a stream stays, and a later receipt.

    `records`: one record of `record_bytes` a slot. `mark_at`: where in it the mark stands: position and receipt, int64 each.
    """
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t here
    cdef int64_t mark[2]
    cdef int64_t before
    mark[1] = received_ns
    while at < index.shape[0]:
        here = index[at + _slot] * record_bytes + mark_at
        if here < 0 or here + 16 > records.shape[0]:
            raise IndexError(index[at + _slot])
        memcpy(&before, &records[here + 8], 8)
        if received_ns >= before:
            mark[0] = index[at + _position]
            memcpy(&records[here], mark, 16)
        at += _width
