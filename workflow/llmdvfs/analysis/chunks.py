"""The chunks of requests in columns: a large load has millions of them, and few questions are of one request alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from llmdvfs.clock import NS_PER_S
from llmdvfs.records.request import RequestRecord

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Chunks:
    """The chunks of some requests, those of one request after those of another; one value a chunk."""

    mono_ns: Ints
    num_tokens: Ints
    is_first: npt.NDArray[np.bool_]
    """Whether it is the first of its request."""

    @property
    def gaps_ns(self) -> Ints:
        """Return the gaps between neighbouring chunks of each request."""
        return np.diff(self.mono_ns)[~self.is_first[1:]]

    @property
    def gaps_s(self) -> Floats:
        """Return the gaps between neighbouring chunks of each request."""
        return self.gaps_ns / NS_PER_S

    @property
    def token_gaps_s(self) -> Floats:
        """Return the gaps between the tokens of each request, as many as it has tokens after its first chunk.

        A chunk of k tokens that arrives d after the chunk before it counts as k gaps of d / k.
        """
        num_tokens = self.num_tokens[~self.is_first]
        return np.repeat(self.gaps_s / num_tokens, num_tokens)

    def inside(self, begin_s: float, end_s: float, started_mono_ns: int) -> npt.NDArray[np.bool_]:
        """Return whether each chunk came in [begin, end], in seconds since started_mono_ns."""
        t_s = (self.mono_ns - started_mono_ns) / NS_PER_S
        found: npt.NDArray[np.bool_] = (t_s >= begin_s) & (t_s <= end_s)
        return found


def chunks_of(requests: Sequence[RequestRecord]) -> Chunks:
    """Return the chunks of these requests, in their order."""
    lengths = np.array([len(request.chunk_mono_ns) for request in requests], dtype=np.int64)
    stamps = chain.from_iterable(request.chunk_mono_ns for request in requests)
    counts = chain.from_iterable(request.chunk_num_tokens for request in requests)
    is_first = np.zeros(int(lengths.sum()), dtype=np.bool_)
    is_first[(np.cumsum(lengths) - lengths)[lengths > 0]] = True
    return Chunks(
        np.fromiter(stamps, dtype=np.int64, count=len(is_first)), np.fromiter(counts, dtype=np.int64), is_first
    )
