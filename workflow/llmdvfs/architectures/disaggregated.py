"""`disaggregated-XpYd-CONNECTOR`: X prefill and Y decode instances behind the proxy; the KV cache is transferred."""

import re

from llmdvfs.architectures.architecture import Architecture, ArchitectureChoice


def _choose(match: re.Match[str]) -> ArchitectureChoice:
    num_instances = {"prefill": int(match["x"] or 1), "decode": int(match["y"] or 1)}
    return ArchitectureChoice("disaggregated", num_instances, connector=match["connector"] or "auto")  # type: ignore[arg-type]


DISAGGREGATED = Architecture(
    name="disaggregated",
    forms=("disaggregated", "disaggregated-XpYd", "disaggregated-CONNECTOR", "disaggregated-XpYd-CONNECTOR"),
    pattern=r"disaggregated(-(?P<x>[1-9]\d?)p(?P<y>[1-9]\d?)d)?(-(?P<connector>[a-z][a-z0-9_]*))?",
    choose=_choose,
    roles=("prefill", "decode"),
    front_door="prefill_decode",
)
