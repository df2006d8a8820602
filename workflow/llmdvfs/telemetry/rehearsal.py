"""Takes each setting of a point back once before anything is set: what cannot be taken back is never set.

On a GPU whose clocks nobody holds that changes nothing: a lock that is not there is lifted, and a limit is set to what
it is already. A process that lacks the right learns so here, before it writes down that it has set anything; then the
next way to set clocks is tried.
"""

from collections.abc import Mapping, Sequence

from llmdvfs.errors import ClockControlError
from llmdvfs.host.capabilities import only_observes
from llmdvfs.records.point import GpuSetting, How, PointState
from llmdvfs.telemetry.gpu_setting import Step, steps_of
from llmdvfs.telemetry.nvml import NvmlError, NvmlGpu
from llmdvfs.telemetry.setters.setter import is_denied
from llmdvfs.telemetry.setters.ways import FORBIDDEN, WAYS

RIGHTS = "it needs root with CAP_SYS_ADMIN, zeusd, or sudo for nvidia-smi (docs/operating-points.md)"


class NotRehearsed(Exception):
    """The point is not set, for the reason given; nothing was changed."""

    def __init__(self, state: PointState, reason: str) -> None:
        super().__init__(reason)
        self.state = state


def rehearsed(
    settings: Sequence[GpuSetting], gpus: Mapping[int, NvmlGpu], originals_w: Mapping[int, float]
) -> tuple[How, list[Step]]:
    """Return the first way in which all settings can be taken back, and their steps in it; NotRehearsed where none is.

    A driver that refuses for another reason than a missing right is not asked again in another way.
    """
    if only_observes():
        raise NotRehearsed("not_permitted", FORBIDDEN)
    denials = []
    for how in WAYS:
        where = ""
        try:
            steps = [step for one in settings for step in steps_of(one, originals_w[one.index], gpus[one.index], how)]
            for step in steps:
                where = f"GPU {step.gpu_index}, {step.what}: "
                step.take_back()
        except (NvmlError, ClockControlError) as error:
            if how == "nvml" and not is_denied(error):
                raise NotRehearsed("failed", f"{where}{error}") from error
            denials.append(f"{how}: {where}{error}")
        else:
            return how, steps
    raise NotRehearsed("not_permitted", f"{'; '.join(denials)}; {RIGHTS}")
