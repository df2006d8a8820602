"""How the proxy chooses an instance."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmdvfs.errors import ConfigError
from llmdvfs.serving.proxy.plan import POLICIES, Upstream


@dataclass(slots=True)
class Load:
    """What one instance has been given."""

    upstream: Upstream
    in_flight: int = 0
    served: int = 0
    failed: int = 0


@dataclass(slots=True)
class Chooser:
    """Gives each request an instance of one role."""

    loads: list[Load]
    policy: str
    random: random.Random
    _next: int = field(default=0)

    @classmethod
    def of(cls, upstreams: Sequence[Upstream], policy: str, seed: int) -> "Chooser":
        """Return a chooser that has given nothing yet."""
        if policy not in POLICIES:
            raise ConfigError(f"serving.balancer: {policy!r} is not known; expected one of {', '.join(POLICIES)}")
        return cls([Load(upstream) for upstream in upstreams], policy, random.Random(seed))

    def choose(self) -> Load:
        """Return the instance for the next request."""
        if self.policy == "random":
            return self.random.choice(self.loads)
        if self.policy == "least_requests":
            # Among equals the one that has served least, or an idle service would always take the first.
            return min(self.loads, key=lambda load: (load.in_flight, load.served))
        load = self.loads[self._next % len(self.loads)]
        self._next += 1
        return load

    def imbalance(self) -> float | None:
        """Return the largest share over the even share, minus 1: 0 is perfectly even; None: nothing served."""
        served = [load.served for load in self.loads]
        return max(served) * len(served) / sum(served) - 1 if sum(served) else None
