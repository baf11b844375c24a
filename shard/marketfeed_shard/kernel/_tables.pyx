"""Copies the tables of `tables.py` into structures that are read without touching a Python object."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from marketfeed_shard.kernel import tables
from marketfeed_shard.kernel.tables import Op

assert (tables.MOST_VALUES, tables.MOST_LEVELS, tables.MOST_OPS) == (VALUES, LEVEL_ARRAYS, OPS)
assert (tables.MOST_ALTERNATIVES, tables.MOST_TOPIC_PATHS, tables.MOST_DECLARATIONS) == (ALTERNATIVES, TOPIC_PATHS, DECLARATIONS)
assert [int(o) for o in Op] == list(range(11))


cdef Text text_of(bytes value):
    """A copy that lives as long as the engine."""
    cdef Text t
    t.n = <int>PyBytes_GET_SIZE(value)
    cdef char* p = <char*>malloc(t.n + 1)
    if p == NULL:
        raise MemoryError
    memcpy(p, PyBytes_AS_STRING(value), t.n + 1)
    t.p = p
    return t

cdef Alternatives alternatives_of(places) except *:
    cdef Alternatives a
    a.count = <int>len(places)
    for i, (scope, place) in enumerate(places):
        a.scope[i] = scope
        a.place[i] = place
    return a

cdef Entry* entries_of(table) except? NULL:
    cdef Entry* entries = <Entry*>calloc(max(len(table), 1), sizeof(Entry))
    if entries == NULL:
        raise MemoryError
    for i, (wire, written) in enumerate(table):
        entries[i].wire = text_of(wire)
        entries[i].written = text_of(written)
    return entries

cdef int build(Group* g, group) except -1:
    """Fill in one group; `dispose` gives its memory back."""
    cdef Node* node
    cdef Declaration* d
    cdef Operation* o
    g.nodes = len(group.nodes)
    g.node = <Node*>calloc(g.nodes, sizeof(Node))
    g.declarations = len(group.declarations)
    g.declaration = <Declaration*>calloc(max(g.declarations, 1), sizeof(Declaration))
    if g.node == NULL or g.declaration == NULL:
        raise MemoryError
    for i, n in enumerate(group.nodes):
        node = &g.node[i]
        node.members = len(n.members)
        node.member = <Child*>calloc(max(node.members, 1), sizeof(Child))
        node.places = len(n.places)
        node.place = <Child*>calloc(max(node.places, 1), sizeof(Child))
        if node.member == NULL or node.place == NULL:
            raise MemoryError
        for j, (key, child) in enumerate(n.members.items()):
            node.member[j].key = text_of(key)
            node.member[j].node = child
            if group.nodes[child].iterate:
                node.must |= <uint64_t>1 << j
        for j, (place, child) in enumerate(n.places.items()):
            node.place[j].place = place
            node.place[j].node = child
        node.leaf, node.levels = n.leaf, n.levels
        node.sought = n.sought
        node.iterate, node.scope, node.values = n.iterate, n.scope, n.values
        node.level_arrays = n.level_arrays
        for target, source in ((0, n.price), (1, n.size)):
            if isinstance(source, bytes):
                if target == 0:
                    node.price.key, node.price.place = text_of(source), -1
                else:
                    node.size.key, node.size.place = text_of(source), -1
            elif target == 0:
                node.price.place = source
            else:
                node.size.place = source
    g.topics = len(group.topic)
    for i, where in enumerate(group.topic):
        g.topic[i] = alternatives_of(where)
    for i, declared in enumerate(group.declarations):
        d = &g.declaration[i]
        d.message, d.node = declared.message, declared.node
        d.by_topic = not declared.symbol
        d.symbol = alternatives_of(declared.symbol)
        d.when = alternatives_of(declared.when)
        d.key = alternatives_of(declared.key)
        d.position, d.consecutive, d.numbered = declared.position, declared.consecutive, declared.numbered
        d.chained, d.unique = declared.chained, declared.unique
        d.funding_rate, d.next_funding = declared.funding
        d.ends_candles = declared.ends_candles
        d.extras = len(declared.extras)
        for j, extra in enumerate(declared.extras):
            d.extra[j] = alternatives_of(extra)
        d.snapshot, d.bids, d.asks, d.seq, d.prev_seq = declared.book
        d.operations = len(declared.operations)
        for j, operation in enumerate(declared.operations):
            o = &d.ops[j]
            o.op, o.optional, o.omit, o.counts = operation.op, operation.optional, operation.omit, operation.counts
            o.before = text_of(operation.before)
            o.where = alternatives_of(operation.alternatives)
            o.entries = len(operation.table)
            o.table = entries_of(operation.table)
            o.otherwise = alternatives_of(operation.otherwise)
            o.other_entries = len(operation.other_table)
            o.other_table = entries_of(operation.other_table)
            o.constant = text_of(operation.constant)
    return 0


cdef void free_entries(Entry* entries, int count) noexcept:
    for i in range(count):
        free(<void*>entries[i].wire.p)
        free(<void*>entries[i].written.p)
    free(entries)


cdef void dispose(Group* g) noexcept:
    cdef Operation* o
    for j in range(g.nodes):
        for k in range(g.node[j].members):
            free(<void*>g.node[j].member[k].key.p)
        free(<void*>g.node[j].price.key.p)
        free(<void*>g.node[j].size.key.p)
        free(g.node[j].member)
        free(g.node[j].place)
    for j in range(g.declarations):
        for k in range(g.declaration[j].operations):
            o = &g.declaration[j].ops[k]
            free_entries(o.table, o.entries)
            free_entries(o.other_table, o.other_entries)
            free(<void*>o.before.p)
            free(<void*>o.constant.p)
    free(g.node)
    free(g.declaration)
