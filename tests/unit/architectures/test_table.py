import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdvfs.architectures.architecture import ArchitectureChoice
from llmdvfs.architectures.table import ARCHITECTURES, architecture_named, parse_architecture
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("single", ArchitectureChoice("single", {"single": 1})),
        ("replicated", ArchitectureChoice("replicated", {"single": 2})),
        ("replicated-12", ArchitectureChoice("replicated", {"single": 12})),
        ("tensor_parallel", ArchitectureChoice("tensor_parallel", {"single": 1}, tensor_parallel_size=2)),
        ("tensor_parallel-8", ArchitectureChoice("tensor_parallel", {"single": 1}, tensor_parallel_size=8)),
        ("disaggregated", ArchitectureChoice("disaggregated", {"prefill": 1, "decode": 1}, connector="auto")),
        ("disaggregated-2p1d", ArchitectureChoice("disaggregated", {"prefill": 2, "decode": 1}, connector="auto")),
        ("disaggregated-nixl", ArchitectureChoice("disaggregated", {"prefill": 1, "decode": 1}, connector="nixl")),
        (
            "disaggregated-3p12d-p2p_nccl",
            ArchitectureChoice("disaggregated", {"prefill": 3, "decode": 12}, connector="p2p_nccl"),
        ),
        ("external", ArchitectureChoice("external", {})),
    ],
)
def test_names_are_read(text: str, choice: ArchitectureChoice) -> None:
    assert parse_architecture(text) == choice


@pytest.mark.parametrize(
    "text", ["", "Single", "replicated-0", "tensor_parallel-1", "disaggregated-0p1d", "disaggregated-1p", "single-2"]
)
def test_other_names_are_refused_with_all_forms(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_architecture(text)
    assert repr(text) in str(refused.value)
    for form in ("single", "replicated-N", "tensor_parallel-N", "disaggregated-XpYd-CONNECTOR", "external"):
        assert form in str(refused.value)


def test_an_unknown_connector_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"connector 'rdma' is not known; expected auto, p2p_nccl, nixl_push, nixl"):
        parse_architecture("disaggregated-1p1d-rdma")


def test_every_row_says_who_stands_before_it() -> None:
    doors = {name: architecture.front_door for name, architecture in ARCHITECTURES.items()}
    assert doors == {
        "single": "none",
        "replicated": "balancer",
        "tensor_parallel": "none",
        "disaggregated": "prefill_decode",
        "external": "none",
    }


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="'mesh' is not known"):
        architecture_named("mesh")


@given(
    num_prefill=st.integers(1, 99),
    num_decode=st.integers(1, 99),
    connector=st.sampled_from(["auto", *CONNECTORS]),
)
def test_numbers_and_connector_are_read_back(num_prefill: int, num_decode: int, connector: str) -> None:
    choice = parse_architecture(f"disaggregated-{num_prefill}p{num_decode}d-{connector}")
    assert choice.num_instances == {"prefill": num_prefill, "decode": num_decode}
    assert choice.connector == connector


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    is_known = any(re.fullmatch(architecture.pattern, text) for architecture in ARCHITECTURES.values())
    if is_known:
        assert parse_architecture(text).name in ARCHITECTURES
    else:
        with pytest.raises(ConfigError, match="is not known; expected one of single"):
            parse_architecture(text)
