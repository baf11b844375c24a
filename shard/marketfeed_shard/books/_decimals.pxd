"""Decimals as integers: their digits, and how many of these stand behind the point. The text can be had back exactly."""

from libc.stdint cimport int64_t
from libc.string cimport memchr

from marketfeed_shard.kernel._values cimport Buffer, Value, put_char, put_integer

cdef extern from *:
    """
    static const long long marketfeed_power[] = {
        1LL, 10LL, 100LL, 1000LL, 10000LL, 100000LL, 1000000LL, 10000000LL, 100000000LL, 1000000000LL, 10000000000LL,
        100000000000LL, 1000000000000LL, 10000000000000LL, 100000000000000LL, 1000000000000000LL, 10000000000000000LL,
        100000000000000000LL, 1000000000000000000LL};
    """
    const long long[19] POWER "marketfeed_power"

cdef enum:
    DIGITS = 18        # always fit 64 bits

cdef struct Decimal:
    int64_t digits
    int decimals

cdef inline bint measure(const Value* v, int* whole, int* decimals) noexcept:
    """Digits before and behind the point of a sound decimal; false where it is negative or too long for 64 bits."""
    cdef const char* point = <const char*>memchr(v.p, c'.', v.n)
    whole[0] = v.n if point == NULL else <int>(point - v.p)
    decimals[0] = 0 if point == NULL else v.n - whole[0] - 1
    return v.p[0] != c'-' and whole[0] + decimals[0] <= DIGITS

cdef inline Decimal decimal_of(const Value* v) noexcept:
    """A decimal that was measured."""
    cdef Decimal found
    cdef int i = 0
    found.digits = 0
    found.decimals = 0
    while i < v.n and v.p[i] != c'.':
        found.digits = found.digits * 10 + (v.p[i] - c'0')
        i += 1
    i += 1
    while i < v.n:
        found.digits = found.digits * 10 + (v.p[i] - c'0')
        found.decimals += 1
        i += 1
    return found

cdef inline void put_decimal(Buffer* b, int64_t digits, int decimals) noexcept:
    """The text, into room that was reserved: up to 20 characters."""
    cdef int64_t fraction = digits % POWER[decimals]
    put_integer(b, digits // POWER[decimals])
    if decimals:
        put_char(b, c'.')
        while decimals > 1 and fraction < POWER[decimals - 1]:
            put_char(b, c'0')
            decimals -= 1
        put_integer(b, fraction)

cdef inline void put_digits(Buffer* b, int64_t digits) noexcept:
    """The text without its point and the zeros that lead: nothing for zero."""
    if digits:
        put_integer(b, digits)
