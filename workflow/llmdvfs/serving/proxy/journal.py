"""Keeps the proxy's stamps of each request, one line a request."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.store import read_lines


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
    """Appends finished records to a file; each is written before the next is taken."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab", buffering=0)

    def write(self, stamps: Stamps) -> None:
        """Append one record."""
        self._file.write(orjson.dumps(stamps) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def proxy_records(path: Path, request_ids: Collection[str]) -> list[ProxyRecord]:
    """Return the records of some requests, in the order in which they ended."""
    wanted = set(request_ids)
    return [record for record in read_lines(path, ProxyRecord) if record.request_id in wanted]
