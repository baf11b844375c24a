"""One walk over a frame, by the tree of wanted paths."""

from marketfeed_shard.kernel._scan cimport Cursor
from marketfeed_shard.kernel._tables cimport LEVEL_ARRAYS, VALUES, Alternatives, Group
from marketfeed_shard.kernel._values cimport Value

cdef struct Pair:
    Value price
    Value size

cdef struct Row:
    int node
    int parent
    Value values[VALUES]
    int level_start[LEVEL_ARRAYS]
    int level_count[LEVEL_ARRAYS]  # -1: not there

cdef class Walker:
    cdef:
        Cursor _at
        Group* _group
        Row* _rows
        int _row_count
        int _row_capacity
        Pair* _pairs
        int _pair_count
        int _pair_capacity
        int _wanted            # values still looked for; 0 or below: the walk goes to the end

    cdef int walk(self, Group* group, const char* p, Py_ssize_t n, int wanted) noexcept
    cdef Value* find(self, Alternatives* where, int row) noexcept
