from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    ENCODING_JSON: _ClassVar[Encoding]
ENCODING_UNSPECIFIED: Encoding
ENCODING_JSON: Encoding

class SubscribeRequest(_message.Message):
    __slots__ = ("exchange", "market", "channels", "symbols", "encoding")
    EXCHANGE_FIELD_NUMBER: _ClassVar[int]
    MARKET_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    exchange: str
    market: str
    channels: _containers.RepeatedScalarFieldContainer[str]
    symbols: _containers.RepeatedScalarFieldContainer[str]
    encoding: Encoding
    def __init__(self, exchange: _Optional[str] = ..., market: _Optional[str] = ..., channels: _Optional[_Iterable[str]] = ..., symbols: _Optional[_Iterable[str]] = ..., encoding: _Optional[_Union[Encoding, str]] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("events", "missed")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedScalarFieldContainer[bytes]
    missed: int
    def __init__(self, events: _Optional[_Iterable[bytes]] = ..., missed: _Optional[int] = ...) -> None: ...
