"""What is compared: the metrics, those that claims are made of, and of how many launches (docs/statistics.md)."""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher"]
MIN_CLAIM_LAUNCHES = 3
"""Of fewer no difference is claimed: two starts that are both slow look like a slower deployment, and happen too often
(docs/statistics.md)."""
FAMILY = (
    "ttft_p50_s",
    "ttft_p99_s",
    "tpot_mean_s",
    "tbt_p99_s",
    "e2e_mean_s",
    "output_token_rate_per_s",
    "goodput_rps",
    "slo_attainment_fraction",
    "energy_per_output_token_j",
    "prefill_energy_per_prompt_token_j",
    "decode_energy_per_output_token_j",
)
"""The metrics that claims are made of, in the order of tables: their ratios to the baseline are one family of tests."""


@dataclass(frozen=True, slots=True)
class Metric:
    """How a compared metric is shown; its values are kept in SI units, as its name says."""

    label: str
    unit: str
    """Unit in which it is shown; empty for a share."""
    per_unit: float = 1.0
    """Factor from the SI value to the shown one: shown = value x per_unit."""
    grows_with_gpus: bool = False
    """Whether it is compared per GPU where two deployments have different numbers of GPUs."""
    of_energy: bool = False
    """Whether it is compared only between values of one energy source."""
    better: Better | None = None
    """Whether higher or lower values are better; None: neither, it only describes the run."""
    most: float | None = None
    """The highest value that can be; None: there is none. The lowest is 0 for all."""


METRICS: dict[str, Metric] = {
    "ttft_p50_s": Metric("TTFT p50", "ms", 1e3, better="lower"),
    "ttft_p99_s": Metric("TTFT p99", "ms", 1e3, better="lower"),
    "tpot_mean_s": Metric("TPOT mean", "ms", 1e3, better="lower"),
    "tbt_p50_s": Metric("TBT p50", "ms", 1e3, better="lower"),
    "tbt_p99_s": Metric("TBT p99", "ms", 1e3, better="lower"),
    "e2e_mean_s": Metric("E2E mean", "ms", 1e3, better="lower"),
    "decode_mean_s": Metric("E2E - TTFT mean", "ms", 1e3, better="lower"),
    "output_token_rate_per_s": Metric("Output tokens", "1/s", grows_with_gpus=True, better="higher"),
    "goodput_rps": Metric("Goodput", "req/s", grows_with_gpus=True, better="higher"),
    "slo_attainment_fraction": Metric("Requests within the limits", "%", 1e2, better="higher", most=1.0),
    "energy_per_output_token_j": Metric("Energy per output token", "J", of_energy=True, better="lower"),
    "energy_per_request_j": Metric("Energy per request", "J", of_energy=True, better="lower"),
    "prefill_energy_per_prompt_token_j": Metric(
        "Prefill energy per prompt token", "mJ", 1e3, of_energy=True, better="lower"
    ),
    "decode_energy_per_output_token_j": Metric(
        "Decode energy per output token", "mJ", 1e3, of_energy=True, better="lower"
    ),
    "prefill_role_energy_per_prompt_token_j": Metric(
        "Prefill GPUs per prompt token", "mJ", 1e3, of_energy=True, better="lower"
    ),
    "decode_role_energy_per_output_token_j": Metric(
        "Decode GPUs per output token", "mJ", 1e3, of_energy=True, better="lower"
    ),
    "mean_power_w": Metric("Mean power", "W", grows_with_gpus=True, of_energy=True),
    "energy_delay_product_js": Metric("Energy-delay product", "J s", of_energy=True, better="lower"),
    "sm_clock_mean_mhz": Metric("Core clock", "MHz"),
    "prefill_sm_clock_mean_mhz": Metric("Core clock of prefill", "MHz"),
    "decode_sm_clock_mean_mhz": Metric("Core clock of decode", "MHz"),
    "utilisation_mean_fraction": Metric("Utilisation", "%", 1e2, most=1.0),
    "prefill_tensor_fraction": Metric("Tensor cores in prefill", "%", 1e2, most=1.0),
    "decode_dram_fraction": Metric("DRAM in decode", "%", 1e2, most=1.0),
    "memory_power_fraction": Metric("Memory's share of energy", "%", 1e2, of_energy=True, most=1.0),
    "kv_transfer_mean_s": Metric("KV transfer", "ms", 1e3, better="lower"),
    "kv_rate_bytes_per_s": Metric("KV rate", "GB/s", 1e-9, better="higher"),
    "external_kv_fraction": Metric("Prompt taken from transferred KV", "%", 1e2, most=1.0),
    "imbalance_fraction": Metric("Imbalance of instances", "%", 1e2, better="lower"),
    "failed_fraction": Metric("Failed requests", "%", 1e2, better="lower", most=1.0),
}
