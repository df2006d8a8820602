"""Table of all architectures, and the reading of their names."""

import re

from llmdvfs.architectures.architecture import Architecture, ArchitectureChoice
from llmdvfs.architectures.disaggregated import DISAGGREGATED
from llmdvfs.architectures.external import EXTERNAL
from llmdvfs.architectures.replicated import REPLICATED
from llmdvfs.architectures.single import SINGLE
from llmdvfs.architectures.tensor_parallel import TENSOR_PARALLEL
from llmdvfs.connectors.table import CONNECTORS
from llmdvfs.errors import ConfigError

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture for architecture in (SINGLE, REPLICATED, TENSOR_PARALLEL, DISAGGREGATED, EXTERNAL)
}


def parse_architecture(text: str) -> ArchitectureChoice:
    """Return the architecture that a name such as `replicated-2` asks for; ConfigError lists the possible forms."""
    for architecture in ARCHITECTURES.values():
        match = re.fullmatch(architecture.pattern, text)
        if match:
            choice = architecture.choose(match)
            if choice.connector in (None, "auto", *CONNECTORS):
                return choice
            raise ConfigError(
                f"architecture {text!r}: connector {choice.connector!r} is not known; "
                f"expected auto, {', '.join(CONNECTORS)}"
            )
    forms = ", ".join(form for architecture in ARCHITECTURES.values() for form in architecture.forms)
    raise ConfigError(f"architecture {text!r} is not known; expected one of {forms}")


def architecture_named(name: str) -> Architecture:
    """Return the architecture with this key of the table, as deployment specifications carry it."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        raise ConfigError(f"architecture {name!r} is not known; expected one of {', '.join(ARCHITECTURES)}") from None
