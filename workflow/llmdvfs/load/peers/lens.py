"""Shows one run as other benchmarks define its numbers, from the raw journal (docs/metrics.md#latency).

Definitions differ in which chunk ends the TTFT, what a gap is, and what counts as a success. All of them start here at
the instant of the send: the others start before their connection exists, which is an error of theirs, no definition.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

from llmdvfs.clock import NS_PER_S
from llmdvfs.load.schedule.tokens import token_counter
from llmdvfs.load.sending.journal import read_journal
from llmdvfs.load.wire.completion import read_completion
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.load.wire.outcome import CountTokens, request_record
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.raw import check_sealed
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.store import read_record

JOURNAL, LOAD_SPEC = "journal.bin", "load_spec.json"


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One sent request, with everything in which the definitions differ."""

    record: RequestRecord
    sent_mono_ns: int
    end_mono_ns: int
    """End of the stream, or of the attempt where there was none."""
    choice_mono_ns: tuple[int, ...]
    """Instants of the chunks that have a choice in them, even an empty one."""
    content_mono_ns: tuple[int, ...]
    """Instants of the chunks that have text in them."""
    is_transport_ok: bool
    """Whether the status was 200 and the connection held to the end of the answer."""
    has_error_event: bool
    text: str

    @property
    def num_output_tokens(self) -> int:
        """Number of output tokens; 0 where nobody can tell, as the other benchmarks have it."""
        return self.record.num_output_tokens or 0

    @property
    def num_prompt_tokens(self) -> int:
        """Number of prompt tokens by the server's count, else as asked for; 0 where nobody can tell."""
        return self.record.num_prompt_tokens or self.record.num_prompt_tokens_requested or 0


@dataclass(slots=True)
class LensNumbers:
    """A run's values by one benchmark's definitions, one a request or a gap, not yet summarised."""

    ttft_s: list[float] = field(default_factory=list)
    tpot_s: list[float] = field(default_factory=list)
    itl_s: list[float] = field(default_factory=list)
    e2e_s: list[float] = field(default_factory=list)
    num_output_tokens: int = 0
    percentile_method: Literal["linear", "inverted_cdf"] = "linear"
    """How that benchmark takes percentiles, in numpy's words: interpolated, or one of the values themselves."""

    @property
    def num_successes(self) -> int:
        """Number of requests that the definitions count as successful."""
        return len(self.ttft_s)


def read_load(folder: Path) -> tuple[LoadSpec, list[SeenRequest]]:
    """Return what a load was told, and its sent requests; SchemaError where a file is not as it was recorded."""
    check_sealed(folder, (LOAD_SPEC, JOURNAL))
    spec = read_record(folder / LOAD_SPEC, LoadSpec)
    tokenizer_folder = Path(spec.tokenizer_folder) if spec.tokenizer_folder else None
    return spec, read_seen(folder / JOURNAL, token_counter(tokenizer_folder))


def read_seen(journal: Path, count_tokens: CountTokens | None = None) -> list[SeenRequest]:
    """Return the sent requests of a journal in the order of the plan."""
    seen = (_seen(exchange, count_tokens) for exchange in read_journal(journal) if exchange.sent_mono_ns is not None)
    return sorted(seen, key=lambda request: request.record.index)


def numbers(requests: Iterable[SeenRequest], lens: str) -> LensNumbers:
    """Return the values of a run as the named benchmark (a key of LENSES) defines them."""
    result = LensNumbers()
    for request in requests:
        LENSES[lens](request, result)
    return result


def _llmdvfs(request: SeenRequest, result: LensNumbers) -> None:
    if request.record.ok:
        _add(request, request.record.chunk_mono_ns, result)
        gaps = zip(gaps_s(request.record.chunk_mono_ns), request.record.chunk_num_tokens[1:], strict=True)
        result.itl_s += [gap_s / num_tokens for gap_s, num_tokens in gaps for _ in range(num_tokens)]


def _vllm(request: SeenRequest, result: LensNumbers) -> None:
    if request.is_transport_ok and request.choice_mono_ns:
        _add(request, request.choice_mono_ns, result)
        result.itl_s += gaps_s(request.choice_mono_ns)


def _aiperf(request: SeenRequest, result: LensNumbers) -> None:
    if request.is_transport_ok and request.content_mono_ns:
        _add(request, request.content_mono_ns, result)
        result.itl_s += result.tpot_s[-1:] if request.num_output_tokens > 1 else []


def _guidellm(request: SeenRequest, result: LensNumbers) -> None:
    """Add a request as guidellm 0.8 does: its means of a token stand in the distributions once for each token."""
    result.percentile_method = "inverted_cdf"
    if not request.is_transport_ok or not request.content_mono_ns or request.has_error_event:
        return
    num_tokens = request.num_output_tokens
    first_s, last_s, end_s = (
        (instant - request.sent_mono_ns) / NS_PER_S
        for instant in (request.content_mono_ns[0], request.content_mono_ns[-1], request.end_mono_ns)
    )
    result.ttft_s.append(first_s)
    result.e2e_s.append(end_s)  # to the end of the stream, usage and [DONE] included
    result.num_output_tokens += num_tokens
    result.tpot_s += [last_s / num_tokens for _ in range(num_tokens)]
    result.itl_s += [(last_s - first_s) / (num_tokens - 1) for _ in range(num_tokens - 1)]


def _add(request: SeenRequest, chunk_mono_ns: Sequence[int], result: LensNumbers) -> None:
    """Add what all agree on once the chunks that count are chosen."""
    first_s = (chunk_mono_ns[0] - request.sent_mono_ns) / NS_PER_S
    last_s = (chunk_mono_ns[-1] - request.sent_mono_ns) / NS_PER_S
    result.ttft_s.append(first_s)
    result.e2e_s.append(last_s)
    if request.num_output_tokens > 1:
        result.tpot_s.append((last_s - first_s) / (request.num_output_tokens - 1))
    result.num_output_tokens += request.num_output_tokens


def gaps_s(instants_mono_ns: Sequence[int]) -> list[float]:
    """Return the gaps between neighbouring instants [s], one fewer than there are instants."""
    return [(after - before) / NS_PER_S for before, after in pairwise(instants_mono_ns)]


def _seen(exchange: Exchange, count_tokens: CountTokens | None) -> SeenRequest:
    answer = read_completion(exchange.reads)
    return SeenRequest(
        record=request_record(exchange, count_tokens),
        sent_mono_ns=exchange.sent_mono_ns or 0,
        end_mono_ns=exchange.end_mono_ns or 0,
        choice_mono_ns=tuple(chunk.mono_ns for chunk in answer.chunks),
        content_mono_ns=tuple(chunk.mono_ns for chunk in answer.chunks if chunk.text),
        is_transport_ok=answer.status == 200 and exchange.failure is None,
        has_error_event=answer.error is not None,
        text="".join(chunk.text for chunk in answer.chunks),
    )


LENSES: dict[str, Callable[[SeenRequest, LensNumbers], None]] = {
    "llm-dvfs": _llmdvfs,
    "vllm bench serve": _vllm,
    "aiperf": _aiperf,
    "guidellm": _guidellm,
}
