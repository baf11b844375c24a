"""Records of a frame, their own fields encoded."""

from libc.stdint cimport int64_t

from marketfeed_shard.kernel._tables cimport Declaration, Entry, Operation
from marketfeed_shard.kernel._topics cimport Topic, Topics
from marketfeed_shard.kernel._values cimport Buffer, Value
from marketfeed_shard.kernel._walk cimport Row

cdef struct Record:
    int declaration
    int slot
    int64_t position
    int64_t ts_ns      # 0: null
    int ts_n           # digits of the time's text, right before the own fields
    Py_ssize_t start   # of the own fields in the scratch buffer
    Py_ssize_t end
    int row
    int64_t prev       # number that a change of a book follows on, or unknown
    bint snapshot

cdef class Records(Topics):
    cdef:
        Record* _records
        int _record_count
        int _record_capacity
        Buffer _scratch        # own fields of the records
        const char* _frame
        Py_ssize_t _frame_n

    cdef int _decode(self, const char* p, Py_ssize_t n) except -2
    cdef int _record(self, Declaration* d, int number, int row, Topic* topic) except -2
    cdef Record* _new_record(self) except NULL
    cdef int _counts(self, Declaration* d, int row) noexcept
    cdef void _put_levels(self, Buffer* b, int first, int count) noexcept
    cdef Entry* _entry(self, Operation* o, Value* v, int row) noexcept
    cdef bint _nothing_changed(self, Declaration* d, Value** chosen, Row* own) noexcept
