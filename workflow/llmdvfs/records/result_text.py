"""The result of one cell in words: a line while a study runs, a page where somebody asks for it."""

from collections.abc import Iterator

from llmdvfs.records.result import CellResult, Distribution, EnergyResult, Estimate, PhaseEnergy


def result_line(result: CellResult) -> str:
    """Return a cell's outcome in one line: TTFT, output tokens, energy, and the gates that failed."""
    parts = [
        _known("TTFT p50", result.latency.ttft_s.p50, 1e3, "ms"),
        _known("", result.throughput.output_token_rate_per_s, 1.0, "tokens/s"),
        _known("", result.energy.energy_per_output_token_j, 1.0, "J/token"),
    ]
    failed = [gate.name for gate in result.gates if gate.status == "failed"]
    parts.append(f"gates failed: {', '.join(failed)}" if failed else "all gates passed")
    return ", ".join(part for part in parts if part)


def result_text(result: CellResult) -> str:
    """Return the cell's numbers in groups, then its gates with what to do, as text of about 100 columns."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: CellResult) -> Iterator[str]:
    window, throughput = result.window, result.throughput
    yield f"{result.cell.folder()} (key {result.key})"
    yield f"window: {window.kind}, {window.begin_s:.2f} to {window.end_s:.2f} s: {window.reason}"
    yield "latency, ms                  n      mean       p50       p90       p99       max"
    for name in ("ttft_s", "tpot_s", "tbt_s", "e2e_s"):
        yield _distribution(name.removesuffix("_s").upper(), getattr(result.latency, name))
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in throughput.outcomes.items())
    yield f"requests: {outcomes}; in the window {throughput.num_requests}"
    rates = [
        _known("", throughput.output_token_rate_per_s, 1.0, "output tokens/s"),
        _known("", throughput.prompt_token_rate_per_s, 1.0, "prompt tokens/s"),
        _known("goodput", throughput.goodput_rps, 1.0, "requests/s"),
        _known("within the limits", throughput.slo_attainment_fraction, 100.0, "%"),
    ]
    yield "rates: " + (", ".join(rate for rate in rates if rate) or "none: the window is too short")
    yield from _energy_lines(result.energy)
    yield from _beside_lines(result.energy)
    if result.transfer is not None:
        time_s = _known("mean", result.transfer.time_s.mean, 1e3, "ms") or "not measured"
        yield f"KV transfer: {time_s}, by {result.transfer.method}"
    for gate in result.gates:
        if gate.status == "failed":
            yield f"! gate failed: {gate.name}: {gate.seen}, expected {gate.expected}; {gate.remedy}"
    yield from (f"! {warning}" for warning in result.warnings)
    passed = sum(gate.status == "passed" for gate in result.gates)
    yield f"{passed} of {sum(gate.status != 'not_applicable' for gate in result.gates)} gates passed"


def _energy_lines(energy: EnergyResult) -> Iterator[str]:
    if energy.gross_j is None:
        yield f"energy: not measured: {energy.method}"
        return
    parts = [
        _known("", energy.gross_j, 1.0, "J"),
        _known("", energy.mean_power_w, 1.0, "W"),
        _known("", energy.energy_per_output_token_j, 1.0, "J per output token"),
        _known("", energy.energy_per_request_j, 1.0, "J per request"),
    ]
    yield f"energy ({energy.source}): " + ", ".join(part for part in parts if part)
    for phase in energy.phases:
        yield f"  {phase.role} {phase.phase}: {_phase(phase)}"


def _beside_lines(energy: EnergyResult) -> Iterator[str]:
    """Say what was measured beside the deployment: the whole host, CPU packages beside GPUs, GPUs that serve nobody."""
    for device in energy.devices:
        energy_j = device.integral_j if device.counter_j is None else device.counter_j
        parts = [_known("", device.mean_power_w, 1.0, "W"), _known("", energy_j, 1.0, "J")]
        if device.role is None and any(parts):
            yield f"  {device.device_id}, not part of it: {', '.join(part for part in parts if part)}"


def _phase(phase: PhaseEnergy) -> str:
    return f"{phase.occupancy_s:.2f} s, {_estimate(phase.power_w, 'W')}, {_estimate(phase.energy_j, 'J')}"


def _estimate(estimate: Estimate, unit: str) -> str:
    if estimate.value is None:
        return f"no {unit} told: {estimate.reason or 'no reason given'}"
    if estimate.low is None or estimate.high is None:
        return f"{_number(estimate.value)} {unit}"
    return f"{_number(estimate.value)} {unit} [{_number(estimate.low)}, {_number(estimate.high)}]"


def _distribution(name: str, own: Distribution) -> str:
    values = (own.mean, own.p50, own.p90, own.p99, own.max)
    shown = "".join(f"{'-' if value is None else _number(value * 1e3):>10}" for value in values)
    return f"  {name:<20}{own.n:>8}{shown}"


def _known(name: str, value: float | None, per_unit: float, unit: str) -> str:
    if value is None:
        return ""
    return f"{name} {_number(value * per_unit)} {unit}".strip()


def _number(value: float) -> str:
    """Write four significant digits, and every digit before the point."""
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
