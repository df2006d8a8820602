"""Whether a study ran on a GPU that is a formula: such a device's name begins with MODELLED, and so do all outputs."""

from collections.abc import Iterable

MODELLED = "MODELLED"
MODELLED_NOTE = "MODELLED: the GPU and the server were formulas; nothing of this was measured on a real GPU"


def any_modelled(device_names: Iterable[str]) -> bool:
    """Return whether one of the devices says of itself that it is modelled."""
    return any(name.startswith(MODELLED) for name in device_names)
