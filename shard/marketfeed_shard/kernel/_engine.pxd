"""The compiled engine, as its listener sees it."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from marketfeed_shard.kernel._tables cimport DECLARATIONS, Declaration, Group, Operation
from marketfeed_shard.kernel._values cimport Buffer, Text, Value
from marketfeed_shard.kernel._walk cimport Row, Walker
from marketfeed_shard.kernel._tables cimport Entry

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

cdef struct Record:
    int declaration
    int slot
    int64_t position
    int64_t ts_ns      # 0: null
    int ts_n           # digits of the time's text, right before the own fields
    Py_ssize_t start   # of the own fields in the scratch buffer
    Py_ssize_t end
    int row

cdef class Engine(Walker):
    cdef:
        object _owner          # is asked for what is rare: match, resolve, gate, hole, hook
        Group* _groups         # the first one finds topics, the others are those of `match`
        int _group_count
        int _topic_paths       # that have to be found before a topic is whole
        Topic* _topics         # open addressing
        int _topic_count
        Topic _fresh           # one that is met for the first time
        Buffer _joined         # a topic of several paths
        Slot* _slots
        int _slot_count
        Record* _records
        int _record_count
        int _record_capacity
        Buffer _scratch        # own fields of the records
        Buffer _out            # the batch
        Buffer _index
        const char* _frame
        Py_ssize_t _frame_n
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
        double* _bounds_ms
        int64_t* _latency
        int _bounds
        double _latency_sum_ms
        int64_t _skew_ns
        readonly long long declined

    cdef int begin(self, int64_t received_ns) noexcept
    cdef bint take(self, const char* p, Py_ssize_t n, int connection, uint8_t* seen, Py_ssize_t seen_n, int only) except -1
    cdef int _peek(self, const char* p, Py_ssize_t n, Text* topic) except -2
    cdef Topic* _topic(self, Text name) except? NULL
    cdef int _remember(self) except -1
    cdef int _decode(self, const char* p, Py_ssize_t n) except -2
    cdef int _slot_of(self, Declaration* d, int number, int row, Topic* topic) except -2
    cdef int _record(self, Declaration* d, int number, int row, Topic* topic) except -2
    cdef void _put_levels(self, Buffer* b, int first, int count) noexcept
    cdef Entry* _entry(self, Operation* o, Value* v, int row) noexcept
    cdef bint _nothing_changed(self, Declaration* d, Value** chosen, Row* own) noexcept
    cdef int _publish(self, int connection, uint8_t* seen, Py_ssize_t seen_n, int only) except -1
    cdef tuple _extras(self, Declaration* d, Record* r)
    cdef int _write(self, Record* r, int64_t n) except -1
    cdef int _mark(self, int slot, Py_ssize_t start, int64_t position, int kind) except -1
    cdef void _observe(self, int64_t ts_ns) noexcept
