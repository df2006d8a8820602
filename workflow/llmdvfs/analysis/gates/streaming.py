"""Gate: whether tokens came as they were made (docs/metrics.md#gates)."""

from collections.abc import Sequence

from llmdvfs.analysis.gates.verdict import not_applicable, verdict
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.result import Gate

MIN_CHUNKS = 4  # two or three may arrive in one read where a step takes less than the client's wake-up
MAX_FRACTION = 0.5  # what holds streams back holds back nearly all; on a starved host a few in a hundred come so


def tokens_streamed(requests: Sequence[RequestRecord]) -> Gate:
    """Judge whether chunks of an answer arrived one after the other, and not all in one read.

    A gateway that buffers answers hands over a whole stream at its end: TTFT is then E2E, and TPOT and TBT are 0.
    """
    name, expected = "tokens_streamed", f"at most {MAX_FRACTION:.0%} of the answers all at once"
    judged = [r for r in requests if r.ok and len(r.chunk_mono_ns) >= MIN_CHUNKS]
    if not judged:
        return not_applicable(name, f"no answer came in {MIN_CHUNKS} chunks or more", expected=expected)
    at_once = sum(r.chunk_mono_ns[0] == r.chunk_mono_ns[-1] for r in judged)
    return verdict(
        name,
        at_once <= MAX_FRACTION * len(judged),
        seen=f"{at_once} of {len(judged)} answers of {MIN_CHUNKS} chunks or more came in one read",
        expected=expected,
        remedy="switch off buffering in the gateway before the server (nginx: `proxy_buffering off`): these TTFT, TPOT "
        "and TBT are the gateway's",
    )
