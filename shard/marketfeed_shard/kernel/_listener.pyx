"""What one socket delivers, straight to the engine: the frames that picows calls for, or messages handed over one by one."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec

from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from marketfeed_shard.kernel._engine cimport DELIVERED, LOOKED_AT, Engine

cdef extern from *:
    """
    #ifndef MARKETFEED_PICOWS
    #define MARKETFEED_PICOWS "unknown"
    #endif
    """
    const char* MARKETFEED_PICOWS

BUILT_FOR_PICOWS = MARKETFEED_PICOWS.decode()
"""Version of picows whose class layout is compiled in: its minor version has to be the one at run time."""


cdef class Reader:
    """The messages of one socket: they go to the engine, and which streams they are of is kept."""

    cdef:
        Engine _engine
        readonly int connection
        readonly long long messages
        readonly long long last_message_ns   # receipt of the last data message, or 0
        uint8_t* _seen
        Py_ssize_t _slots

    def __init__(self, Engine engine, int connection, Py_ssize_t slots):
        self._engine = engine
        self.connection = connection
        self.grow(slots)

    def __dealloc__(self):
        free(self._seen)

    def grow(self, Py_ssize_t slots):
        """Make room for streams that are new: to be called before their first frame."""
        if slots <= self._slots:
            return
        cdef uint8_t* seen = <uint8_t*>realloc(self._seen, slots)
        if seen == NULL:
            raise MemoryError
        self._seen = seen
        memset(self._seen + self._slots, 0, slots - self._slots)
        self._slots = slots

    def saw(self, Py_ssize_t slot):
        """Whether this socket has delivered data of a stream."""
        return slot < self._slots and self._seen[slot] != 0

    def fresh(self):
        """The streams that delivered here since this was last asked."""
        cdef Py_ssize_t slot
        cdef list slots = []
        for slot in range(self._slots):
            if self._seen[slot] == DELIVERED:
                self._seen[slot] = LOOKED_AT
                slots.append(slot)
        return slots

    def mark(self, Py_ssize_t slot):
        """Data of a stream came through the plain engine."""
        if slot < self._slots:
            self._seen[slot] = DELIVERED

    def count(self, long long received_ns):
        """A data message came through the plain engine."""
        self.messages += 1
        self.last_message_ns = received_ns

    def begin(self, long long received_ns):
        """A new socket read: to be called before its first message."""
        self._engine.begin(received_ns)

    def feed(self, bytes message):
        """A message of this read: True if the engine took it, False if it is for the plain one."""
        return self._take(PyBytes_AS_STRING(message), PyBytes_GET_SIZE(message))

    cdef bint _take(self, const char* p, Py_ssize_t n) except -1:
        if not self._engine.take(p, n, self.connection, self._seen, self._slots, -1):
            return False
        self.messages += 1
        self.last_message_ns = self._engine._received_ns
        return True


cdef class Listener(WSListener):
    """What picows calls for each frame. `sink` gets what the engine declines, other frames and the end of each socket read."""

    cdef:
        Reader _reader
        object _sink
        bint _reading

    def __init__(self, Reader reader, sink):
        self._reader = reader
        self._sink = sink

    cpdef on_ws_connected(self, WSTransport transport):
        self._sink.connected(transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self._sink.disconnected(transport)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef timespec now
        if not self._reading:
            self._reading = True
            clock_gettime(CLOCK_REALTIME, &now)
            self._reader._engine.begin(<int64_t>now.tv_sec * 1000000000 + now.tv_nsec)
        if frame.msg_type == WSMsgType.TEXT and frame.fin:
            if not self._reader._take(frame.payload_ptr, frame.payload_size):
                self._sink.declined(frame.get_payload_as_bytes(), self._reader._engine._received_ns)
        else:
            self._sink.other(frame, self._reader._engine._received_ns)
        if frame.last_in_buffer:
            self._reading = False
            self._sink.flush()
