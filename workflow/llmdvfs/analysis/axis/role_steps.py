"""Finds the steps of every role's engine from the stamps of client and proxy, or says why they cannot be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmdvfs.analysis.axis.engine_steps import engine_steps, stamp_error_ns
from llmdvfs.analysis.axis.moves import Stream, moves_of
from llmdvfs.analysis.axis.phases import decode_step_ns
from llmdvfs.analysis.step_sizes import StepSizes
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.phases import EngineSteps
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.spec import Role

MOST_TOKENS_A_CHUNK = 1.2  # on average: above it a chunk holds several steps, and streams no longer move together


@dataclass(frozen=True, slots=True)
class RoleSteps:
    """The steps of all roles, sorted by role and time."""

    steps: tuple[EngineSteps, ...]
    untold: dict[str, str]
    """Role -> why its steps cannot be told."""
    stamp_error_s: dict[str, float]
    """Role -> mean delay of a stamp behind its step."""


def role_steps(
    requests: Sequence[RequestRecord],
    proxy: Mapping[str, ProxyRecord],
    num_instances: Mapping[Role, int],
    *,
    started_mono_ns: int,
    sizes: Mapping[Role, StepSizes | None] | None = None,
    num_warmup_requests: int = 0,
) -> RoleSteps:
    """Return the steps of each role whose steps can be told, and for the others why not.

    proxy: stamps by request id. num_instances: of each role that serves. sizes: what its engine says of its steps, of
    those of the warm-up too; None: it says nothing.
    """
    steps: list[EngineSteps] = []
    untold: dict[str, str] = {}
    errors_s: dict[str, float] = {}
    for role, count in num_instances.items():
        if count > 1:
            untold[role] = f"steps of {count} instances cannot be told apart by a role's streams"
        elif role != "prefill" and (tokens := _tokens_a_chunk(requests)) > MOST_TOKENS_A_CHUNK:
            untold[role] = f"a chunk holds {tokens:.1f} tokens: several steps"
        else:
            streams = (
                _undivided(requests)
                if role == "single"
                else _prefilled(requests, proxy)
                if role == "prefill"
                else _decoded(requests, proxy)
            )
            moves = moves_of(streams)
            steps += engine_steps(
                moves,
                role,
                started_mono_ns=started_mono_ns,
                sizes=None if sizes is None else sizes.get(role),
                num_warmup_requests=num_warmup_requests,
            )
            errors_s[role] = stamp_error_ns(moves) / NS_PER_S
    return RoleSteps(tuple(steps), untold, errors_s)


def _undivided(requests: Sequence[RequestRecord]) -> list[Stream]:
    """Return the requests as an engine has them that prefills and decodes."""
    return [
        Stream(request.sent_mono_ns, moved_ns, request.num_prompt_tokens or request.num_prompt_tokens_requested or 1)
        for request in requests
        if request.sent_mono_ns is not None and (moved_ns := request.chunk_mono_ns or _left_at(request))
    ]


def _left_at(request: RequestRecord) -> tuple[int, ...]:
    """Return when a client left that had no token yet, as its prefill ended about then; empty where none left so."""
    return (request.end_mono_ns,) if request.outcome == "disconnected" and request.end_mono_ns else ()


def _prefilled(requests: Sequence[RequestRecord], proxy: Mapping[str, ProxyRecord]) -> list[Stream]:
    """Return the requests as a prefill engine has them: they move once, when their prefill is answered."""
    found = []
    for request in requests:
        stamps = proxy.get(request.request_id)
        if stamps and stamps.prefill_sent_mono_ns is not None and stamps.prefill_done_mono_ns is not None:
            tokens = request.num_prompt_tokens or request.num_prompt_tokens_requested or 1
            found.append(Stream(stamps.prefill_sent_mono_ns, (stamps.prefill_done_mono_ns,), tokens))
    return found


def _decoded(requests: Sequence[RequestRecord], proxy: Mapping[str, ProxyRecord]) -> list[Stream]:
    """Return the requests as a decode engine has them: the first token, too, is computed there by a decode step."""
    step_ns = decode_step_ns(requests)
    found = []
    for request in requests:
        stamps = proxy.get(request.request_id)
        if stamps and stamps.prefill_done_mono_ns is not None and request.chunk_mono_ns:
            arrival_ns = max(stamps.prefill_done_mono_ns, request.chunk_mono_ns[0] - step_ns)
            found.append(Stream(arrival_ns, request.chunk_mono_ns, 0))
    return found


def _tokens_a_chunk(requests: Sequence[RequestRecord]) -> float:
    chunks = sum(len(request.chunk_num_tokens) for request in requests)
    return sum(sum(request.chunk_num_tokens) for request in requests) / chunks if chunks else 1.0
