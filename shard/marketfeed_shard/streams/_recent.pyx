# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The latest ids of a stream, kept as 128 bits of hash each; `recent.py` says what is remembered."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from marketfeed_shard.streams.recent import MOST_IDS, REMEMBERED_NS

from marketfeed_shard.kernel._values cimport hash_of

cdef enum:
    FEWEST = 64

cdef int64_t _remembered_ns = REMEMBERED_NS
cdef int _most = MOST_IDS


cdef class Recent:
    """Ids of one stream."""

    def __dealloc__(self):
        free(self._young.keys)
        free(self._old.keys)

    def add(self, bytes identifier, long long received_ns):
        """Remember an id; False: it was known."""
        return not self.know(PyBytes_AS_STRING(identifier), <int>PyBytes_GET_SIZE(identifier), received_ns)

    def __contains__(self, bytes identifier):
        """Whether an id is known."""
        cdef Key key = key_of(PyBytes_AS_STRING(identifier), <int>PyBytes_GET_SIZE(identifier))
        return place_of(&self._old, key) < 0 or place_of(&self._young, key) < 0

    cdef bint know(self, const char* p, int n, int64_t received_ns) except -1:
        """Whether an id was known; from now on it is."""
        cdef Generation spare
        cdef Key key = key_of(p, n)
        if received_ns - self._began_ns > _remembered_ns or self._young.count >= _most:
            spare, self._old = self._old, self._young
            self._young = spare
            self._young.count = 0
            if spare.keys != NULL:
                memset(spare.keys, 0, spare.capacity * sizeof(Key))
            self._began_ns = received_ns
        if place_of(&self._old, key) < 0 or place_of(&self._young, key) < 0:
            return True
        if 2 * self._young.count >= self._young.capacity:
            grow(&self._young)
        self._young.keys[place_of(&self._young, key)] = key
        self._young.count += 1
        return False


cdef Key key_of(const char* p, int n) noexcept:
    """Two words, not both zero."""
    cdef Key key
    key.one = hash_of(p, n)
    key.other = hash_of(<char*>&key.one, 8) ^ turned(p, n)
    if key.one == 0 and key.other == 0:
        key.other = 1
    return key


cdef uint64_t turned(const char* p, int n) noexcept:
    """A second hash of the same bytes, by another rule."""
    cdef uint64_t h = 0xCBF29CE484222325ULL
    for i in range(n):
        h = (h ^ <unsigned char>p[i]) * 0x100000001B3ULL
        h ^= h >> 29
    return h


cdef inline int place_of(Generation* g, Key key) noexcept:
    """Where a key would go, or −1: it is there. Of an empty table always 0."""
    cdef int at
    if g.capacity == 0:
        return 0
    at = <int>(key.one & <uint64_t>(g.capacity - 1))
    while g.keys[at].one or g.keys[at].other:
        if g.keys[at].one == key.one and g.keys[at].other == key.other:
            return -1
        at = (at + 1) & (g.capacity - 1)
    return at


cdef int grow(Generation* g) except -1:
    """Twice the room."""
    cdef Generation wider
    wider.capacity = max(2 * g.capacity, FEWEST)
    wider.count = g.count
    wider.keys = <Key*>calloc(wider.capacity, sizeof(Key))
    if wider.keys == NULL:
        raise MemoryError
    for i in range(g.capacity):
        if g.keys[i].one or g.keys[i].other:
            wider.keys[place_of(&wider, g.keys[i])] = g.keys[i]
    free(g.keys)
    g[0] = wider
    return 0
