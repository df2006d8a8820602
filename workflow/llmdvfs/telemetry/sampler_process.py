"""The sampler's own process: `python -m llmdvfs.telemetry.sampler_process`, started by telemetry/sampler.py.

A thread inside a busy client would miss one 10 ms slot in five; a process of its own misses next to none.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Collection, Sequence
from pathlib import Path

from llmdvfs.clock import mono_ns, unix_s
from llmdvfs.errors import LlmDvfsError
from llmdvfs.host.child import PR_SET_PDEATHSIG, process_control
from llmdvfs.records.device_id import gpu_id
from llmdvfs.records.store import write_record
from llmdvfs.records.telemetry import EnergySource, SamplerReport, TelemetryHeader
from llmdvfs.telemetry.device import Cadence, Probe
from llmdvfs.telemetry.discover import discover
from llmdvfs.telemetry.loop import SlotLoop
from llmdvfs.telemetry.writer import TelemetryWriter

SLOW_INTERVAL_S = 0.1  # at least: /proc/stat ticks every 10 ms, and PCIe counters take half a millisecond
PATIENT: dict[Cadence, float] = {"activity": 0.2, "samples": 1.0, "exporter": 1.0, "bmc": 1.0}
"""Cadence -> how often [s]. GPM wants at least 100 ms between two samples; the driver keeps 2.4 s of power samples."""
COUNTER_CALL_S = 3.2e-3  # median of an H100 and an H200; up to 16 ms
PARENT_CHECK_INTERVAL_S = 0.5
PARENT_GONE = "the process that had started the sampler is gone"
SIGNALS = {signal.SIGTERM, signal.SIGUSR1}  # "stop" and "the parent may be gone"


def shared_out(counters: Sequence[Probe], interval_s: float) -> list[Sequence[Probe]]:
    """Return the counters by thread: as few threads as read each counter once an interval, with a third to spare.

    A thread that reads four in turn sleeps once for all of them. Most of what the sampler costs is waking up. Which
    counter is read when does not matter: each reading has a begin and an end of its own.
    """
    num_a_thread = max(1, int(interval_s * 2 / 3 / COUNTER_CALL_S))
    num_threads = -(-len(counters) // num_a_thread)
    return [counters[first::num_threads] for first in range(num_threads)]


class Sampling:
    """The loops that read all probes, a thread a loop, from start to stop."""

    def __init__(
        self, probes: Sequence[Probe], interval_s: float, counter_interval_s: float, dispensable: Collection[str]
    ) -> None:
        self._stop = threading.Event()
        self._error: str | None = None
        groups = [([probe for probe in probes if probe.cadence == "state"], interval_s)]
        groups += [([probe for probe in probes if probe.cadence == "slow"], max(interval_s, SLOW_INTERVAL_S))]
        self._slot_loops = [SlotLoop(group, interval, dispensable=dispensable) for group, interval in groups if group]
        # Their readings say themselves over which time they are: a late read loses nothing, and is no missed slot.
        patient = [([probe for probe in probes if probe.cadence == name], every) for name, every in PATIENT.items()]
        self._patient_loops = [SlotLoop(group, every, dispensable=dispensable) for group, every in patient if group]
        # Apart from the rest: the driver holds each call for milliseconds.
        counters = [probe for probe in probes if probe.cadence == "counter"]
        self._counter_loops = [
            SlotLoop(list(group), counter_interval_s, dispensable=dispensable)
            for group in shared_out(counters, counter_interval_s)
        ]

    @property
    def _loops(self) -> list[SlotLoop]:
        return self._slot_loops + self._patient_loops + self._counter_loops

    def run(self, writer: TelemetryWriter, parent_pid: int) -> None:
        """Sample until SIGTERM, the parent's end or the failure of a loop."""
        threads = [threading.Thread(target=self._run_loop, args=(loop, writer)) for loop in self._loops]
        for thread in threads:
            thread.start()
        self._wait_for_end(parent_pid)
        self._stop.set()
        for thread in threads:
            thread.join()

    def _wait_for_end(self, parent_pid: int) -> None:
        while os.getppid() == parent_pid:
            received = signal.sigtimedwait(SIGNALS, PARENT_CHECK_INTERVAL_S)
            if received is not None and received.si_signo == signal.SIGTERM:
                return
        self._error = self._error or PARENT_GONE

    def _run_loop(self, loop: SlotLoop, writer: TelemetryWriter) -> None:
        if loop in self._slot_loops:
            _go_first()
        try:
            loop.run(self._stop, writer.append)
        except Exception as error:  # whatever it is, it ends the sampler and stands in the report
            is_expected = isinstance(error, LlmDvfsError | OSError)  # OSError: the disk is full
            if not is_expected:
                traceback.print_exc()
            self._error = self._error or (str(error) if is_expected else repr(error))
            os.kill(os.getpid(), signal.SIGTERM)

    def report(self) -> SamplerReport:
        """Return what the loops did: readings, missed slots, lateness, lost devices."""
        lateness_s = sorted(lateness for loop in self._slot_loops for lateness in loop.lateness_s)
        return SamplerReport(
            num_readings=sum(loop.num_readings for loop in self._loops),
            num_missed_slots=sum(loop.num_missed_slots for loop in self._slot_loops),
            num_slots=sum(loop.num_slots for loop in self._slot_loops),
            lateness_p99_s=lateness_s[len(lateness_s) * 99 // 100] if lateness_s else None,
            cpu_s=time.process_time(),
            ended_mono_ns=mono_ns(),
            error=self._error,
            lost_devices={device: why for loop in self._loops for device, why in loop.lost.items()},
        )


def report_path(path: Path) -> Path:
    """Return the path of the report that belongs to a telemetry file: `telemetry_report.json` beside it."""
    return path.with_name(f"{path.stem}_report.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sampler and return its exit code.

    0: it was told to stop. 1: it ended by itself, for the reason on standard error and in the report.
    """
    options = _parser().parse_args(arguments)
    _receive_signals()
    try:
        probes, energy_source, absences = _probes(options)
    except LlmDvfsError as error:
        print(error, file=sys.stderr)
        return 1
    has_counter = any(probe.cadence == "counter" for probe in probes)
    devices = {probe.device.device_id: probe.device for probe in probes}
    header = TelemetryHeader(
        devices=tuple(devices.values()),
        interval_s=options.interval,
        counter_interval_s=options.counter_interval if has_counter else None,
        started_mono_ns=mono_ns(),
        started_unix_s=unix_s(),
        energy_source=energy_source,
        absences=absences,
    )
    try:
        writer = TelemetryWriter(options.path, header)
    except OSError as error:
        print(
            f"{options.path} cannot be begun: {error}; expected a new file in a folder that can be written",
            file=sys.stderr,
        )
        return 1
    needed = devices if options.needed is None else {gpu_id(index) for index in _indices(options.needed)}
    dispensable = {id_ for id_, device in devices.items() if device.kind == "gpu" and id_ not in needed}
    sampling = Sampling(probes, options.interval, options.counter_interval, dispensable)
    print("ready", flush=True)
    sampling.run(writer, options.parent)
    writer.close()
    report = sampling.report()
    if report.error:
        print(report.error, file=sys.stderr)
    try:
        write_record(report_path(options.path), report)
    except OSError as error:
        print(f"the report cannot be written: {error}", file=sys.stderr)
        return 1
    return 1 if report.error else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--counter-interval", type=float, required=True)
    parser.add_argument("--gpus", help="indices with commas between; left out: all")
    parser.add_argument("--needed", help="indices of GPUs whose loss ends sampling; left out: all")
    parser.add_argument("--exporter", action="append", default=[], help="address of a dcgm-exporter's metrics")
    parser.add_argument("--without", default="", help="cadences to leave out, with commas between: activity, samples")
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--parent", type=int, required=True)
    return parser


def _indices(text: str) -> list[int]:
    return [int(index) for index in text.split(",") if index]


def _probes(options: argparse.Namespace) -> tuple[Sequence[Probe], EnergySource, tuple[str, ...]]:
    """Return what to read, the host's energy source, and what is absent here and why."""
    if options.replay:
        # Here, since it reads files with numpy, which takes a thread and time that a sampler has not to give.
        from llmdvfs.telemetry.replay import replay_probes

        return *replay_probes(options.replay), ()
    found = discover(
        None if options.gpus is None else _indices(options.gpus),
        needed=None if options.needed is None else _indices(options.needed),
        exporters=options.exporter,
    )
    left_out = options.without.split(",")
    return [probe for probe in found.probes if probe.cadence not in left_out], found.energy_source, found.absences


def _go_first() -> None:
    """Let this thread wake up before busy neighbours, where the system allows it.

    On two cores with 17 processes waiting, 0.1 % of the 10 ms slots were missed with it, 5 % without. The counters'
    threads are left as they are: their calls may spend milliseconds in the driver, and they have time.
    """
    with contextlib.suppress(PermissionError):  # an ordinary user may not; the report tells how late it was
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


def _receive_signals() -> None:
    """Hold the signals back for sigtimedwait, and have the kernel send one when the parent ends.

    It sends that one when the *thread* that started this process ends, too: it is only a reason to look.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    process_control(PR_SET_PDEATHSIG, signal.SIGUSR1)


if __name__ == "__main__":
    sys.exit(main())
