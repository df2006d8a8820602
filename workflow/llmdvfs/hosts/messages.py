"""What the measuring host and an agent say to each other: lines of JSON over a pipe, one message a line.

Requests, one after the other, and at any time looks, which are answered at once:

here   {"id": 7, "ask": "begin", ...}
there  {"id": 7, "answer": {...}} or {"id": 7, "error": [kind, text]}
here   {"look": asked_ns}
there  {"look": asked_ns, "received": ns, "answered": ns, "state": {...}}

A look is three things in one: a sign of life in both directions, an exchange with the other clock, and news.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from llmdvfs import errors
from llmdvfs.records.route import KvAddresses
from llmdvfs.records.run import InstanceRecord
from llmdvfs.records.spec import Role

LOOK_INTERVAL_S = 0.1
SILENCE_LIMIT_S = 5.0
"""Without a sign of life for so long the other side counts as lost, on both sides."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server, as the agent of its host sees it."""

    pid: int | None = None
    exit_code: int | None = None
    engine_failed: bool = False
    is_dead: bool = False
    cause: str = ""
    """Why it is dead."""
    last_words: str = ""
    """Last line of its log, while it starts."""


@dataclass(frozen=True, slots=True)
class AgentState:
    """What an agent tells with every look."""

    servers: dict[str, ServerState] = field(default_factory=dict)
    sampler: str | None = None
    """Why the sampler has ended; None: it runs, or was not asked for."""
    silent_s: dict[str, float] = field(default_factory=dict)
    """Host -> for how long nothing has been heard from it over the network."""


@dataclass(frozen=True, slots=True)
class StartedInstance:
    """An instance that an agent has started; the rest of it is seen by looks."""

    name: str
    role: Role
    base_url: str
    argv: tuple[str, ...]
    env: dict[str, str]
    gpu_indices: tuple[int, ...]
    kv: KvAddresses | None


@dataclass(frozen=True, slots=True)
class Started:
    """Answer to `begin`."""

    instances: tuple[StartedInstance, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Answer to `records`."""

    instances: tuple[InstanceRecord, ...]


def line_of(message: dict[str, Any]) -> bytes:
    """Return a message as one line, with its end."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)


def state_of(told: dict[str, Any]) -> AgentState:
    """Return the state in a look's answer; MISREAD where it is none."""
    servers = {name: ServerState(**state) for name, state in told["servers"].items()}
    return AgentState(servers, told["sampler"], told["silent_s"])


def told_error(error: errors.LlmDvfsError | OSError) -> list[str]:
    """Return an error as [kind, text]."""
    if isinstance(error, OSError):
        return ["LlmDvfsError", errors.told_of(error)]
    return [type(error).__name__, errors.in_full(error)]


def error_of(told: list[str], host: str) -> errors.LlmDvfsError:
    """Return the error that an agent told, of the same kind where it is one of the tree, with the host's name."""
    kind = getattr(errors, told[0], None)
    if not (isinstance(kind, type) and issubclass(kind, errors.LlmDvfsError)):
        kind = errors.LlmDvfsError
    return kind(f"host {host}: {told[1]}")
