"""What picows calls for each frame: data goes straight to the engine, the rest to Python."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset
from posix.time cimport CLOCK_REALTIME, clock_gettime, timespec

from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from marketfeed_shard.kernel._engine cimport Engine

cdef extern from *:
    """
    #ifndef MARKETFEED_PICOWS
    #define MARKETFEED_PICOWS "unknown"
    #endif
    """
    const char* MARKETFEED_PICOWS

BUILT_FOR_PICOWS = MARKETFEED_PICOWS.decode()
"""Version of picows whose class layout is compiled in: its minor version has to be the one at run time."""


cdef class Listener(WSListener):
    """One connection's frames. `sink` gets what the engine declines, control frames and the end of each socket read."""

    cdef:
        Engine _engine
        object _sink
        readonly int connection
        readonly long long messages
        readonly long long last_message_ns   # receipt of the last data message, or 0
        uint8_t* _seen
        Py_ssize_t _slots
        bint _reading

    def __init__(self, Engine engine, sink, int connection, Py_ssize_t slots):
        self._engine = engine
        self._sink = sink
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
        """Whether this connection has delivered data of a stream."""
        return slot < self._slots and self._seen[slot] != 0

    def mark(self, Py_ssize_t slot):
        """Data of a stream came through the plain engine."""
        if slot < self._slots:
            self._seen[slot] = 1

    def count(self, long long received_ns):
        """A data message came through the plain engine."""
        self.messages += 1
        self.last_message_ns = received_ns

    cpdef on_ws_connected(self, WSTransport transport):
        self._sink.connected(self, transport)

    cpdef on_ws_disconnected(self, WSTransport transport):
        self._sink.disconnected(self, transport)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef timespec now
        if not self._reading:
            self._reading = True
            clock_gettime(CLOCK_REALTIME, &now)
            self._engine.begin(now.tv_sec * 1000000000LL + now.tv_nsec)
        if frame.msg_type == WSMsgType.TEXT and frame.fin:
            if self._engine.take(frame.payload_ptr, frame.payload_size, self.connection, self._seen, self._slots, -1):
                self.messages += 1
                self.last_message_ns = self._engine._received_ns
            else:
                self._sink.declined(self, frame.get_payload_as_bytes(), self._engine._received_ns)
        else:
            self._sink.other(self, transport, frame, self._engine._received_ns)
        if frame.last_in_buffer:
            self._reading = False
            self._sink.flush()
