"""Where energy comes from, on fake GPUs."""

from collections.abc import Callable

import pytest
from fakes.nvml import NO_PERMISSION, NOT_SUPPORTED, FakeNvml
from unit.doctor.test_gpus import cuda_study
from unit.plan.test_config import study_of

from llmdvfs.doctor.measuring import activity, energy

MakeGpus = Callable[..., FakeNvml]
COUNTER_FIELD = 83


@pytest.fixture(autouse=True)
def _all_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def without_counter(fake: FakeNvml, gpu: int) -> None:
    fake.set_field(gpu, COUNTER_FIELD, error=NOT_SUPPORTED)
    fake.deny(gpu, ["energy"], NOT_SUPPORTED)


def test_the_sources_of_the_gpus_that_the_study_may_take(make_gpus: MakeGpus) -> None:
    """A display GPU beside them has no counter: the whole host was told to have none."""
    without_counter(make_gpus(num_gpus=3), 2)
    (check,) = energy(cuda_study(serving__gpus=[0, 1]))
    assert (check.status, check.seen) == ("ok", "the energy counter of GPU 0, 1")


def test_each_gpu_is_told_with_its_own_source(make_gpus: MakeGpus) -> None:
    without_counter(make_gpus(num_gpus=3), 2)
    (check,) = energy(cuda_study())
    assert check.status == "warning"
    assert check.seen == (
        "the energy counter of GPU 0, 1; power readings, integrated, for want of an energy counter, of GPU 2"
    )


def test_a_machine_without_a_driver_and_a_study_on_cpus(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=1).deactivate()
    (check,) = energy(cuda_study())
    assert (check.status, check.seen) == ("warning", "no GPU to read")
    (check,) = energy(study_of({}))
    assert check.seen.startswith(("RAPL", "no power data on this machine"))


def test_the_right_to_see_what_the_parts_of_a_gpu_do_is_asked_for(make_gpus: MakeGpus) -> None:
    """Without it a study ran through, and said only at its end that nobody knows what a phase is bound by."""
    fake = make_gpus(num_gpus=2)
    fake.deny(1, ["gpm"], NO_PERMISSION)
    denied, granted = activity(cuda_study())
    assert (denied.status, granted.status) == ("warning", "ok")
    assert denied.seen.startswith("GPU 1: nvmlGpmSampleGet")
    assert "NVreg_RestrictProfilingToAdminUsers=0" in denied.seen
    assert granted.seen == "SM, tensor cores and DRAM of GPU 0"
    assert not list(activity(study_of({})))
