"""What a bench has started is ended with all that it started, whatever its processes call themselves."""

import subprocess
import sys
from pathlib import Path

import psutil

BENCH = Path(__file__).parents[3] / "bench"
sys.path.insert(0, str(BENCH))
from started import end_started, mark  # noqa: E402

sys.path.remove(str(BENCH))

ENGINE = """
import setproctitle, time
setproctitle.setproctitle("VLLM::EngineCore" + " " * 2000)
print("ready", flush=True)
time.sleep(60)
"""
SERVER = f"""
import subprocess, sys
engine = subprocess.Popen([sys.executable, "-c", {ENGINE!r}], stdout=subprocess.PIPE, start_new_session=True)
engine.stdout.readline()
print(engine.pid, flush=True)
"""


def test_an_engine_with_a_title_of_its_own_is_found(tmp_path: Path) -> None:
    """It wrote `VLLM::EngineCore` over its environment, by which it was to be found, and stayed on a GPU.

    Its server has ended, it is in a session of its own, and its title is longer than the environment.
    """
    start = str(tmp_path)
    told = subprocess.check_output([sys.executable, "-c", SERVER], env={**_few(), **mark(start)}, text=True)
    engine = psutil.Process(int(told))
    try:
        assert engine.is_running()
        end_started(start)
        assert not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE
    finally:
        if engine.is_running():
            engine.kill()


def _few() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin"}
