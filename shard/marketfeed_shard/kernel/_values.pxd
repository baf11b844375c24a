"""Slices of a frame, and what is written: the grammar of every value is checked here, where it is copied."""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

cdef enum:
    ABSENT = 0
    STRING = 1
    NUMBER = 2
    TRUE = 3
    FALSE = 4
    EXPONENT = 5

cdef struct Value:
    const char* p
    int n
    int kind

cdef struct Text:
    const char* p
    int n

cdef struct Buffer:
    char* p
    Py_ssize_t n
    Py_ssize_t capacity

cdef inline int reserve(Buffer* b, Py_ssize_t more) except -1:
    cdef Py_ssize_t capacity
    if b.n + more > b.capacity:
        capacity = max(b.capacity * 2, b.n + more, 1 << 16)
        b.p = <char*>realloc(b.p, capacity)
        if b.p == NULL:
            raise MemoryError
        b.capacity = capacity
    return 0

cdef inline void put(Buffer* b, const char* p, Py_ssize_t n) noexcept:
    """Copy into room that was reserved. Nearly all that is copied is short: two halves that overlap need no call."""
    cdef char* to = b.p + b.n
    b.n += n
    if n > 32:
        memcpy(to, p, n)
    elif n >= 16:
        memcpy(to, p, 16)
        memcpy(to + n - 16, p + n - 16, 16)
    elif n >= 8:
        memcpy(to, p, 8)
        memcpy(to + n - 8, p + n - 8, 8)
    elif n >= 4:
        memcpy(to, p, 4)
        memcpy(to + n - 4, p + n - 4, 4)
    else:
        for i in range(n):
            to[i] = p[i]

cdef inline void put_text(Buffer* b, Text t) noexcept:
    put(b, t.p, t.n)

cdef inline void put_char(Buffer* b, char c) noexcept:
    b.p[b.n] = c
    b.n += 1

cdef inline void put_integer(Buffer* b, int64_t value) noexcept:
    cdef char digits[20]
    cdef int n = 20
    cdef uint64_t rest
    if value < 0:
        put_char(b, c'-')
        rest = <uint64_t>(-(value + 1)) + 1
    else:
        rest = <uint64_t>value
    while True:
        n -= 1
        digits[n] = <char>(c'0' + rest % 10)
        rest //= 10
        if rest == 0:
            break
    put(b, digits + n, 20 - n)

cdef inline uint64_t hash_of(const char* p, int n) noexcept:
    cdef uint64_t h = 0x9E3779B97F4A7C15ULL ^ <uint64_t>n
    cdef uint64_t word
    while n >= 8:
        memcpy(&word, p, 8)
        h = (h ^ word) * 0xFF51AFD7ED558CCDULL
        h ^= h >> 32
        p += 8
        n -= 8
    word = 0
    memcpy(&word, p, n)
    h = (h ^ word) * 0xFF51AFD7ED558CCDULL
    return h ^ (h >> 29)

cdef inline bint is_digit(char c) noexcept:
    return c'0' <= c <= c'9'

cdef inline bint is_integer(const Value* v) noexcept:
    """-?(0|[1-9][0-9]*), at most 18 digits, and no -0."""
    cdef const char* p = v.p
    cdef int n = v.n
    if n and p[0] == c'-':
        p += 1
        n -= 1
        if n and p[0] == c'0':
            return False
    if n == 0 or n > 18 or (p[0] == c'0' and n > 1):
        return False
    for i in range(n):
        if not is_digit(p[i]):
            return False
    return True

cdef inline int64_t integer_of(const Value* v) noexcept:
    cdef int64_t value = 0
    cdef int i = 1 if v.p[0] == c'-' else 0
    for i in range(i, v.n):
        value = value * 10 + (v.p[i] - c'0')
    return -value if v.p[0] == c'-' else value

cdef inline bint is_decimal(const Value* v) noexcept:
    """-?(0|[1-9][0-9]*)(\\.[0-9]+)?: an exponent has to be written out, which is not done here."""
    cdef const char* p = v.p
    cdef const char* end = p + v.n
    if v.kind == NUMBER:
        return True            # its grammar was checked as it was read
    if v.kind != STRING:
        return False
    if p < end and p[0] == c'-':
        p += 1
    if p == end or not is_digit(p[0]):
        return False
    if p[0] == c'0':
        p += 1
    else:
        while p < end and is_digit(p[0]):
            p += 1
    if p == end:
        return True
    if p[0] != c'.':
        return False
    p += 1
    if p == end:
        return False
    while p < end and is_digit(p[0]):
        p += 1
    return p == end

cdef inline int two_digits(const char* p) noexcept:
    if not (is_digit(p[0]) and is_digit(p[1])):
        return -1
    return (p[0] - c'0') * 10 + (p[1] - c'0')

cdef inline int64_t iso_ns(const char* p, int n) noexcept:
    """RFC 3339 in UTC, up to nine decimals of a second; 0 where it is none (or 1970-01-01T00:00:00Z, which is null)."""
    cdef int year, month, day, hour, minute, second, century, low, last, digits = 0
    cdef int64_t days, fraction = 0
    if n < 20 or p[4] != c'-' or p[7] != c'-' or p[10] != c'T' or p[13] != c':' or p[16] != c':' or p[n - 1] != c'Z':
        return 0
    century, low = two_digits(p), two_digits(p + 2)
    month, day, hour = two_digits(p + 5), two_digits(p + 8), two_digits(p + 11)
    minute, second = two_digits(p + 14), two_digits(p + 17)
    year = century * 100 + low
    if century < 0 or low < 0 or not 1970 <= year <= 2261 or not 1 <= month <= 12 or day < 1:
        return 0
    last = 31 - (month - 1) % 7 % 2
    if month == 2:
        last = 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    if day > last or not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59:
        return 0
    if n > 20:
        if p[19] != c'.' or n < 22 or n > 30:
            return 0
        for i in range(20, n - 1):
            if not is_digit(p[i]):
                return 0
            fraction = fraction * 10 + (p[i] - c'0')
            digits += 1
        while digits < 9:
            fraction *= 10
            digits += 1
    # Days since the epoch; the year begins in March so that the leap day comes last.
    if month <= 2:
        year -= 1
        month += 12
    days = 365 * <int64_t>year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
    return ((days * 24 + hour) * 60 + minute) * 60 * 1000000000LL + second * 1000000000LL + fraction

cdef inline int64_t time_ns_of(const Value* v, bint* sound) noexcept:
    """ms, or µs from 15 digits, or RFC 3339 → ns; 0 is null. Unsound: declined, the plain engine knows."""
    cdef int64_t value
    sound[0] = True
    if v.kind != STRING and v.kind != NUMBER:
        sound[0] = False
        return 0
    if v.n >= 20 and v.kind == STRING:
        value = iso_ns(v.p, v.n)
        sound[0] = value != 0
        return value
    if v.n > 16 or not is_integer(v) or v.p[0] == c'-':
        sound[0] = False
        return 0
    value = integer_of(v)
    if value > (9000000000000000LL if v.n >= 15 else 9000000000000LL):
        sound[0] = False
        return 0
    return value * 1000 if v.n >= 15 else value * 1000000
