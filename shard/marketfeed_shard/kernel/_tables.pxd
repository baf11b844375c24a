"""The tables of `tables.py` as the engine reads them."""

from libc.stdint cimport uint64_t

from marketfeed_shard.kernel._values cimport Text

cdef enum:
    VALUES = 32
    LEVEL_ARRAYS = 2
    OPS = 24
    ALTERNATIVES = 3
    TOPIC_PATHS = 4
    DECLARATIONS = 4

cdef enum:
    OP_DECIMAL = 0
    OP_TEXT = 1
    OP_INTEGER = 2
    OP_TIME = 3
    OP_ONE_OF = 4
    OP_BEFORE = 5
    OP_LEVELS = 6
    OP_CONSTANT = 7
    OP_INTERVAL = 8
    OP_CLOSE_TIME = 9
    OP_DEPTH = 10

cdef struct Alternatives:
    int count
    int scope[ALTERNATIVES]
    int place[ALTERNATIVES]

cdef struct Entry:
    Text wire
    Text written

cdef struct Operation:
    int op
    int optional
    int omit
    int counts
    Text before
    Alternatives where
    int entries
    Entry* table
    Alternatives otherwise
    int other_entries
    Entry* other_table
    Text constant

cdef struct Declaration:
    int message
    int node
    int by_topic       # the topic names the symbol
    Alternatives symbol
    Alternatives when
    Alternatives key
    int operations
    Operation ops[OPS]
    int position
    int funding_rate
    int next_funding
    int consecutive
    int numbered
    int chained
    int unique         # operation whose value tells copies apart, or -1
    int ends_candles
    int extras
    Alternatives extra[ALTERNATIVES]
    int snapshot
    int bids
    int asks
    int seq
    int prev_seq

cdef struct Child:
    Text key
    int place          # of an array; -1 for a key
    int node

cdef struct Node:
    int members
    Child* member
    int places
    Child* place
    int leaf
    int levels
    Child price
    Child size
    int iterate
    uint64_t must      # members that lead to records, as bits
    int sought
    int scope
    int values
    int level_arrays

cdef struct Group:
    int nodes
    Node* node
    int declarations
    Declaration* declaration
    int topics
    Alternatives topic[TOPIC_PATHS]

cdef Text text_of(bytes value)
cdef int build(Group* g, group) except -1
cdef void dispose(Group* g) noexcept
