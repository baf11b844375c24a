"""One side of a book: its levels in order, the best last, so that changes near it move little."""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport realloc
from libc.string cimport memmove

from marketfeed_shard.books._decimals cimport DIGITS, POWER, Decimal, decimal_of, measure
from marketfeed_shard.kernel._walk cimport Pair

cdef enum:
    NEAR = 8           # levels that are looked at one by one before the rest is halved
    FEWEST = 32

cdef struct Level:
    int64_t worth      # price × 10^scale, of asks negated: the best is the greatest
    int64_t size       # its digits
    uint8_t price_decimals
    uint8_t size_decimals

cdef struct Side:
    int sign           # 1 bids, -1 asks
    Level* level
    int count
    int capacity

cdef inline bint fit(Pair* pair, int count, int* digits, int* scale) noexcept:
    """Whether levels fit 64 bits beside those whose greatest and finest prices are given; these grow by them."""
    cdef int whole, decimals
    for i in range(count):
        if not measure(&pair[i].size, &whole, &decimals) or not measure(&pair[i].price, &whole, &decimals):
            return False
        digits[0] = max(digits[0], whole)
        scale[0] = max(scale[0], decimals)
    return digits[0] + scale[0] <= DIGITS

cdef inline void refine(Side* s, int64_t power) noexcept:
    """A finer price came: all are told in its unit."""
    for i in range(s.count):
        s.level[i].worth *= power

cdef inline int reserve_levels(Side* s, int count) except -1:
    cdef int capacity
    cdef Level* level
    if count > s.capacity:
        capacity = max(max(count, 2 * s.capacity), FEWEST)
        level = <Level*>realloc(s.level, capacity * sizeof(Level))
        if level == NULL:
            raise MemoryError
        s.level, s.capacity = level, capacity
    return 0

cdef inline int place_of(Side* s, int64_t worth) noexcept:
    """The first place whose level is worth at least as much."""
    cdef int high = s.count
    cdef int low = 0
    cdef int middle
    for i in range(NEAR):
        if high == 0 or s.level[high - 1].worth < worth:
            return high
        high -= 1
    while low < high:
        middle = (low + high) >> 1
        if s.level[middle].worth < worth:
            low = middle + 1
        else:
            high = middle
    return low

cdef inline void set_level(Level* level, int64_t worth, Decimal price, Decimal size) noexcept:
    level.worth, level.size = worth, size.digits
    level.price_decimals, level.size_decimals = price.decimals, size.decimals

cdef inline bint put_in_order(Side* s, Pair* pair, int count, int scale) except -1:
    """Fill an empty side from the end, as long as each level is worth less than the one before; else it stays empty."""
    cdef Decimal price, size
    cdef int64_t worth, before = 0
    reserve_levels(s, count)
    for i in range(count):
        price, size = decimal_of(&pair[i].price), decimal_of(&pair[i].size)
        worth = price.digits * POWER[scale - price.decimals] * s.sign
        if size.digits == 0 or (i and worth >= before):
            return False
        before = worth
        set_level(&s.level[count - 1 - i], worth, price, size)
    s.count = count
    return True

cdef inline int put_levels(Side* s, Pair* pair, int count, int scale) except -1:
    """Each in its turn; those of a snapshot come from the best on, which is from the end."""
    cdef Decimal price, size
    cdef Level* level
    cdef int64_t worth
    cdef int at
    if s.count == 0 and count > 1 and put_in_order(s, pair, count, scale):
        return 0
    for i in range(count):
        price, size = decimal_of(&pair[i].price), decimal_of(&pair[i].size)
        worth = price.digits * POWER[scale - price.decimals] * s.sign
        at = place_of(s, worth)
        if at < s.count and s.level[at].worth == worth:
            level = &s.level[at]
            if size.digits == 0:
                memmove(level, level + 1, (s.count - at - 1) * sizeof(Level))
                s.count -= 1
                continue
        elif size.digits == 0:
            continue
        else:
            reserve_levels(s, s.count + 1)
            level = &s.level[at]
            memmove(level + 1, level, (s.count - at) * sizeof(Level))
            s.count += 1
        set_level(level, worth, price, size)
    return 0

cdef inline void cut(Side* s, int depth) noexcept:
    cdef int surplus = s.count - depth
    if surplus > 0:
        memmove(s.level, s.level + surplus, depth * sizeof(Level))
        s.count = depth

cdef inline int64_t digits_of(Side* s, Level* level, int scale) noexcept:
    """The digits of a level's price, as it was told."""
    return s.sign * level.worth // POWER[scale - level.price_decimals]
