from dataclasses import replace
from pathlib import Path

import pytest

from llmdvfs.errors import ConfigError
from llmdvfs.records.host import HostGpu
from llmdvfs.serving.instance.gpus import take_gpus, visible_gpus, within_allocation

GIB = 2**30
HOST = [HostGpu(index, f"GPU-{index}{index}", "H200", 140 * GIB, 139 * GIB) for index in range(4)]
BUSY = replace(HOST[1], processes=("process 4711 (python train.py)",))


def indices(gpus: list[HostGpu] | tuple[HostGpu, ...]) -> list[int]:
    return [gpu.index for gpu in gpus]


def test_the_first_free_ones_are_taken(tmp_path: Path) -> None:
    host = [HOST[0], BUSY, HOST[2], HOST[3]]
    assert indices(take_gpus(2, None, host, None, tmp_path).gpus) == [0, 2]


def test_two_runs_never_share(tmp_path: Path) -> None:
    first = take_gpus(2, None, HOST, None, tmp_path)
    second = take_gpus(2, None, HOST, None, tmp_path)
    assert indices(first.gpus) == [0, 1]
    assert indices(second.gpus) == [2, 3]
    with pytest.raises(ConfigError, match="1 GPU needed, 0 of 4 visible free: GPU 0 is leased to process"):
        take_gpus(1, None, HOST, None, tmp_path)
    first.release()
    assert indices(take_gpus(1, None, HOST, None, tmp_path).gpus) == [0]


def test_wanted_ones_come_in_their_order(tmp_path: Path) -> None:
    assert indices(take_gpus(2, (3, 0), HOST, None, tmp_path).gpus) == [3, 0]


def test_a_gpu_in_use_is_refused_with_its_user(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        take_gpus(2, (0, 1), [HOST[0], BUSY], None, tmp_path)
    assert "GPU 1 is in use by process 4711 (python train.py)" in str(refused.value)
    # What had been leased on the way is free again.
    assert indices(take_gpus(1, (0,), HOST, None, tmp_path).gpus) == [0]


def test_an_index_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no GPU \[7\]; expected among \[2, 3\] \(CUDA_VISIBLE_DEVICES=2,3\)"):
        take_gpus(1, (7,), HOST, "2,3", tmp_path)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("2,0", [2, 0]),
        ("GPU-33,1", [3, 1]),
        ("", []),
        ("1,9,2", [1]),  # CUDA ignores what follows an unknown device
        ("-1", []),
    ],
)
def test_what_the_scheduler_left_visible(visible: str | None, expected: list[int]) -> None:
    assert indices(visible_gpus(HOST, visible)) == expected


def test_a_host_without_gpus_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 GPU needed, 0 of 0 visible free; wait"):
        take_gpus(1, None, [], None, tmp_path)


def test_slurm_chooses_which_gpus_a_job_gets() -> None:
    """Two launches side by side on a cluster name both GPUs and are dealt one each; both had been refused."""
    gpus, dealt = HOST[:2], {"SLURM_STEP_GPUS": "1", "CUDA_VISIBLE_DEVICES": "1"}
    assert within_allocation([0, 1], gpus, dealt) is None
    assert within_allocation([0, 1], gpus, {"CUDA_VISIBLE_DEVICES": "1"}) == [0, 1]  # a user's own: refused below
    assert within_allocation([1], gpus, {"SLURM_STEP_GPUS": "0,1", "CUDA_VISIBLE_DEVICES": "0,1"}) == [1]
    assert within_allocation(None, gpus, dealt) is None


def test_a_pod_sees_the_gpus_that_it_was_dealt_and_counts_them_anew() -> None:
    """A study names four GPUs; the pod of one of its launches has the third alone, as its GPU 0."""
    in_pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    assert within_allocation([0, 1, 2, 3], HOST[:1], in_pod) is None
    assert within_allocation([0, 1], HOST[:2], in_pod) == [0, 1]
