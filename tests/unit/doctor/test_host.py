"""The host, as files below a made-up root say it."""

import fcntl
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest
from unit.plan.test_config import study_of

from llmdvfs.doctor import cgroup, host, limits, measuring
from llmdvfs.host.capabilities import SYS_ADMIN, SYS_NICE, has_capability

GIB = 2**30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_limits_of_cgroups_version_2_are_those_of_the_narrowest_group(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/batch/job\n",
            "sys/fs/cgroup/batch/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/batch/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/batch/job/memory.max": f"{8 * GIB}\n",
            "sys/fs/cgroup/batch/job/memory.current": f"{6 * GIB}\n",
            "sys/fs/cgroup/batch/memory.max": "max\n",
            "sys/fs/cgroup/batch/memory.current": "5\n",
        },
    )
    assert cgroup.cpu_limit(root) == 1.5
    assert cgroup.memory_left_bytes(root) == 2 * GIB


def test_limits_of_cgroups_version_1(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "5\n",
        },
    )
    assert cgroup.cpu_limit(root) == 2.0
    assert cgroup.memory_left_bytes(root) is None


def test_no_cgroup_is_no_limit(tmp_path: Path) -> None:
    assert cgroup.cpu_limit(tmp_path) is None
    assert cgroup.memory_left_bytes(tmp_path) is None


def test_a_container_of_one_cpu_is_too_small_for_two_servers(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"})
    (check,) = host.cpus(study_of({}), root)
    assert check.status == "warning"
    assert "1 of" in check.seen
    assert "keep 3 busy" in check.seen  # prefill, decode, and the instruments


def test_a_container_with_too_little_memory_is_a_problem(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{GIB}", "sys/fs/cgroup/memory.current": "0"}
    (check,) = host.memory(study_of({}), write(tmp_path, files))
    assert check.status == "problem"
    assert "1.0 GiB available" in check.seen


def test_disk_and_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def free(num_bytes: int) -> None:
        monkeypatch.setattr(host.shutil, "disk_usage", lambda place: SimpleNamespace(free=num_bytes))

    study = study_of({"results": str(tmp_path / "not" / "there")})
    for num_bytes, status in ((100 * GIB, "ok"), (5 * GIB, "warning"), (GIB // 2, "problem")):
        free(num_bytes)
        assert next(host.disk(study)).status == status
    free(GIB // 16)
    assert next(host.shared_memory(study)).status == "ok"
    parallel = study_of({"architectures": ["tensor_parallel-2"]})
    assert next(host.shared_memory(parallel)).status == "warning"
    assert next(host.shared_memory(study, tmp_path / "none")).status == "problem"


def test_governors(tmp_path: Path) -> None:
    assert next(host.governor(tmp_path)).status == "ok"
    files = {f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_governor": "performance\n" for n in range(2)}
    assert next(host.governor(write(tmp_path, files))).seen == "performance"
    write(tmp_path, {"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave\n"})
    check = next(host.governor(tmp_path))
    assert (check.status, check.seen) == ("warning", "performance, powersave")


def test_another_measurement_is_seen_without_disturbing_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert next(host.other_runs(lock)).status == "ok"
    lock.write_text("4711")
    assert next(host.other_runs(lock)).status == "ok"  # somebody measured here, some time ago
    with lock.open("r+") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        check = next(host.other_runs(lock))
    assert (check.status, check.seen) == ("warning", "process 4711 measures")


def test_capabilities_are_bits(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/self/status": "Name:\tx\nCapEff:\t0000000000800000\n"})
    assert has_capability(SYS_NICE, root)
    assert not has_capability(SYS_ADMIN, root)


def test_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, {"proc/self/status": "CapEff:\t0000000000000000\n"})
    allowed = {resource.RLIMIT_RTPRIO: (0, 0), resource.RLIMIT_NICE: (0, 0)}
    monkeypatch.setattr(limits.resource, "getrlimit", lambda kind: allowed[kind])
    assert next(limits.priority(root)).status == "warning"
    allowed[resource.RLIMIT_RTPRIO] = (99, 99)
    assert next(limits.priority(root)).status == "ok"


def test_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.resource, "getrlimit", lambda kind: (256, 1024))
    assert next(limits.open_files(study_of({}))).status == "ok"
    many = study_of({"workloads.concurrent.arrival.concurrency": 1000})
    check = next(limits.open_files(many))
    assert (check.status, check.seen) == ("problem", "at most 1024, about 1256 needed")
    own_router = study_of({"workloads.concurrent.arrival.concurrency": 400, "serving.route": "direct"})
    assert next(limits.open_files(own_router)).seen == "at most 1024, about 1056 needed"  # to prefill and to decode


def test_a_loopback_port_can_be_had() -> None:
    assert next(limits.ports(study_of({}))).status == "ok"


def test_the_clock_is_named_with_its_cost(tmp_path: Path) -> None:
    root = write(tmp_path, {"sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n"})
    assert next(measuring.clock(root)).seen.startswith("CLOCK_MONOTONIC from tsc, ")
    assert next(measuring.wall_clock()).status in ("ok", "warning")
