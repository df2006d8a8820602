"""The raw journal: every read of every measured request, from which all figures can be computed again.

`journal.bin` is one line `llmdvfs/journal 1`, then one frame a request in the order of their ends: two little-endian
32-bit lengths, a JSON header of the first length, and the bytes read of the second. The header's `reads` are
[instant, number of bytes] in the order of reading.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import orjson

from llmdvfs.errors import DataError, SchemaError
from llmdvfs.load.wire.exchange import Exchange, Hops
from llmdvfs.records.api_key import redacted

MAGIC = b"llmdvfs/journal 1\n"
_LENGTHS = struct.Struct("<II")
_FIELDS = (
    "index",
    "request_id",
    "wave",
    "num_prompt_tokens",
    "num_output_tokens",
    "scheduled_mono_ns",
    "sent_mono_ns",
    "end_mono_ns",
    "failure",
    "cause",
)


class JournalWriter:
    """Appends exchanges to a journal.

    An API key that an endpoint repeats is overwritten before it is kept.
    """

    def __init__(self, path: Path, api_key: str | None = None) -> None:
        self._path = path
        self._api_key = api_key
        self._file = path.open("wb")
        self._file.write(MAGIC)
        self._file.flush()  # a load that is killed leaves a journal that can be read as far as it goes

    def __enter__(self) -> "JournalWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, exchange: Exchange) -> None:
        """Append one finished exchange; it survives the death of this process."""
        fields: dict[str, object] = {name: getattr(exchange, name) for name in _FIELDS}
        if exchange.hops is not None:
            fields["hops"] = exchange.hops
        header = orjson.dumps(fields | {"reads": [(instant, len(data)) for instant, data in exchange.reads]})
        body = redacted(b"".join([data for _, data in exchange.reads]), self._api_key)
        try:
            self._file.write(b"".join((_LENGTHS.pack(len(header), len(body)), header, body)))
            self._file.flush()
        except OSError as error:
            raise DataError(f"{self._path} cannot be written: {error.strerror}; free some space") from error


def read_journal(path: Path) -> Iterator[Exchange]:
    """Yield the exchanges of a journal, one in memory at a time; SchemaError where it is none or was cut off."""
    if not path.is_file():
        raise SchemaError(f"{path}: no such file; expected the journal of a load")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise SchemaError(
                f"{path}: does not begin with {MAGIC!r}; expected a journal of this version's load generator"
            )
        while lengths := file.read(_LENGTHS.size):
            try:
                header_length, body_length = _LENGTHS.unpack(lengths)
                header, body = orjson.loads(file.read(header_length)), file.read(body_length)
            except (struct.error, ValueError) as error:
                raise SchemaError(f"{path}: cut off in a frame ({error}); the load was ended before its end") from error
            reads, begin = [], 0
            for instant, length in header.pop("reads"):
                reads.append((instant, body[begin : begin + length]))
                begin += length
            if begin != len(body):
                raise SchemaError(
                    f"{path}: {len(body)} bytes in a frame, expected {begin}; the load was ended before its end"
                )
            hops = header.pop("hops", None)
            yield Exchange(**header, reads=reads, hops=None if hops is None else Hops(**hops))
