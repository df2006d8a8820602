"""The loads, engines and counters that the energy by phase is tried against; everything is SIMULATED."""

from dataclasses import dataclass, field, replace

import numpy as np
from engine_sim import Counters, Engine, SimulatedRun, Traffic, simulate

VARIED = (128, 8192)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load, an engine and its counters."""

    traffic: Traffic = field(default_factory=Traffic)
    engine: Engine = field(default_factory=Engine)
    counters: Counters = field(default_factory=Counters)
    disaggregated: bool = False
    num_gpus: int = 1

    def run(self, seed: int) -> SimulatedRun:
        """Simulate it."""
        return simulate(
            seed,
            self.traffic,
            self.engine,
            self.counters,
            disaggregated=self.disaggregated,
            num_gpus=self.num_gpus,
        )


def varied(in_flight: int = 1, **more: float) -> Traffic:
    """Return a closed loop of prompts from 128 to 8192 tokens and answers from 64 to 256."""
    return Traffic(in_flight, num_prompt_tokens=VARIED, num_output_tokens=(64, 256), **more)


CHUNKED = Engine(chunk_tokens=2048)
OUT_OF_STEP = Counters(apart_s=0.06)
SCENARIOS = {
    "1 in flight, lengths fixed": Scenario(Traffic(1)),
    "1, varied": Scenario(varied(1)),
    "1, fixed, start-up transient": Scenario(Traffic(1), Engine(transient_fraction=0.15)),
    "1, fixed, 3 ms of queue": Scenario(Traffic(1, queue_s=0.003)),
    "1, varied, 20 ms of queue": Scenario(varied(1, queue_s=0.02)),
    "1, fixed, edges 0.3 s late": Scenario(Traffic(1), counters=Counters(lag_s=0.3)),
    "1, varied, chunked": Scenario(varied(1), CHUNKED),
    "4, fixed": Scenario(Traffic(4)),
    "4, varied": Scenario(varied(4)),
    "4, varied, chunked": Scenario(varied(4), CHUNKED),
    "4, varied, counter of 20 ms": Scenario(varied(4), counters=Counters(period_s=0.02, poll_s=0.005)),
    "4, varied, background load": Scenario(varied(4), Engine(background_w=50)),
    "4, varied, heat": Scenario(varied(4), Engine(heat_fraction=0.03)),
    "4, varied, two GPUs 60 ms apart": Scenario(varied(4), counters=OUT_OF_STEP, num_gpus=2),
    "16, fixed": Scenario(Traffic(16)),
    "16, varied": Scenario(varied(16)),
    "16, varied, chunked": Scenario(varied(16), CHUNKED),
    "16, varied, a tenth fails": Scenario(varied(16, failed_fraction=0.1)),
    "64, fixed": Scenario(Traffic(64)),
    "64, varied": Scenario(varied(64)),
    "64, varied, chunked": Scenario(varied(64), CHUNKED),
    "Poisson 3/s, varied": Scenario(varied(rate_rps=3.0)),
    "Poisson 3/s, varied, chunked": Scenario(varied(rate_rps=3.0), CHUNKED),
    "Poisson 3/s, varied, heat, transient": Scenario(
        varied(rate_rps=3.0), Engine(heat_fraction=0.03, transient_fraction=0.15)
    ),
    "1P1D, 1, varied": Scenario(varied(1), disaggregated=True),
    "1P1D, 4, varied": Scenario(varied(4), disaggregated=True),
    "1P1D, 4, varied, counters 60 ms apart": Scenario(varied(4), counters=OUT_OF_STEP, disaggregated=True),
    "1P1D, 16, varied": Scenario(varied(16), disaggregated=True),
}


def drawn(scenario: Scenario, seed: int) -> Scenario:
    """Return the scenario with an engine and counters that nobody has chosen; what the scenario is about is kept."""
    draw = np.random.default_rng((seed, 77)).uniform
    engine = replace(
        scenario.engine,
        idle_w=draw(70, 150),
        decode_w=draw(250, 450),
        decode_w_a_doubling=draw(10, 60),
        decode_power_exponent=draw(-0.4, 0.2),
        prefill_w=draw(350, 550),
        prefill_full_w=draw(550, 800),
        decode_step_s=draw(0.005, 0.025),
        decode_step_s_a_request=draw(0, 2e-4),
        prefill_s_a_token=draw(25e-6, 100e-6),
        chunk_tokens=scenario.engine.chunk_tokens and int(2 ** draw(9, 12)),
        transient_fraction=scenario.engine.transient_fraction + draw(0, 0.1),
        heat_fraction=scenario.engine.heat_fraction + draw(0, 0.02),
    )
    counters = replace(
        scenario.counters,
        lag_s=scenario.counters.lag_s + draw(0, 0.05),
        jitter_s=10 ** draw(-4, -2.7),
        poll_s=scenario.counters.poll_s * draw(0.5, 1.5),
        stamp_delay_s=10 ** draw(-4, -3),
    )
    return replace(scenario, engine=engine, counters=counters)


def scenario_of_run(name: str, run: int, fresh: bool) -> tuple[Scenario, int]:
    """Return the scenario of a numbered run and the seed of its simulation; fresh: with an engine of its own."""
    if not fresh:
        return SCENARIOS[name], run
    seed = 100 * run + list(SCENARIOS).index(name)
    return drawn(SCENARIOS[name], seed), seed
