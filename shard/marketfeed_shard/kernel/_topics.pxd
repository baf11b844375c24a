"""From a frame's topic to its tables, and from a record to its stream's slot."""

from libc.stdint cimport int64_t, uint64_t

from marketfeed_shard.kernel._tables cimport DECLARATIONS, Declaration, Group
from marketfeed_shard.kernel._values cimport Buffer, Text
from marketfeed_shard.kernel._walk cimport Walker

cdef enum:
    SYMBOL = 48

cdef struct Slot:
    Text head          # {"type":…,"symbol":"…","ts":
    Text interval      # "1m", quoted
    int64_t length_ns  # of a candle; 0: unknown

cdef struct Cached:
    char symbol[SYMBOL]
    int n              # length of the symbol, -1: nothing cached
    int slot

cdef struct Topic:
    uint64_t hash
    Text text
    int group
    Cached cached[DECLARATIONS]   # by declaration of the group

cdef class Topics(Walker):
    cdef:
        object _owner          # is asked for what is rare
        Group* _groups         # the first one finds topics, the others are those of `match`
        int _group_count
        int _topic_paths       # that have to be found before a topic is whole
        Topic* _topics         # open addressing
        int _topic_count
        Topic _fresh           # one that is met for the first time
        Buffer _joined         # a topic of several paths
        Slot* _slots
        int _slot_count

    cdef int _peek(self, const char* p, Py_ssize_t n, Text* topic) except -2
    cdef Topic* _topic(self, Text name) except? NULL
    cdef int _remember(self) except -1
    cdef int _slot_of(self, Declaration* d, int number, int row, Topic* topic) except -2
