"""Scalars of JSON, read at a cursor: 0 where they are sound, -1 where they are declined. Never a byte past the end."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from marketfeed_shard.kernel._values cimport ABSENT, EXPONENT, FALSE, NUMBER, STRING, TRUE, Value, is_digit

cdef extern from *:
    """
    /* The first marked byte of eight; where the byte order is another, the byte-wise search that follows begins at 0. */
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define marketfeed_first_marked(marks) (__builtin_ctzll(marks) >> 3)
    #else
    #define marketfeed_first_marked(marks) 0
    #endif
    """
    int first_marked "marketfeed_first_marked"(uint64_t marks) noexcept nogil

cdef struct Cursor:
    const char* p
    const char* end

cdef inline void skip_space(Cursor* c) noexcept:
    while c.p < c.end and <uint8_t>c.p[0] <= c' ' \
            and (c.p[0] == c' ' or c.p[0] == c'\n' or c.p[0] == c'\t' or c.p[0] == c'\r'):
        c.p += 1

cdef inline uint64_t marked(uint64_t w) noexcept:
    """High bits where a byte ends a plain string: a quote, a backslash, a control character, what is not ASCII."""
    cdef uint64_t high = 0x8080808080808080ULL
    cdef uint64_t quote = w ^ 0x2222222222222222ULL
    cdef uint64_t slash = w ^ 0x5C5C5C5C5C5C5C5CULL
    return (
        w
        | ((w - 0x2020202020202020ULL) & ~w)
        | ((quote - 0x0101010101010101ULL) & ~quote)
        | ((slash - 0x0101010101010101ULL) & ~slash)
    ) & high

cdef inline int read_string(Cursor* c, Value* v) noexcept:
    """At the opening quote. Plain ASCII without escapes, or declined."""
    cdef const char* p = c.p + 1
    cdef const char* end = c.end
    cdef uint64_t word, marks
    cdef uint8_t byte
    v.p = p
    while end - p >= 8:
        memcpy(&word, p, 8)
        marks = marked(word)
        if marks:
            p += first_marked(marks)
            break
        p += 8
    while p < end:
        byte = <uint8_t>p[0]
        if byte == c'"':
            v.n = <int>(p - v.p)
            v.kind = STRING
            c.p = p + 1
            return 0
        if byte < 0x20 or byte >= 0x80 or byte == c'\\':
            return -1
        p += 1
    return -1

cdef inline int read_quoted_decimal(Cursor* c, Value* v) noexcept:
    """A plain decimal in quotes, which is what levels nearly always hold: declined leaves the cursor where it was."""
    cdef const char* p = c.p
    cdef const char* end = c.end
    if p == end or p[0] != c'"':
        return -1
    p += 1
    v.p = p
    if p < end and p[0] == c'-':
        p += 1
    if p == end or not is_digit(p[0]):
        return -1
    if p[0] == c'0':
        p += 1
    else:
        while p < end and is_digit(p[0]):
            p += 1
    if p < end and p[0] == c'.':
        p += 1
        if p == end or not is_digit(p[0]):
            return -1
        while p < end and is_digit(p[0]):
            p += 1
    if p == end or p[0] != c'"':
        return -1
    v.n = <int>(p - v.p)
    v.kind = STRING
    c.p = p + 1
    return 0

cdef inline int read_number(Cursor* c, Value* v) noexcept:
    cdef const char* p = c.p
    cdef const char* end = c.end
    v.p = p
    v.kind = NUMBER
    if p < end and p[0] == c'-':
        p += 1
    if p == end or not is_digit(p[0]):
        return -1
    if p[0] == c'0':
        p += 1
    else:
        while p < end and is_digit(p[0]):
            p += 1
    if p < end and p[0] == c'.':
        p += 1
        if p == end or not is_digit(p[0]):
            return -1
        while p < end and is_digit(p[0]):
            p += 1
    if p < end and (p[0] == c'e' or p[0] == c'E'):
        v.kind = EXPONENT
        p += 1
        if p < end and (p[0] == c'+' or p[0] == c'-'):
            p += 1
        if p == end or not is_digit(p[0]):
            return -1
        while p < end and is_digit(p[0]):
            p += 1
    v.n = <int>(p - v.p)
    c.p = p
    return 0

cdef inline int read_scalar(Cursor* c, Value* v) noexcept:
    """A string, a number or a literal; null is absent."""
    cdef char first
    cdef Py_ssize_t left = c.end - c.p
    if left <= 0:
        return -1
    first = c.p[0]
    if first == c'"':
        return read_string(c, v)
    if first == c't' and left >= 4 and memcmp(c.p, b"true", 4) == 0:
        v.p, v.n, v.kind = c.p, 4, TRUE
        c.p += 4
        return 0
    if first == c'f' and left >= 5 and memcmp(c.p, b"false", 5) == 0:
        v.p, v.n, v.kind = c.p, 5, FALSE
        c.p += 5
        return 0
    if first == c'n' and left >= 4 and memcmp(c.p, b"null", 4) == 0:
        v.p, v.n, v.kind = c.p, 0, ABSENT
        c.p += 4
        return 0
    return read_number(c, v)

cdef inline int read_key(Cursor* c, Value* key) noexcept:
    """The key of a member and its colon: the cursor is at the value then."""
    if c.p >= c.end or c.p[0] != c'"' or read_string(c, key) < 0:
        return -1
    skip_space(c)
    if c.p >= c.end or c.p[0] != c':':
        return -1
    c.p += 1
    skip_space(c)
    return 0

cdef inline int read_separator(Cursor* c, char closing) noexcept:
    """After a member or an element: 1 at a comma, passed; 0 at the closing bracket, passed; else -1."""
    skip_space(c)
    if c.p >= c.end:
        return -1
    if c.p[0] == c',':
        c.p += 1
        skip_space(c)
        return 1
    if c.p[0] != closing:
        return -1
    c.p += 1
    return 0
