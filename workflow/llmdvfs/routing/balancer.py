"""Chooses the instance that a request goes to, by the policy of the deployment's balancer."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmdvfs.errors import ConfigError
from llmdvfs.records.route import POLICIES, RoutePlan, Upstream


@dataclass(slots=True)
class Backend:
    """One instance as its balancer sees it, with the numbers of requests that it was given."""

    upstream: Upstream
    in_flight: int = 0
    served: int = 0
    failed: int = 0

    def release(self) -> None:
        """Note that a request no longer keeps it busy."""
        self.in_flight -= 1


@dataclass(slots=True)
class Balancer:
    """Chooses an instance of one role for each request.

    Whatever the policy, the first requests of an idle service reach every instance once: a start is over when each
    instance has answered one, and kernels that are compiled for a first request are then compiled everywhere.
    """

    backends: list[Backend]
    policy: str
    random: random.Random
    _next: int = field(default=0)
    _first_round: list[Backend] = field(default_factory=list)
    """For the policy `random`: instances that have not had their first request."""

    @classmethod
    def of(cls, upstreams: Sequence[Upstream], policy: str, seed: int) -> "Balancer":
        """Return a balancer that has not chosen yet.

        seed: for the policy `random`; balancers of one seed and different roles choose independently of each other.
        ConfigError where the policy is not one of POLICIES.
        """
        if policy not in POLICIES:
            raise ConfigError(f"serving.balancer: {policy!r} is not known; expected one of {', '.join(POLICIES)}")
        backends = [Backend(upstream) for upstream in upstreams]
        # Seeds that follow one another as numbers give first draws that are alike; as texts they are hashed.
        generator = random.Random("/".join([str(seed), *sorted({upstream.role for upstream in upstreams})]))
        return cls(backends, policy, generator, _first_round=generator.sample(backends, len(backends)))

    def choose(self) -> Backend:
        """Return the instance for the next request."""
        if self.policy == "random":
            return self._first_round.pop() if self._first_round else self.random.choice(self.backends)
        if self.policy == "least_requests":
            # Among equals the one that has served least, or an idle service would always take the first.
            return min(self.backends, key=lambda backend: (backend.in_flight, backend.served))
        backend = self.backends[self._next % len(self.backends)]
        self._next += 1
        return backend

    def take(self) -> Backend:
        """Return the instance for the next request, which is busy with it from now on."""
        backend = self.choose()
        backend.in_flight += 1
        backend.served += 1
        return backend

    def imbalance(self) -> float | None:
        """Return the largest share of requests over an even share, minus 1; None: nothing was served.

        0 is perfectly even.
        """
        served = [backend.served for backend in self.backends]
        return max(served) * len(served) / sum(served) - 1 if sum(served) else None


def balancers(plan: RoutePlan) -> tuple[Balancer | None, Balancer]:
    """Return those of the prefill instances, None where the plan has none, and of the instances that stream."""
    prefill = plan.of_role("prefill")
    return (
        Balancer.of(prefill, plan.policy, plan.seed) if prefill else None,
        Balancer.of(plan.of_role("decode", "single"), plan.policy, plan.seed),
    )
