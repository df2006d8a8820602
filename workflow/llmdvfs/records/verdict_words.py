"""The words of the verdict's sentences in English and Chinese; what goes into them is in records/verdict_text.py."""

from dataclasses import dataclass
from typing import Literal

from llmdvfs.records.compared import METRICS

Language = Literal["en", "zh"]
MEANS = ("output_token_rate_per_s", "ttft_p50_s", "energy_per_output_token_j")


@dataclass(frozen=True, slots=True)
class VerdictWords:
    """One language's words; texts with names in braces are filled in by `str.format`."""

    metrics: dict[str, str]
    per_gpu: str
    equal_gpus: str
    unlike_gpus: str
    unknown_gpus: str
    cpu: str
    in_flight: str
    at: str
    point: str
    sentence: str
    joint: str
    more: str
    less: str
    fewer: str
    """The same of what is counted."""
    times: str
    equal: str
    no_loss: str
    no_conclusion: str
    not_significant: str
    few_launches: str
    nothing_related: str
    others: str
    nothing_compared: str
    alone: str
    means: dict[str, str]
    """What a deployment that nothing is related to reaches, in this order."""
    nothing_measured: str
    unlike_beside: str
    nothing_beside: str
    signs: dict[str, str]
    """Conclusion -> what stands behind a ratio in a table."""
    ratio_per_gpu: str
    launches_differ: str
    not_applied: str


ENGLISH = VerdictWords(
    metrics={
        "energy_per_output_token_j": "energy per output token",
        "energy_per_request_j": "energy per request",
        "output_token_rate_per_s": "output tokens per second",
        "e2e_mean_s": "end-to-end latency",
        "ttft_p50_s": "time to first token",
    },
    per_gpu="{metric} per GPU",
    equal_gpus="At equal GPUs ({theirs})",
    unlike_gpus="With {theirs} GPU{s} against {ours}",
    unknown_gpus="With a number of GPUs that is not known",
    cpu="On this CPU",
    in_flight="{number} in flight ({workload})",
    at="{gpus} and {load}",
    point=", {point}",
    sentence="{where}, {other} against {baseline}: {said}; n = {n}.",
    joint="; ",
    more="{change} more{span} {metric}",
    less="{change} less{span} {metric}",
    fewer="{change} fewer{span} {metric}",
    times="{change}{span} times the {metric}",
    equal="{metric} equal within the margin ({change})",
    no_loss="{metric}: no loss beyond the margin ({change})",
    no_conclusion="{metric}: launches differ {factor:.1f}x, no conclusion",
    not_significant=", not significant",
    few_launches=" with {launches}",
    nothing_related="nothing that can be related was measured",
    others=" (The tables have the others.)",
    nothing_compared="nothing was measured that could be compared.",
    alone="{deployment} at {workload}, {point}: {reached}; {why}.",
    means={name: METRICS[name].label for name in MEANS},
    nothing_measured="nothing measured",
    unlike_beside="what was measured beside it is unlike it, and not related",
    nothing_beside="nothing is related to it",
    signs={
        "better": "better",
        "worse": "worse",
        "different": "",
        "equal": "= equal",
        "no_loss": "~ no loss",
        "undecided": "~",
    },
    ratio_per_gpu=" per GPU",
    launches_differ="launches differ {factor:.1f}x: no conclusion",
    not_applied="not applied",
)
CHINESE = VerdictWords(
    metrics={
        "energy_per_output_token_j": "每个输出 token 的能耗",
        "energy_per_request_j": "每个请求的能耗",
        "output_token_rate_per_s": "每秒输出的 token 数",
        "e2e_mean_s": "端到端延迟",
        "ttft_p50_s": "首个 token 的时间",
    },
    per_gpu="每 GPU {metric}",
    equal_gpus="GPU 数相同（{theirs}）",
    unlike_gpus="{theirs} 块 GPU 对 {ours} 块",
    unknown_gpus="GPU 数不明",
    cpu="在这台 CPU 上",
    in_flight="在途 {number} 个请求（{workload}）",
    at="{gpus}，{load}",
    point="，{point}",
    sentence="{where}：{other} 与 {baseline} 相比，{said}；n = {n}。",
    joint="；",
    more="{metric}高 {change}{span}",
    less="{metric}低 {change}{span}",
    fewer="{metric}低 {change}{span}",
    times="{metric}为其 {change}{span} 倍",
    equal="{metric}在容差内相等（{change}）",
    no_loss="{metric}没有超出容差的损失（{change}）",
    no_conclusion="{metric}：各次启动相差 {factor:.1f} 倍，无法下结论",
    not_significant="，不显著",
    few_launches="（只有 {n} 次启动）",
    nothing_related="没有测到可以相比的量",
    others="（其余见表。）",
    nothing_compared="没有测到可以比较的结果。",
    alone="{deployment}（{workload}，{point}）：{reached}；{why}。",
    means=dict(zip(MEANS, ("输出 token", "首个 token 的时间 p50", "每个输出 token 的能耗"), strict=True)),
    nothing_measured="没有测到任何量",
    unlike_beside="同时测得的其他部署与它并不相同，没有作比较",
    nothing_beside="没有可以与它比较的部署",
    signs={
        "better": "更好",
        "worse": "更差",
        "different": "",
        "equal": "= 相等",
        "no_loss": "~ 没有损失",
        "undecided": "~",
    },
    ratio_per_gpu="（每 GPU）",
    launches_differ="各次启动相差 {factor:.1f} 倍：无法下结论",
    not_applied="未生效",
)
LANGUAGES: dict[Language, VerdictWords] = {"en": ENGLISH, "zh": CHINESE}
