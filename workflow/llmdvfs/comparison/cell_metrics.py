"""Takes the compared metrics of one cell from its result."""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from llmdvfs.comparison.phase_energy import undivided_energy_j
from llmdvfs.records.result import CellResult, DeviceEnergy, RoleActivity
from llmdvfs.records.spec import DeviceRole, Phase


def metric_values(result: CellResult) -> dict[str, float | None]:
    """Return name in METRICS -> value of one cell; None where it was not measured, or does not apply."""
    latency, throughput, energy, transfer = result.latency, result.throughput, result.energy, result.transfer
    serving = [device for device in energy.devices if device.role is not None]
    return {
        "ttft_p50_s": latency.ttft_s.p50,
        "ttft_p99_s": latency.ttft_s.p99,
        "tpot_mean_s": latency.tpot_s.mean,
        "tbt_p50_s": latency.tbt_s.p50,
        "tbt_p99_s": latency.tbt_s.p99,
        "e2e_mean_s": latency.e2e_s.mean,
        "decode_mean_s": _difference(latency.e2e_s.mean, latency.ttft_s.mean),
        "output_token_rate_per_s": throughput.output_token_rate_per_s,
        "goodput_rps": throughput.goodput_rps,
        "slo_attainment_fraction": throughput.slo_attainment_fraction,
        "energy_per_output_token_j": energy.energy_per_output_token_j,
        "energy_per_request_j": energy.energy_per_request_j,
        "prefill_energy_per_prompt_token_j": _share(
            undivided_energy_j(energy.phases, "prefill"), throughput.num_prompt_tokens
        ),
        "decode_energy_per_output_token_j": _share(
            undivided_energy_j(energy.phases, "decode"), throughput.num_output_tokens
        ),
        # Of a role with GPUs of its own: a measurement, with what they drew while they waited.
        "prefill_role_energy_per_prompt_token_j": _share(energy.by_role_j.get("prefill"), throughput.num_prompt_tokens),
        "decode_role_energy_per_output_token_j": _share(energy.by_role_j.get("decode"), throughput.num_output_tokens),
        "mean_power_w": energy.mean_power_w,
        "energy_delay_product_js": energy.energy_delay_product_js,
        # Roles have clocks of their own: a mean of prefill and decode is a clock that no GPU had.
        "sm_clock_mean_mhz": _clock_of(serving, "single", "host"),
        "prefill_sm_clock_mean_mhz": _clock_of(serving, "prefill"),
        "decode_sm_clock_mean_mhz": _clock_of(serving, "decode"),
        "utilisation_mean_fraction": _mean_or_none(device.utilisation_fraction.mean for device in serving),
        "prefill_tensor_fraction": _activity(result.activity, "prefill", lambda one: one.tensor_fraction),
        "decode_dram_fraction": _activity(result.activity, "decode", lambda one: one.dram_fraction),
        "memory_power_fraction": _memory_share(serving),
        "kv_transfer_mean_s": transfer.time_s.mean if transfer else None,
        "kv_rate_bytes_per_s": transfer.rate_bytes_per_s if transfer else None,
        "external_kv_fraction": (
            _share(transfer.external_kv_tokens, transfer.decode_prompt_tokens) if transfer else None
        ),
        "imbalance_fraction": result.balance.imbalance_fraction if result.balance else None,
        "failed_fraction": throughput.failed_fraction,
    }


def _activity(
    activity: Iterable[RoleActivity], phase: Phase, of: Callable[[RoleActivity], float | None]
) -> float | None:
    return _mean_or_none(of(one) for one in activity if one.phase == phase)


def _memory_share(serving: Sequence[DeviceEnergy]) -> float | None:
    """Return the memory's share of the energy; None where a device does not tell both."""
    memory_w = [device.memory_power_w for device in serving]
    whole_w = [device.mean_power_w for device in serving]
    if None in memory_w or None in whole_w:
        return None
    return _share(sum(filter(None, memory_w)), sum(filter(None, whole_w)))


def _clock_of(devices: Iterable[DeviceEnergy], *roles: DeviceRole) -> float | None:
    return _mean_or_none(device.sm_clock_mhz.mean for device in devices if device.role in roles)


def _mean_or_none(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def _difference(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else whole - part


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
