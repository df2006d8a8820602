"""How long an engine's steps take, and what a load costs in the end: MODELLED.

A step gives each running request a token and takes prompts in beside that, up to a budget of tokens (chunked prefill);
or it takes whole prompts in while decoding waits. Both parts of a step follow each other on the GPU.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from modelled.gpu import steady_energy
from modelled.truths import LIMIT_W, Truth, decode_of, prefill_of

PREFILL_TOKEN_S = 50e-6
DECODE_STEP_S = 0.02
"""Both at truths.py's unit of time. Decode is slower than an H100's, so that a core of a laptop keeps up with 64."""


@dataclass(frozen=True)
class Part:
    """Work of one kind within a step."""

    truth: Truth
    unit_s: float
    """What it takes at truths.py's unit of time."""


@dataclass(frozen=True)
class Step:
    """One step of the engine."""

    taken: tuple[int, ...]
    """Prompt tokens taken from each waiting prompt, in their order."""
    decodes: bool
    """Whether running requests get a token."""
    parts: tuple[Part, ...]


def next_step(seed: int, waiting: Iterable[int], num_running: int, budget: int, *, chunked: bool) -> Step:
    """Return the next step, for prompts of which so many tokens are still to be taken, and running requests.

    budget: tokens of a step, of which each running request takes one; a whole prompt may go over it alone.
    """
    decodes, taken = num_running > 0, []
    left = budget - num_running if chunked else budget
    for tokens in waiting:
        part = min(tokens, left) if chunked else tokens
        if part <= 0 or (part > left and taken):
            break
        taken.append(part)
        left -= part
    if taken and not chunked:
        decodes = False
    parts = [Part(prefill_of(seed), sum(taken) * PREFILL_TOKEN_S)] if taken else []
    if decodes:
        parts.append(Part(decode_of(seed, num_running), DECODE_STEP_S))
    return Step(tuple(taken), decodes, tuple(parts))


def true_request(
    seed: int, prompt_tokens: int, output_tokens: int, concurrency: int, asked_mhz: float, limit_w: float = LIMIT_W
) -> tuple[float, float]:
    """Return energy [J] and GPU time [s] of one request among so many that start and end together.

    Its first token comes from prefill, the others from steps that the batch shares.
    """
    prefill_w, prefill_time = steady_energy(prefill_of(seed), asked_mhz, limit_w)
    decode_w, decode_time = steady_energy(decode_of(seed, concurrency), asked_mhz, limit_w)
    prefill_s = prompt_tokens * PREFILL_TOKEN_S * prefill_time
    decode_s = (output_tokens - 1) * DECODE_STEP_S * decode_time / concurrency
    return prefill_w * prefill_s + decode_w * decode_s, prefill_s + decode_s
