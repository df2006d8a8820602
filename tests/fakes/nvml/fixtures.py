"""Fixtures with fake GPUs, for every test (loaded by tests/conftest.py)."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.nvml import FakeNvml


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake libnvidia-ml.so.1, compiled once; without a compiler the tests that need it are skipped."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: the fake GPUs cannot be built; install one that is called as `cc`")
    return FakeNvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def make_gpus(nvml_library: Path, tmp_path: Path) -> Iterator[Callable[..., FakeNvml]]:
    """Make fake GPUs that NVML in this process sees; virtual time from 0 unless `start_ns` says otherwise."""
    made: list[FakeNvml] = []

    def make(num_gpus: int = 1, start_ns: int | None = 0) -> FakeNvml:
        fake = FakeNvml(tmp_path / f"gpus{len(made)}", num_gpus, library=nvml_library, start_ns=start_ns)
        fake.activate()
        made.append(fake)
        return fake

    yield make
    for fake in made:
        fake.close()


@pytest.fixture
def make_real_time_gpus(
    make_gpus: Callable[..., FakeNvml], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], FakeNvml]:
    """Make fake GPUs that live in real time and that child processes see, too."""

    def make(num_gpus: int) -> FakeNvml:
        fake = make_gpus(num_gpus, start_ns=None)
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        return fake

    return make
