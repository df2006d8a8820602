"""Makes real vLLM fail to start in one way after another, and keeps its logs: the test data of tests/unit/serving/logs.

    python bench/faults/engine_failures.py --output logs                 # on a CPU: about 20 s each
    python bench/faults/engine_failures.py --output logs --device cuda --parallel 4
    python bench/faults/engine_failures.py --output logs --only unknown_flag bad_dtype

Each failure is one wrong thing in the tiny model, the arguments or the environment of a server that starts otherwise.
Paths of the machine are replaced: /models (the model), /venv (the Python), /tmp.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "workflow"), str(CHECKOUT / "bench")]

from started import end_started, mark  # noqa: E402

from llmdvfs.models.tiny import write_tiny_model  # noqa: E402

START_LIMIT_S = 240
USAGE = re.compile(r" {15,}(\[|\{)")
READY = "Application startup complete"
PLAIN = ("--enforce-eager", "--max-model-len", "1024", "--num-gpu-blocks-override", "64", "--max-num-seqs", "4")
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Failure:
    """What is wrong with a start."""

    name: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    spoil: Callable[[Path], object] = lambda model: None
    """Damages the model's folder."""
    plain: tuple[str, ...] = PLAIN
    model: str | None = None
    """Another model than the tiny one's folder."""
    devices: tuple[str, ...] = ("cpu", "cuda")
    holds_port: bool = False


def edit(**changes: Any) -> Callable[[Path], object]:
    """Return what changes keys of config.json."""

    def spoil(model: Path) -> None:
        path = model / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def remove(*names: str) -> Callable[[Path], object]:
    return lambda model: [(model / name).unlink() for name in names]


def truncate(num_bytes: int) -> Callable[[Path], object]:
    return lambda model: os.truncate(model / WEIGHTS, num_bytes)


def kv(**config: Any) -> tuple[str, str]:
    return "--kv-transfer-config", json.dumps(config)


BLIND_COMPILER = """\
#!/bin/bash
args=()
for arg in "$@"; do
  case $arg in *include/python3*) ;; *) args+=("$arg") ;; esac
done
unset CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH
exec {real} "${{args[@]}}"
"""


def compiler_without_python_headers(model: Path) -> None:
    """Put a `g++` and `gcc` beside the model that do not look where Python's headers are, as on a bare machine."""
    for name in ("gcc", "g++", "cc", "c++"):
        real = shutil.which(name)
        script = BLIND_COMPILER.format(real=real)
        (model / "bin").mkdir(exist_ok=True)
        (model / "bin" / name).write_text(script)
        (model / "bin" / name).chmod(0o755)


COMPILED = ("--max-model-len", "1024", "--num-gpu-blocks-override", "64", "--max-num-seqs", "4")
NEEDED_PROGRAMS = ("lscpu", "sh", "bash", "cat", "env", "uname", "ls", "which", "ldconfig")


def programs_without_compilers(model: Path) -> None:
    """Put links to what the engine calls beside the model, and no compiler."""
    (model / "bin").mkdir(exist_ok=True)
    for name in NEEDED_PROGRAMS:
        if (real := shutil.which(name)) is not None:
            (model / "bin" / name).symlink_to(real)


FAILURES = (
    Failure("port_in_use", holds_port=True),
    Failure("address_of_another_host", ("--host", "203.0.113.1")),
    Failure("unknown_flag", ("--no-such-flag",)),
    Failure("value_of_a_flag", ("--max-num-seqs", "many")),
    Failure("bad_dtype", ("--dtype", "float8")),
    Failure("dtype_of_this_gpu", ("--kv-cache-dtype", "nvfp4")),
    Failure("unknown_quantization", ("--quantization", "exl3")),
    Failure("quantization_of_a_config", spoil=edit(quantization_config={"quant_method": "exl3", "bits": 4})),
    Failure("quantization_not_on_this_device", ("--quantization", "bitsandbytes")),
    Failure("quantization_without_its_weights", spoil=edit(quantization_config={
        "quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True})),
    Failure("fp8_by_config", spoil=edit(quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]}),
            args=("--load-format", "dummy")),
    Failure("no_model_folder", model="/models/nowhere"),
    Failure("no_config", spoil=remove("config.json")),
    Failure("config_is_no_json", spoil=lambda model: (model / "config.json").write_text('{"model_type": "llama",')),
    Failure("no_weights", spoil=remove(WEIGHTS)),
    Failure("no_tokenizer", spoil=remove("tokenizer.json", "tokenizer_config.json")),
    Failure("weights_cut_in_the_header", spoil=truncate(100)),
    Failure("weights_cut_in_the_data", spoil=truncate(2_000_000)),
    Failure("weights_of_another_shape", spoil=edit(intermediate_size=640)),
    Failure("fewer_layers_in_the_config", spoil=edit(num_hidden_layers=2)),
    Failure("unknown_architecture", spoil=edit(architectures=["BrandNewForCausalLM"])),
    Failure("unknown_model_type", spoil=edit(model_type="brand_new", architectures=["BrandNewForCausalLM"])),
    Failure("needs_remote_code", spoil=edit(model_type="own", auto_map={"AutoConfig": "configuration_own.OwnConfig"})),
    Failure("hub_model_offline", model="example-org/example-model-8b", env={"HF_HUB_OFFLINE": "1"}),
    Failure("longer_than_the_model", ("--max-model-len", "99999")),
    Failure("kv_cache_too_small", plain=("--enforce-eager", "--num-gpu-blocks-override", "2")),
    Failure("budget_below_the_context", ("--no-enable-chunked-prefill", "--max-num-batched-tokens", "512")),
    Failure("attention_backend", ("--attention-backend", "NO_SUCH_BACKEND")),
    Failure("tensor_parallel_3", ("--tensor-parallel-size", "3")),
    Failure("more_gpus_than_there_are", ("--tensor-parallel-size", "2"), devices=("cuda",)),
    Failure("unknown_connector", kv(kv_connector="NoSuchConnector", kv_role="kv_both")),
    Failure("connector_key", kv(kv_connector="NixlConnector", kv_role="kv_both", kv_rank_of_mine=1)),
    Failure("nixl_not_installed", kv(kv_connector="NixlConnector", kv_role="kv_both")),
    Failure("connector_role", kv(kv_connector="ExampleConnector", kv_role="kv_eater")),
    Failure("no_chat_template", ("--chat-template", "/models/no_such_template.jinja")),
    Failure("draft_model", ("--speculative-config", '{"model": "/models/no_draft", "num_speculative_tokens": 2}')),
    Failure("no_programs_on_the_path", plain=COMPILED, env={"PATH": "/nonexistent"}),
    Failure("no_compiler", plain=COMPILED, spoil=programs_without_compilers,
            env={"PATH": "{model}/bin", "CC": "", "CXX": ""}),
    Failure("no_python_headers", plain=COMPILED, spoil=compiler_without_python_headers,
            env={"PATH": "{model}/bin:/usr/bin:/bin", "CC": "{model}/bin/gcc", "CXX": "{model}/bin/g++"}),
    Failure("kv_cache_beyond_the_host", env={"VLLM_CPU_KVCACHE_SPACE": "1000"}, devices=("cpu",),
            plain=("--enforce-eager", "--max-model-len", "1024")),
    Failure("share_of_the_host", ("--gpu-memory-utilization", "0.999"), env={"VLLM_CPU_KVCACHE_SPACE": ""},
            plain=("--enforce-eager", "--max-model-len", "1024"), devices=("cpu",)),
    Failure("threads_of_cores_that_are_not_there", env={"VLLM_CPU_OMP_THREADS_BIND": "900-901"}, devices=("cpu",)),
    Failure("gpu_memory_taken", ("--gpu-memory-utilization", "0.999"), plain=("--enforce-eager",), devices=("cuda",)),
    Failure("gpu_too_small", ("--gpu-memory-utilization", "0.001"), plain=("--enforce-eager",), devices=("cuda",)),
    Failure("weights_beyond_the_gpu", ("--load-format", "dummy", "--gpu-memory-utilization", "0.2"),
            spoil=edit(hidden_size=16384, intermediate_size=65536, num_hidden_layers=40, num_attention_heads=64,
                       num_key_value_heads=8, head_dim=256), devices=("cuda",)),
    Failure("no_such_gpu", env={"CUDA_VISIBLE_DEVICES": "7"}, devices=("cuda",)),
    Failure("no_gpu_visible", env={"CUDA_VISIBLE_DEVICES": ""}, devices=("cuda",)),
)  # fmt: skip


def provoke(failure: Failure, device: str, output: Path) -> str:
    """Start a server that fails, write its log, and return how it ended in a word."""
    with tempfile.TemporaryDirectory(prefix="f") as folder:
        model = Path(folder) / "tiny"
        write_tiny_model(model, seed=0)
        failure.spoil(model)
        with port(held=failure.holds_port) as number:
            argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", failure.model or str(model)]
            share = ["--gpu-memory-utilization", "0.3"] if device == "cuda" else []
            argv += ["--host", "127.0.0.1", "--port", str(number), *share, *failure.plain, *failure.args]
            log, ended = run(argv, environment(failure, device, Path(folder), model))
    (output / f"{failure.name}.log").write_text(without_places(log, folder), encoding="utf-8")
    return ended


def environment(failure: Failure, device: str, folder: Path, model: Path) -> dict[str, str]:
    """Return the server's environment, with compile caches of its own, so that what must be compiled is."""
    own = {
        **{"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_HOST_IP": "127.0.0.1"},
        **{"TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor", "TRITON_CACHE_DIR": f"{folder}/triton"},
        **{"VLLM_WORKER_MULTIPROC_METHOD": "spawn", "VLLM_CACHE_ROOT": f"{folder}/vllm"},
    }
    if device == "cpu":
        own |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    own |= {key: value.format(model=model) for key, value in failure.env.items()}
    merged = os.environ | own
    return {key: value for key, value in merged.items() if value or key == "CUDA_VISIBLE_DEVICES"}


def run(argv: list[str], env: dict[str, str]) -> tuple[str, str]:
    """Return the log of a server, and how it ended; it is ended where it is ready or takes too long."""
    start = str(uuid.uuid4())
    with tempfile.TemporaryFile("w+", errors="replace") as file:
        process = subprocess.Popen(argv, env=env | mark(start), stdout=file, stderr=subprocess.STDOUT)
        deadline, ended = time.monotonic() + START_LIMIT_S, ""
        while not ended:
            time.sleep(0.5)
            file.seek(0)
            log = file.read()
            code = process.poll()
            if code is not None:
                ended = f"exit code {code}"
            elif READY in log:
                ended = "started"
            elif time.monotonic() > deadline:
                ended = f"still starting after {START_LIMIT_S} s"
        end_started(start)
        process.wait()
        file.seek(0)
        return file.read(), ended


@contextmanager
def port(*, held: bool) -> Iterator[int]:
    """Give a port: one that somebody listens on, or a free one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if held:
            listener.listen()
            yield listener.getsockname()[1]
            return
        number: int = listener.getsockname()[1]
    yield number


def without_places(log: str, folder: str) -> str:
    """Return the log without paths of this machine, colours, progress bars, and the usage that argparse prints."""
    log = re.sub(r"\x1b\[[0-9;]*m", "", log)
    places = {folder: "/models", sys.prefix: "/venv", sys.base_prefix: "/python", str(CHECKOUT): "/checkout"}
    for place, name in places.items():
        log = log.replace(place, name)
    log = re.sub(rf"\b{re.escape(socket.gethostname())}\b", "host", log)  # of a host `vm` no part of `pynvml`
    lines = [line.split("\r")[-1].rstrip() for line in log.split("\n")]
    return "\n".join(line for line in lines if not USAGE.match(line))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of failures")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in FAILURES if given.device in one.devices and (not given.only or one.name in given.only)]
    with ThreadPoolExecutor(given.parallel) as pool:
        for one, how in zip(chosen, pool.map(lambda f: provoke(f, given.device, given.output), chosen), strict=True):
            print(f"{one.name}: {how}", flush=True)
