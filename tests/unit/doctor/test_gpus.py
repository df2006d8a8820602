"""GPUs of fakes: too few, taken, too small, apart, held by somebody."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.nvml import FakeNvml
from fakes.sudo_smi import FakeSudoSmi
from unit.plan.test_config import study_of

from llmdvfs.doctor import gpus
from llmdvfs.plan.study import Study
from llmdvfs.records.doctor import Check

MakeGpus = Callable[..., FakeNvml]
SHAPE = {"qwen3-8b": {"source": "shape", "location": "qwen3-8b"}}
LARGE = {"llama-3.1-70b": {"source": "shape", "location": "llama-3.1-70b"}}


@pytest.fixture(autouse=True)
def _all_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def cuda_study(**changes: Any) -> Study:
    defaults = {"device": "cuda", "architectures": ["replicated-2"], "models": SHAPE, "serving.connector": "nixl"}
    return study_of(defaults | {key.replace("__", "."): value for key, value in changes.items()})


def the(checks: Any, name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_a_study_on_cpus_needs_no_driver() -> None:
    assert the(gpus.gpus(study_of({})), "GPUs").status == "ok"
    assert list(gpus.links(study_of({}))) == []
    assert list(gpus.memory(study_of({}))) == []


def test_no_driver_is_a_problem(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=1).deactivate()
    check = the(gpus.gpus(cuda_study()), "driver")
    assert check.status == "problem"
    assert "nvidia-smi" in check.advice


def test_enough_free_gpus(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=2)
    checks = list(gpus.gpus(cuda_study()))
    assert [check.status for check in checks] == ["ok", "ok"]
    assert "2 needed, 2 of 2 free" in checks[1].seen


def test_too_few_gpus(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=1)
    assert the(gpus.gpus(cuda_study()), "GPUs").status == "problem"


def test_somebody_on_a_gpu_that_is_not_needed_is_a_warning(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=3).set_processes(1, {4711: 2**30})
    check = the(gpus.gpus(cuda_study()), "GPUs")
    assert check.status == "warning"
    assert "GPU 1: process 4711" in check.seen


def test_somebody_on_a_gpu_that_is_needed_is_a_problem(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=2).set_processes(1, {4711: 2**30})
    check = the(gpus.gpus(cuda_study()), "GPUs")
    assert check.status == "problem"
    assert "process 4711" in check.seen


def test_named_and_visible_gpus_only(make_gpus: MakeGpus, monkeypatch: pytest.MonkeyPatch) -> None:
    make_gpus(num_gpus=4)
    assert "2 of 2 free" in the(gpus.gpus(cuda_study(serving__gpus=[1, 3])), "GPUs").seen
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert "1 of 1 free" in the(gpus.gpus(cuda_study()), "GPUs").seen


def test_a_model_that_fits_and_one_that_does_not(make_gpus: MakeGpus) -> None:
    """8 thousand million weights of 2 bytes are 15.3 GiB, 70 thousand million are 131 GiB: more than 90 % of 141 GB."""
    make_gpus(num_gpus=2)
    assert {check.status for check in gpus.memory(cuda_study())} == {"ok"}
    check = the(gpus.memory(cuda_study(models=LARGE)), "GPU memory")
    assert check.status == "problem"
    assert "tensor_parallel_size" in check.seen


def test_memory_is_not_judged_on_gpus_that_cannot_be_had(make_gpus: MakeGpus) -> None:
    make_gpus(num_gpus=2).set_processes(1, {4711: 2**30})
    assert list(gpus.memory(cuda_study())) == []


def test_gpus_without_peer_access_are_a_warning(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=2)
    assert the(gpus.links(cuda_study()), "GPU links").status == "ok"
    fake.set_property(1, "peer_access", 0)
    check = the(gpus.links(cuda_study()), "GPU links")
    assert check.status == "warning"
    assert "host memory" in check.advice


def test_a_limit_and_a_division_of_somebody_else(make_gpus: MakeGpus) -> None:
    fake = make_gpus(num_gpus=2)
    assert [check.name for check in gpus.clocks(cuda_study())] == ["clocks"]
    fake.set_property(0, "mig", 1)
    checks = list(gpus.clocks(cuda_study()))
    assert the(checks, "GPU 0").seen.startswith("divided")


def test_clocks_are_asked_for_and_never_set(make_gpus: MakeGpus, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = make_gpus(num_gpus=2)
    fake.deny(0, ["set_clocks", "set_power_limit"])  # would raise if they were called
    fake.deny(1, ["set_clocks", "set_power_limit"])
    study = cuda_study(operating_points={"low": {"sm_clock_mhz": {"single": 900}}})
    monkeypatch.setattr(gpus, "has_capability", lambda _: False)
    monkeypatch.setenv("PATH", "")
    check = the(gpus.clocks(study), "clocks")
    assert check.status == "warning"
    assert "low: this process may not" in check.seen
    monkeypatch.setattr(gpus, "has_capability", lambda _: True)
    assert the(gpus.clocks(study), "clocks").status == "ok"


def test_sudo_counts_as_a_right_to_set_clocks(
    make_gpus: MakeGpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_gpus(num_gpus=2)
    monkeypatch.setattr(gpus, "has_capability", lambda _: False)
    sudo = FakeSudoSmi(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{sudo.folder}:{os.environ['PATH']}")
    check = the(gpus.clocks(cuda_study(operating_points={"low": {"sm_clock_mhz": {"single": 900}}})), "clocks")
    assert check.status == "ok"
    assert check.seen == "low: the GPUs have them, and sudo nvidia-smi has the right to set them"
    assert sudo.asked == []  # nothing was set


def test_clocks_are_ok_only_with_a_driver(make_gpus: MakeGpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without GPUs was told that its clocks are ok: root has the right, and there is nothing to set."""
    monkeypatch.setattr(gpus, "has_capability", lambda _: True)
    make_gpus(num_gpus=1).deactivate()
    check = the(gpus.clocks(cuda_study(operating_points={"low": {"sm_clock_mhz": {"single": 900}}})), "clocks")
    assert (check.status, check.seen) == ("warning", "low: no GPU to set them on")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"sm_clock_mhz": {"single": 2500}}, "has no core clock near 2500 MHz (single); it has 345 to 1980 MHz"),
        ({"memory_clock_mhz": {"single": 2600}}, "has no memory clock near 2600 MHz (single); it has 2201 to 3201 MHz"),
        ({"power_limit_w": {"single": 900}}, "takes no limit of 900 W (single); 200 to 700 W"),
    ],
)
def test_clocks_and_limits_that_the_gpus_do_not_have(
    make_gpus: MakeGpus, monkeypatch: pytest.MonkeyPatch, asked: Any, told: str
) -> None:
    make_gpus(num_gpus=2)
    monkeypatch.setattr(gpus, "has_capability", lambda _: True)
    check = the(gpus.clocks(cuda_study(operating_points={"odd": asked})), "clocks")
    assert check.status == "problem"
    assert f"odd: GPU 0 {told}" in check.seen
