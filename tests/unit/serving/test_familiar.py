"""A head that was parsed once is known again, and nothing else is taken for it."""

from itertools import pairwise

import httptools
import pytest

from llmdvfs.serving.proxy.familiar import FamiliarHead

BODY = b'{"model":"m","prompt":[1,2,3]}'


def message(request_id: str = "r-1", body: bytes = BODY, *, length: bytes | None = None, more: bytes = b"") -> bytes:
    """Return a request as the load generator sends it."""
    return (
        b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
        b"Accept: text/event-stream\r\nX-Request-Id: %b\r\nContent-Length: %b\r\n%b\r\n%b"
        % (request_id.encode("latin-1"), length or b"%d" % len(body), more, body)
    )


def known(first: bytes | None = None, request_id: str = "r-1") -> FamiliarHead:
    head = FamiliarHead.of(first or message(), b"/v1/completions", request_id)
    assert head is not None
    return head


@pytest.mark.parametrize(
    "more", [b"", b"Authorization: Bearer x\r\n", b"Connection: keep-alive\r\nUser-Agent: a/1\r\n"]
)
@pytest.mark.parametrize("body", [b"", b"{}", BODY, b"\r\n\r\n", b"x" * 100_000, message()])
def test_id_and_body_of_the_next(body: bytes, more: bytes) -> None:
    head = known(message(more=more))
    assert head.path == b"/v1/completions"
    assert head.split(message("another-id", body, more=more)) == ("another-id", body)


def test_names_are_known_in_any_case() -> None:
    small = message().lower()
    assert known(small).split(message("r-2", b"{}").lower()) == ("r-2", b"{}")
    assert known(small).split(message("r-2", b"{}")) is None


@pytest.mark.parametrize(
    "other",
    [
        message().replace(b"/v1/completions", b"/v1/chat/completions"),
        message().replace(b"HTTP/1.1", b"HTTP/1.0"),
        message().replace(b"8000", b"8001"),
        message(more=b"Transfer-Encoding: chunked\r\n"),
        message(more=b"X-Request-Id: second\r\n"),
        message(more=b"Content-Length: 1\r\n"),
        message().replace(b"X-Request-Id: r-1\r\n", b""),
        message("two words"),
        message("caf\xe9"),
        message(""),
        message("r-1\r\nX-Other: 1"),
        message(length=b"+30"),
        message(length=b" 30"),
        message(length=b"3_0"),
        message(length=b"0x1e"),
        message(length=b"29"),
        message(length=b"31"),
        message(length=b"9" * 5000),
        message() + b"\r\n",
        message() + message(),
        message()[:-1],
        message()[1:],
        BODY,
        b"",
    ],
)
def test_what_is_left_to_the_parser(other: bytes) -> None:
    assert known().split(other) is None


def test_no_part_of_a_request_is_taken_for_one() -> None:
    whole = message("r-2")
    head = known()
    assert [cut for cut in range(len(whole)) if head.split(whole[:cut]) is not None] == []


def test_no_byte_of_a_head_but_the_id_may_differ() -> None:
    first = message(more=b"After: 1\r\n").replace(b"\r\nContent-L", b"\r\nBetween: 1\r\nContent-L")
    head = known(first)
    others = [first[:at] + bytes([first[at] ^ 1]) + first[at + 1 :] for at in range(first.index(BODY))]
    assert [found for other in others if (found := head.split(other)) is not None] == [
        ("s-1", BODY),
        ("r,1", BODY),
        ("r-0", BODY),
    ]


@pytest.mark.parametrize(
    "first",
    [
        message(more=b"X-Request-Id: second\r\n"),
        message(more=b"Content-Length: 30\r\n"),
        message().replace(b"X-Request-Id: r-1\r\n", b""),
        message().replace(b"X-Request-Id: r-1", b"X-Request-Id:r-1"),
        message().replace(b"X-Request-Id: r-1\r\n", b"").replace(b"\r\n\r\n", b"\r\nX-Request-Id: r-1\r\n\r\n"),
        message() + b"more",
        message()[:-1],
        b"",
    ],
)
def test_heads_of_another_form_are_not_kept(first: bytes) -> None:
    assert FamiliarHead.of(first, b"/v1/completions", "r-1") is None


def test_a_head_in_which_the_parser_found_another_id_is_not_kept() -> None:
    assert FamiliarHead.of(message("r-1"), b"/v1/completions", "r-2") is None


class Parsed:
    """What httptools finds in what it is given."""

    def __init__(self, data: bytes) -> None:
        self.found: list[tuple[str, bytes]] = []
        self._id, self._body = "", b""
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-request-id":
            self._id = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.found.append((self._id, self._body))
        self._body = b""


def test_what_is_found_is_what_the_parser_finds() -> None:
    """Over ids and lengths of every printable character: whatever is split, httptools splits in the same way."""
    head, num_split = known(), 0
    tokens = [chr(code) for code in range(256)] + [f"a{chr(code)}b" for code in range(256)]
    for token, before in pairwise(tokens):
        for other in (message(token), message(before, length=token.encode("latin-1") or None)):
            found = head.split(other)
            if found is not None:
                num_split += 1
                assert Parsed(other).found == [found]
    assert num_split > 2 * 94 - 2
