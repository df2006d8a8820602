"""How long requests were on their way before the engine took them, by its own clock (docs/energy.md#waiting).

From outside, a prefill that meets an idle engine begins when its request is sent. The server first reads the request,
which takes 20 to 30 ms for a prompt of 16,000 tokens (MEASURED), and the GPU idles meanwhile. The engine tells how
long its prefills took from being scheduled to their first token.
"""

from collections.abc import Iterable

from llmdvfs.analysis.engine_metrics import increase
from llmdvfs.clock import NS_PER_S
from llmdvfs.records.load import LoadReport
from llmdvfs.records.metrics import MetricsRecord
from llmdvfs.records.phases import EngineWait
from llmdvfs.records.request import RequestRecord
from llmdvfs.records.run import RunRecord
from llmdvfs.records.spec import Role

TTFT = (
    "vllm:time_to_first_token_seconds"  # of the server, from a request's arrival, which is after its tokens were read
)
QUEUE = "vllm:request_queue_time_seconds"  # of the engine, from its arrival there to its being scheduled
PREFILL = "vllm:request_prefill_time_seconds"  # of the engine, from its being scheduled to its first token


def engine_wait(
    run: RunRecord,
    requests: Iterable[RequestRecord],
    report: LoadReport,
    before: MetricsRecord,
    after: MetricsRecord,
    role: Role,
) -> EngineWait | None:
    """Return how long requests were on their way before a role's engines took them, queues in the engine not counted.

    What the clients waited for first tokens, less what the engine says that its queue and its prefills took, the
    warm-up's requests included, since the engine counts them too. None where the role is not the only one, where the
    engine does not tell, or where it did not serve just these requests.
    """
    names = [instance.name for instance in run.server_start.instances if instance.role == role]
    alone = len(names) == len(run.server_start.instances)
    warmup_s = () if not report.num_warmup_requests else report.warmup_first_token_s
    if not alone or run.under_load is not None or warmup_s is None:
        return None
    clients_s = [*warmup_s, *(s for request in requests if (s := _first_token_s(request)) is not None)]
    grown = {name: increase(before, after, f"{name}_sum", instances=names) for name in (TTFT, QUEUE, PREFILL)}
    counted = {increase(before, after, f"{name}_count", instances=names) for name in (TTFT, QUEUE, PREFILL)}
    server_s, queue_s, prefill_s = (grown[name] for name in (TTFT, QUEUE, PREFILL))
    if server_s is None or queue_s is None or prefill_s is None or not clients_s or counted != {len(clients_s)}:
        return None
    mean_s = (sum(clients_s) - queue_s - prefill_s) / len(clients_s)
    server_s = (server_s - queue_s - prefill_s) / len(clients_s)
    if not 0 <= server_s <= mean_s:
        return None
    return EngineWait(mean_s, mean_s - server_s, mean_s + server_s)


def _first_token_s(request: RequestRecord) -> float | None:
    if request.sent_mono_ns is None or not request.chunk_mono_ns:
        return None
    return (request.chunk_mono_ns[0] - request.sent_mono_ns) / NS_PER_S
