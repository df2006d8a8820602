"""The two requests that one becomes on its way through prefill to decode, as its connector wants them."""

import secrets
from typing import Any

import msgspec

from llmdvfs.connectors.connector import Body, Connector
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.records.route import KvAddresses, Upstream
from llmdvfs.routing.failure import BAD_GATEWAY, UpstreamFailed

OK = 200
UNREADABLE = (ValueError, RecursionError)
"""What msgspec raises: errors of its own, UnicodeDecodeError, both ValueErrors, and RecursionError for deep nesting."""
_ANSWER = msgspec.json.Decoder(dict[str, Any])


class Pair:
    """One request of a client, and the instances chosen for it."""

    def __init__(
        self, connector: str | None, prefill: Upstream, decode: Upstream, endpoint: str, body: Body, client_id: str
    ) -> None:
        """Form the pair.

        connector: name in the table. endpoint: path of the request. body: what the client asks; it is not changed.
        client_id: the client's own X-Request-Id.
        """
        self._connector, self._at_prefill = _needed(connector, prefill.kv)
        _, at_decode = _needed(connector, decode.kv)
        self._name, self._endpoint, self._body = prefill.name, endpoint, body
        # Two clients may use one id; engines and connectors must not mix the two up.
        unique_id = f"{client_id}-{secrets.token_hex(6)}"
        self.request_id = self._connector.request_id(unique_id, self._at_prefill, at_decode)
        """X-Request-Id of both requests."""

    @property
    def goes_together(self) -> bool:
        """Whether both are sent at once, instead of decode's after prefill's answer."""
        return self._connector.sends_together

    def prefill_content(self) -> bytes:
        """Return the body for the prefill instance."""
        return msgspec.json.encode(self._connector.prefill_body(self._body, self.request_id))

    def prefilled(self, status: int, whole: bytes) -> Body:
        """Return what a prefill instance's whole answer says; UpstreamFailed: it is not what decode needs."""
        if status != OK:
            raise UpstreamFailed(status, f"{self._name}: prefill answered {status}", whole)
        try:
            return _ANSWER.decode(whole)
        except UNREADABLE as error:
            words = f"{self._name}: the prefill answer is not a JSON object ({error})"
            raise UpstreamFailed(BAD_GATEWAY, words) from error

    def decode_content(self, prefilled: Body | None) -> bytes:
        """Return the body for the decode instance; UpstreamFailed: prefill's answer lacks what it needs.

        prefilled: prefill's answer; None where both requests are sent at once.
        """
        try:
            body = self._connector.decode_body(self._body, self.request_id, prefilled, self._at_prefill, self._endpoint)
        except ValueError as error:
            raise UpstreamFailed(BAD_GATEWAY, f"{self._name}: {error}") from error
        return msgspec.json.encode(body)


def _needed(connector: str | None, addresses: KvAddresses | None) -> tuple[Connector, KvAddresses]:
    if connector is None or addresses is None:
        raise ValueError("a plan with prefill instances needs a connector and KV addresses")
    return CONNECTORS[connector], addresses
