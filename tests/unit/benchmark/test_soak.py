"""When a GPU is warm: temperatures worked out by hand, on a clock that only the test moves."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.nvml import FakeNvml
from fakes.workloads import workload
from unit.plan.test_config import study_of

from llmdvfs.benchmark import soak as soak_module
from llmdvfs.benchmark.soak import largest_slope_c_per_min, until_steady
from llmdvfs.errors import DataError
from llmdvfs.plan.identity import StudyIdentities
from llmdvfs.records.job import MeasureSettings
from llmdvfs.records.load import LoadSpec
from llmdvfs.records.run import SoakRecord
from llmdvfs.records.spec import CellId

S = 1_000_000_000


def soaked(temperature_c: Callable[[float], tuple[float, ...]]) -> tuple[SoakRecord, int]:
    """Return the record, and how often the load was looked after; a second passes at each look."""
    now_ns, num_looks = 7 * S, 0

    def sleep(length_s: float) -> None:
        nonlocal now_ns
        now_ns += round(length_s * S)

    def keep_loaded() -> None:
        nonlocal num_looks
        num_looks += 1

    record = until_steady(lambda: temperature_c((now_ns - 7 * S) / S), keep_loaded, lambda: now_ns, sleep)
    return record, num_looks


def test_a_heat_sink_is_waited_for() -> None:
    """25 to 65 degrees with a time constant of 20 s, told in whole degrees: at 90 s 0.44 degrees are left."""
    record, num_looks = soaked(lambda t_s: (float(round(65 - 40 * math.exp(-t_s / 20))),))
    assert record.is_steady
    assert 75 < record.duration_s < 125
    assert record.temperature_c >= 64
    assert num_looks == record.duration_s + 1


def test_a_warm_gpu_costs_half_a_minute() -> None:
    record, _ = soaked(lambda _: (60.0, 58.0))
    assert record == SoakRecord(30.0, True, pytest.approx(0.0, abs=1e-9), 60.0)


def test_every_gpu_has_to_be_warm_and_the_time_is_limited() -> None:
    """One stands at 50 degrees, the other gains 2 degrees a minute for ever."""
    record, _ = soaked(lambda t_s: (50.0, 40.0 + t_s / 30))
    assert (record.duration_s, record.is_steady) == (300.0, False)
    assert record.slope_c_per_min == pytest.approx(2.0)


def test_a_gpu_that_cools_down_is_not_steady_either() -> None:
    looks = [(float(t), (80.0 - t / 10,)) for t in range(40)]
    assert largest_slope_c_per_min(looks) == pytest.approx(6.0)
    assert largest_slope_c_per_min(looks[:30]) is None  # 29 s: too short to say


class ShortLoad:
    """A load generator that has ended when it is looked at for the third time."""

    def __init__(self, spec: LoadSpec, failure: str | None) -> None:
        self._looks, self._failure = 0, failure
        (Path(spec.folder) / "requests.jsonl").write_text("{}")

    def has_ended(self) -> bool:
        self._looks += 1
        return self._looks >= 3

    def check_ended_well(self) -> None:
        if self._failure:
            raise DataError(self._failure)


class Task:
    """What soak asks of a task."""

    job = SimpleNamespace(settings=MeasureSettings(soak="auto"))

    def load_spec(self, deployment: object, folder: Path) -> LoadSpec:
        return LoadSpec(workload(), "http://127.0.0.1:1", "m", None, 1, 2, str(folder), None)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, make_gpus: Callable[..., FakeNvml]) -> list[str]:
    """Folders of the loads that soak starts on a fake GPU, each of which ends soon; a second passes at each look."""
    started: list[str] = []
    fake = make_gpus()

    @contextmanager
    def client(spec: LoadSpec) -> Iterator[ShortLoad]:
        started.append(spec.folder)
        yield ShortLoad(spec, "out of tokens" if "fails" in spec.folder else None)

    monkeypatch.setattr(soak_module, "load_client", client)
    look = soak_module.until_steady
    monkeypatch.setattr(
        soak_module,
        "until_steady",
        lambda read, keep: look(read, keep, fake.now_ns, lambda s: fake.advance(round(s * S))),
    )
    return started


DEPLOYMENT: Any = SimpleNamespace(gpu_indices=(0,))


def test_a_load_that_ends_is_started_again_and_nothing_of_it_is_kept(runs: list[str], tmp_path: Path) -> None:
    task: Any = Task()
    record = soak_module.soak(task, DEPLOYMENT, tmp_path / "cell")
    assert record is not None
    assert (record.duration_s, record.is_steady) == (30.0, True)
    assert len(runs) == 11  # 31 looks, each load ends at its third; the last has just begun
    assert not list((tmp_path / "cell").iterdir())


def test_a_load_that_fails_ends_it_with_its_cause(runs: list[str], tmp_path: Path) -> None:
    task: Any = Task()
    with pytest.raises(DataError, match="out of tokens"):
        soak_module.soak(task, DEPLOYMENT, tmp_path / "fails")
    assert len(runs) == 1


def test_without_gpus_or_the_key_nothing_is_loaded(runs: list[str], tmp_path: Path) -> None:
    task: Any = Task()
    assert soak_module.soak(task, SimpleNamespace(gpu_indices=()), tmp_path) is None  # type: ignore[arg-type]
    cold: Any = SimpleNamespace(job=SimpleNamespace(settings=MeasureSettings()))
    assert soak_module.soak(cold, DEPLOYMENT, tmp_path) is None
    assert not runs


def test_a_study_without_it_keeps_the_keys_of_what_was_measured_before_it_existed() -> None:
    plain, soaking = study_of({"measure": {}}), study_of({"measure": {"soak": "auto"}})
    cell = CellId("single_tiny", "decode", "stock", 1)
    settings = [StudyIdentities(study).identity(cell)["settings"] for study in (plain, soaking)]
    assert "soak" not in settings[0]
    assert settings[1] == settings[0] | {"soak": "auto"}
