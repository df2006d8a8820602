"""Phases on the one time axis: `phases.json` (per request) and `timeline.csv` (per telemetry reading).

`t_s` is seconds since the cell's start. timeline.csv has one row per reading: t_s, device_id, role, phase,
num_prefilling, num_transferring, num_decoding, then one column per quantity of records/telemetry.py.
"""

from dataclasses import dataclass, field
from typing import Literal

from llmdvfs.records.result import Window
from llmdvfs.records.spec import DeviceRole, Phase, Role


@dataclass(frozen=True, slots=True)
class PhaseInterval:
    """One phase of one request on the devices of one role."""

    request_index: int
    phase: Phase
    role: Role
    begin_s: float
    end_s: float
    is_bound: bool
    """The interval contains the phase but may be wider (queueing included, say): docs/metrics.md#phases."""


@dataclass(frozen=True, slots=True)
class EngineSteps:
    """One step of a role's engine, or several neighbouring decode steps of one batch told as one."""

    role: Role
    phase: Phase
    begin_s: float
    end_s: float
    num_steps: int
    num_decoding: int
    """Requests that got a token other than their first, in each step."""
    num_prompt_tokens: int
    """Prompt tokens of the requests whose prefill ended here."""
    prompt_waits: bool = False
    """Whether, in decode, a prompt waited all the while though there was room for it: a piece of it may have run in
    these steps."""


@dataclass(frozen=True, slots=True)
class EngineWait:
    """How long a request was on its way before its prefill, on average over a load, by clients' and engine's clocks."""

    mean_s: float
    low_s: float
    """If all that the server took besides, between its arrival and its first token, came after the prefill."""
    high_s: float


@dataclass(frozen=True, slots=True)
class PhasesRecord:
    """All phases of a cell: of its requests, and of the engines that served them."""

    intervals: tuple[PhaseInterval, ...]
    device_roles: dict[str, DeviceRole]
    """Which role each telemetry device computes for; a device that is not in it serves nobody here."""
    load_begin_s: float
    load_end_s: float
    window_begin_s: float
    """Measured window: steady state where one was found, else the whole load (see result.window)."""
    window_end_s: float
    steps: tuple[EngineSteps, ...] = ()
    """What the engines did, step by step; empty for a role of which it cannot be told (steps_untold)."""
    steps_untold: dict[str, str] = field(default_factory=dict)
    """role -> why its engine's steps cannot be told from the streams."""
    stamp_error_s: dict[str, float] = field(default_factory=dict)
    """role -> mean delay of a token's stamp behind its step, as far as streams that move together tell it."""
    clock_untold: dict[str, str] = field(default_factory=dict)
    """role -> why readings of its devices, which are on another host, cannot be told by phase."""
    engine_wait: dict[str, EngineWait] = field(default_factory=dict)
    """role -> how long its requests were on their way before their prefill; absent where it is not told."""
    window_kind: Literal["steady", "whole"] | None = None
    """What the measured window is; None: in a file from before it was kept."""
    window_reason: str = ""
    """How the window was found, or why it is the whole load."""

    @property
    def window(self) -> Window | None:
        """Return the measured window, found once a cell; None in a file from before it was kept whole."""
        if self.window_kind is None:
            return None
        return Window(self.window_begin_s, self.window_end_s, self.window_kind, self.window_reason)


def phase_of(num_prefilling: int, num_transferring: int, num_decoding: int) -> Phase:
    """Return the phase of a device, given how many of its requests are in each phase."""
    if num_prefilling and num_decoding:
        return "mixed"
    if num_prefilling:
        return "prefill"
    if num_decoding:
        return "decode"
    return "transfer" if num_transferring else "idle"
