"""Which stream each role's engine saw, told from the stamps of client and proxy; in milliseconds, by hand."""

from dataclasses import replace

from fakes.requests import ok_request

from llmdvfs.analysis.axis.role_steps import role_steps
from llmdvfs.records.proxy import ProxyRecord
from llmdvfs.records.request import RequestRecord

MS = 1_000_000


def request(index: int, sent_ms: int, *tokens_ms: int, num_prompt_tokens: int = 8) -> RequestRecord:
    return ok_request(
        index,
        scheduled_mono_ns=sent_ms * MS,
        sent_mono_ns=sent_ms * MS,
        chunk_mono_ns=tuple(t * MS for t in tokens_ms),
        end_mono_ns=tokens_ms[-1] * MS,
        num_prompt_tokens=num_prompt_tokens,
    )


def stamps(index: int, sent_ms: int, done_ms: int) -> ProxyRecord:
    nothing = dict.fromkeys(ProxyRecord.__dataclass_fields__)
    own = {"request_id": f"r{index}", "prefill_sent_mono_ns": sent_ms * MS, "prefill_done_mono_ns": done_ms * MS}
    return ProxyRecord(**(nothing | own))  # type: ignore[arg-type]


ONE = request(0, 0, 100, 110, 120, 130)


def told(
    requests: list[RequestRecord], proxy: dict[str, ProxyRecord], **num: int
) -> list[tuple[str, str, float, float]]:
    found = role_steps(requests, proxy, num, started_mono_ns=0)  # type: ignore[arg-type]
    assert found.untold == {}
    return [(s.role, s.phase, round(1e3 * s.begin_s), round(1e3 * s.end_s)) for s in found.steps]


def test_one_instance_prefills_and_decodes() -> None:
    assert told([ONE], {}, single=1) == [("single", "prefill", 0, 100), ("single", "decode", 100, 130)]


def test_roles_apart_each_have_their_own_half() -> None:
    """Prefill from 10 to 60 ms; the first token is decode's, one step of 10 ms before it arrives at 100 ms."""
    assert told([ONE], {"r0": stamps(0, 10, 60)}, prefill=1, decode=1) == [
        ("prefill", "prefill", 10, 60),
        ("decode", "decode", 90, 130),
    ]


def test_decode_does_not_begin_before_prefill_has_answered() -> None:
    assert told([ONE], {"r0": stamps(0, 10, 95)}, prefill=1, decode=1)[1] == ("decode", "decode", 95, 130)


def test_a_request_without_stamps_is_in_neither_half() -> None:
    """The proxy lost its record, or the request never reached a prefill instance."""
    never = replace(stamps(1, 0, 0), prefill_sent_mono_ns=None, prefill_done_mono_ns=None)
    seen = told([ONE, request(1, 0, 50, 60)], {"r0": stamps(0, 10, 60), "r1": never}, prefill=1, decode=1)
    assert seen == told([ONE], {"r0": stamps(0, 10, 60)}, prefill=1, decode=1)


def test_a_client_that_left_before_its_first_token_was_prefilled_all_the_same() -> None:
    left = replace(request(1, 200, 260), chunk_mono_ns=(), chunk_num_tokens=(), outcome="disconnected")
    assert told([ONE, left], {}, single=1)[-1] == ("single", "prefill", 200, 260)
    refused = replace(left, outcome="refused")
    assert told([ONE, refused], {}, single=1) == told([ONE], {}, single=1)


def test_prompt_tokens_are_the_servers_count_else_what_was_asked() -> None:
    uncounted = replace(ONE, num_prompt_tokens=None, num_prompt_tokens_requested=7)
    for sent, tokens in ((ONE, 8), (uncounted, 7)):
        steps = role_steps([sent], {}, {"single": 1}, started_mono_ns=0).steps
        assert steps[0].num_prompt_tokens == tokens


def test_several_instances_cannot_be_told_apart() -> None:
    found = role_steps([ONE], {}, {"single": 2}, started_mono_ns=0)
    assert (found.steps, found.stamp_error_s) == ((), {})
    assert found.untold == {"single": "steps of 2 instances cannot be told apart by a role's streams"}


def test_chunks_of_several_tokens_hide_the_steps_of_decode_but_not_of_prefill() -> None:
    """Three chunks with 2, 1 and 1 tokens are 1.33 a chunk. Prefill is told by the proxy's stamps in any case."""
    bursts = replace(ONE, chunk_mono_ns=ONE.chunk_mono_ns[:3], chunk_num_tokens=(2, 1, 1))
    found = role_steps([bursts], {"r0": stamps(0, 10, 60)}, {"prefill": 1, "decode": 1}, started_mono_ns=0)
    assert [step.role for step in found.steps] == ["prefill"]
    assert found.untold == {"decode": "a chunk holds 1.3 tokens: several steps"}
    mostly = replace(ONE, chunk_num_tokens=(1, 1, 1, 1))
    assert role_steps([mostly], {}, {"single": 1}, started_mono_ns=0).untold == {}
