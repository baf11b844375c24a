# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""`framing.py`, compiled: the same bytes, and no Python object an event."""

from cpython cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libc.string cimport memcpy

cdef enum:
    SLOT = 0
    START = 1
    END = 2
    WIDTH = 5


cdef inline int _digits(Py_ssize_t value) noexcept:
    cdef int n = 1
    while value >= 10:
        value //= 10
        n += 1
    return n


cdef inline char* _decimal(char* to, Py_ssize_t value, int digits) noexcept:
    cdef int i
    for i in range(digits - 1, -1, -1):
        to[i] = <char>(48 + value % 10)
        value //= 10
    return to + digits


cdef inline int _varint_size(Py_ssize_t value) noexcept:
    cdef int n = 1
    while value >= 128:
        value >>= 7
        n += 1
    return n


cdef inline char* _varint(char* to, Py_ssize_t value) noexcept:
    while value >= 128:
        to[0] = <char>((value & 127) | 128)
        to += 1
        value >>= 7
    to[0] = <char>value
    return to + 1


cdef int _check(Py_ssize_t size, int64_t* row) except -1:
    if row[START] < 0 or row[END] < row[START] or row[END] > size or row[SLOT] < 0:
        raise ValueError("a batch's index lies outside of its data")
    return 0


def resp(bytes data, array.array index, list prefixes):
    cdef Py_ssize_t rows = len(index) // WIDTH
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t slots = PyList_GET_SIZE(prefixes)
    cdef Py_ssize_t total = 0, i, n
    cdef int64_t* row = <int64_t*>index.data.as_voidptr
    cdef const char* source = PyBytes_AS_STRING(data)
    cdef object prefix
    cdef char* to
    for i in range(rows):
        _check(size, row)
        if row[SLOT] >= slots:
            raise ValueError("a batch names a slot without a stream")
        n = row[END] - row[START]
        total += PyBytes_GET_SIZE(<bytes>PyList_GET_ITEM(prefixes, row[SLOT])) + _digits(n) + n + 4
        row += WIDTH
    framed = PyBytes_FromStringAndSize(NULL, total)
    to = PyBytes_AS_STRING(framed)
    row = <int64_t*>index.data.as_voidptr
    for i in range(rows):
        prefix = <object>PyList_GET_ITEM(prefixes, row[SLOT])
        n = PyBytes_GET_SIZE(prefix)
        memcpy(to, PyBytes_AS_STRING(prefix), n)
        to += n
        n = row[END] - row[START]
        to = _decimal(to, n, _digits(n))
        memcpy(to, b"\r\n", 2)
        memcpy(to + 2, source + row[START], n)
        memcpy(to + 2 + n, b"\r\n", 2)
        to += n + 4
        row += WIDTH
    return framed


def protobuf(bytes data, array.array index, bytes mask):
    cdef Py_ssize_t rows = len(index) // WIDTH
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t slots = PyBytes_GET_SIZE(mask)
    cdef Py_ssize_t total = 0, count = 0, i, n
    cdef int64_t* row = <int64_t*>index.data.as_voidptr
    cdef const char* source = PyBytes_AS_STRING(data)
    cdef const char* wanted = PyBytes_AS_STRING(mask)
    cdef char* to
    for i in range(rows):
        _check(size, row)
        if row[SLOT] >= slots:
            raise ValueError("a batch names a slot without a stream")
        if wanted[row[SLOT]]:
            n = row[END] - row[START]
            total += 1 + _varint_size(n) + n
            count += 1
        row += WIDTH
    framed = PyBytes_FromStringAndSize(NULL, total)
    to = PyBytes_AS_STRING(framed)
    row = <int64_t*>index.data.as_voidptr
    for i in range(rows):
        if wanted[row[SLOT]]:
            n = row[END] - row[START]
            to[0] = 10  # field 1, length-delimited
            to = _varint(to + 1, n)
            memcpy(to, source + row[START], n)
            to += n
        row += WIDTH
    return framed, count
