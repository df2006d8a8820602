"""Keeps the proxy's stamps of each request, one line a request."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.store import read_lines

WRITE_AFTER_S = 0.2  # with 0.02 a single stream's write met prefill's answer to its next request
AT_ONCE, REST_S = 8, 0.001
"""All at once were 0.2 to 0.4 ms with 256 streams (75 records), as long as 14 tokens and more, and mostly among the
tokens of an engine's step: an end sets the timer, and steps come at even times."""


@dataclass(slots=True)
class Stamps:
    """A proxy record while it is being made, with the same fields (records/proxy.py)."""

    request_id: str
    received_mono_ns: int
    prefill_instance: str | None = None
    prefill_sent_mono_ns: int | None = None
    prefill_done_mono_ns: int | None = None
    decode_instance: str | None = None
    decode_sent_mono_ns: int | None = None
    headers_mono_ns: int | None = None
    first_byte_mono_ns: int | None = None
    last_byte_mono_ns: int | None = None
    status: int | None = None
    error: str | None = None


class Journal:
    """Appends finished records to a file, WRITE_AFTER_S after the first of them ended, AT_ONCE and then a rest.

    Answers end together, and the requests that follow them come at that instant: a write for each would be waiting
    time for all of these.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._ended: list[Stamps] = []

    def write(self, stamps: Stamps) -> None:
        """Take one record, inside an event loop."""
        if not self._ended:
            asyncio.get_running_loop().call_later(WRITE_AFTER_S, self._write_some)
        self._ended.append(stamps)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._append(self._ended)
        self._ended.clear()
        self._file.close()

    def _write_some(self) -> None:
        if not self._ended:  # the journal was closed meanwhile
            return
        self._append(self._ended[:AT_ONCE])
        del self._ended[:AT_ONCE]
        if self._ended:
            asyncio.get_running_loop().call_later(REST_S, self._write_some)

    def _append(self, records: list[Stamps]) -> None:
        self._file.write(b"".join(orjson.dumps(record) + b"\n" for record in records))


def proxy_records(path: Path, request_ids: Collection[str]) -> list[ProxyRecord]:
    """Return the records of some requests, in the order in which they ended."""
    wanted = set(request_ids)
    return [record for record in read_lines(path, ProxyRecord) if record.request_id in wanted]
