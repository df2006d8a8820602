"""`external`: an OpenAI-compatible endpoint that somebody else runs."""

from llmdvfs.architectures.architecture import Architecture, ArchitectureChoice

EXTERNAL = Architecture(
    name="external",
    forms=("external",),
    pattern=r"external",
    choose=lambda match: ArchitectureChoice("external", {}),
    roles=(),
    front_door="none",
)
