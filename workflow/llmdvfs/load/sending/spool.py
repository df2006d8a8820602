"""Keeps finished exchanges until the loop has time to write them to the journal."""

from collections import deque

from llmdvfs.clock import NS_PER_S
from llmdvfs.load.sending.journal import JournalWriter
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.outcome import request_record

MAX_HELD_READS = 50_000  # about 20 MB; a short run writes nothing before its end


class Spool:
    """Holds finished exchanges in memory, and writes one at a time where they have become many."""

    def __init__(self, journal: JournalWriter | None, max_held_reads: int = MAX_HELD_READS) -> None:
        """Make an empty spool.

        journal: None drops every exchange. max_held_reads: number of reads held beyond which exchanges are written.
        """
        self._journal = journal
        self._max_held_reads = max_held_reads
        self._held: deque[Exchange] = deque()
        self._held_reads = 0
        self.num_reads = 0
        self.num_bytes = 0
        self.num_written = 0

    def add(self, exchange: Exchange) -> None:
        """Take a finished exchange, or drop it where there is no journal."""
        if self._journal is not None:
            self._held.append(exchange)
            self._held_reads += len(exchange.reads)

    def write_some(self) -> bool:
        """Write one exchange, or a share of a long queue, where too much is held; return whether that was so."""
        is_much = self._held_reads > self._max_held_reads
        if is_much:
            for _ in range(1 + len(self._held) // 100):
                self._write_one()
        return is_much

    def write_all(self) -> None:
        """Write all that is left, when the load is over."""
        while self._held:
            self._write_one()

    def _write_one(self) -> None:
        assert self._journal is not None
        exchange = self._held.popleft()
        self._held_reads -= len(exchange.reads)
        self._journal.write(exchange)
        self.num_written += 1
        self.num_reads += len(exchange.reads)
        self.num_bytes += sum(len(data) for _, data in exchange.reads)


class WarmupSpool(Spool):
    """Drops the exchanges of a warm-up, and keeps how long each waited for its first token."""

    def __init__(self) -> None:
        """Make an empty spool."""
        super().__init__(None)
        self.first_token_s: list[float] = []

    def add(self, exchange: Exchange) -> None:
        """Take a finished exchange."""
        record = request_record(exchange)
        if record.sent_mono_ns is not None and record.chunk_mono_ns:
            self.first_token_s.append((record.chunk_mono_ns[0] - record.sent_mono_ns) / NS_PER_S)
