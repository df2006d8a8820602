"""Steps of the modelled engine and what a request costs, against figures worked out by hand."""

import pytest
from modelled.engine import next_step, true_request
from modelled.gpu import steady_energy
from modelled.truths import decode_of, prefill_of

SEED = 1


def test_a_decode_step_at_batch_8_takes_20_ms_of_the_models_time() -> None:
    step = next_step(SEED, [], 8, 8192, chunked=True)
    (part,) = step.parts
    assert (step.decodes, step.taken, part.unit_s) == (True, (), 0.02)
    assert part.truth == decode_of(SEED, 8)


def test_a_prompt_of_2048_tokens_takes_102_ms_of_the_models_time() -> None:
    (part,) = next_step(SEED, [2048], 0, 8192, chunked=True).parts
    assert part.unit_s == pytest.approx(0.1024)  # 2048 x 50 us
    assert part.truth == prefill_of(SEED)


def test_a_chunked_step_fills_its_budget_with_prompts_beside_decoding() -> None:
    step = next_step(SEED, [1500, 1000], 8, 2048, chunked=True)
    assert step.taken == (1500, 540)  # 2048 - 8 running - 1500
    assert step.decodes
    assert [part.unit_s for part in step.parts] == pytest.approx([2040 * 50e-6, 0.02])


def test_whole_prompts_wait_for_a_step_of_their_own_and_decoding_waits_for_them() -> None:
    step = next_step(SEED, [1500, 1000], 8, 2048, chunked=False)
    assert (step.taken, step.decodes) == ((1500,), False)
    assert next_step(SEED, [5000], 8, 2048, chunked=False).taken == (5000,)  # alone, over the budget


def test_a_request_costs_its_prompt_and_its_share_of_the_batchs_steps() -> None:
    prefill_w, prefill_time = steady_energy(prefill_of(SEED), 900, 700)
    decode_w, decode_time = steady_energy(decode_of(SEED, 8), 900, 700)
    prompt_s, steps_s = 100 * 50e-6 * prefill_time, 10 * 0.02 * decode_time / 8  # ten tokens after the first
    energy_j, time_s = true_request(SEED, 100, 11, 8, 900)
    assert time_s == pytest.approx(prompt_s + steps_s)
    assert energy_j == pytest.approx(prefill_w * prompt_s + decode_w * steps_s)
