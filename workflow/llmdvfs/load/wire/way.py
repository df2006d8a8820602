"""A request's way through the instances, from the client's own stamps, as a proxy would have recorded it (pure)."""

from llmdvfs.load.wire.body import body_pieces
from llmdvfs.load.wire.exchange import Exchange
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord

CLIENT_GONE = 499  # as a proxy records a client that closed the connection, which is how this one ends its time-outs


def way_record(exchange: Exchange, request: RequestRecord) -> ProxyRecord | None:
    """Return the record of a request that instances were asked directly; None: one address was asked.

    request: the record of the same exchange. Nothing lies between client and instances: `received` is the send, and
    headers and bytes are stamped where the client has them.
    """
    hops = exchange.hops
    if hops is None:
        return None
    first = next(body_pieces(exchange.reads), None) if hops.is_streamed else None
    is_whole = hops.is_streamed and exchange.failure is None
    return ProxyRecord(
        request_id=exchange.request_id,
        received_mono_ns=exchange.scheduled_mono_ns if exchange.sent_mono_ns is None else exchange.sent_mono_ns,
        prefill_instance=hops.prefill_instance,
        prefill_sent_mono_ns=hops.prefill_sent_mono_ns,
        prefill_done_mono_ns=hops.prefill_done_mono_ns,
        decode_instance=hops.decode_instance,
        decode_sent_mono_ns=hops.decode_sent_mono_ns,
        headers_mono_ns=request.headers_mono_ns if hops.is_streamed else None,
        first_byte_mono_ns=None if first is None else first[0],
        last_byte_mono_ns=exchange.end_mono_ns if is_whole else None,
        status=CLIENT_GONE if exchange.failure == "timeout" else request.http_status,
        error=exchange.cause,
    )
