"""Where the time of a vLLM start goes, by its log: `python bench/starts/bench.py --model FOLDER [-- FLAGS]`.

Starts a server once a variant, one after another, waits until it has answered one request and ends it. Each line of its
log is stamped as it comes; a part begins where the part before it has ended, and ends with the line that PARTS names.
A variant is a method by which the engine's process comes to be (VLLM_WORKER_MULTIPROC_METHOD), as often as it is named;
`forking` is what is done on a CPU (serving/instance/forking_server.py):

    python bench/starts/bench.py --model FOLDER --variants spawn spawn fork --output OUT -- --load-format dummy

Nothing is set on a GPU. A variant that would begin after the limit is left out and named.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
sys.path[:0] = [str(CHECKOUT / "workflow"), str(CHECKOUT / "bench")]

from page import host, marked_page, write_measured  # noqa: E402
from started import end_started, mark  # noqa: E402

from llmdvfs.host.child import library_environment  # noqa: E402
from llmdvfs.serving.instance.command import FORKING, MODULE  # noqa: E402
from llmdvfs.serving.instance.engine_process import START_METHOD  # noqa: E402
from llmdvfs.serving.instance.http import get, post  # noqa: E402

PARTS = {
    "imports of the API server": "non-default args",
    "the model's class and configuration": "Using max model len",
    "the engine's process": "Initializing a V1 LLM engine",
    "device and weights": r"Model loading took|Loading weights took",
    "compilation": "Initial profiling/warmup run took",
    "size of the KV cache": "KV cache size",
    "CUDA graphs": "Graph capturing finished",
    "kernels": "init engine \\(profile",
    "healthy": "the bench: healthy",
    "first answer": "the bench: answered",
}
"""Part -> the line of the log that ends it; a part whose line never came is within the next."""
LIMIT_S = 200.0
Stamped = list[tuple[float, str]]


def start(model: Path, method: str, port: int, flags: list[str], log: Path) -> Stamped:
    """Start a server, ask it once, end it; return the lines of its log with the seconds at which each came."""
    module = [FORKING, MODULE] if method == "forking" else [MODULE]
    argv = [sys.executable, "-m", *module, "--model", str(model), *flags]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "m"]
    env = library_environment({"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "PYTHONUNBUFFERED": "1"})
    env |= {START_METHOD: "fork" if method == "forking" else method} | mark(str(log))
    url, lines, begin = f"http://127.0.0.1:{port}", Stamped(), time.monotonic()
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    reader = threading.Thread(target=_read, args=(process, begin, lines), daemon=True)
    reader.start()
    while process.poll() is None and time.monotonic() - begin < LIMIT_S:
        if get(f"{url}/health", 2.0).ok:
            lines.append((time.monotonic() - begin, "the bench: healthy"))
            asked = {"model": "m", "prompt": list(range(5, 69)), "max_tokens": 2, "ignore_eos": True}
            answered = post(f"{url}/v1/completions", asked, 60.0).ok
            lines.append((time.monotonic() - begin, f"the bench: {'answered' if answered else 'no answer'}"))
            break
        time.sleep(0.1)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    end_started(str(log))
    process.wait()
    lines.append((time.monotonic() - begin, "the bench: ended"))
    log.write_text("".join(f"{at_s:8.2f} {line.rstrip()}\n" for at_s, line in sorted(lines)))
    return sorted(lines)


def _read(process: "subprocess.Popen[str]", begin: float, lines: Stamped) -> None:
    for line in process.stdout or ():
        lines.append((time.monotonic() - begin, line))


def parts_of(lines: Stamped) -> dict[str, float | None]:
    """Return part -> seconds, and `whole` -> seconds to the first answer; None where the line never came."""
    took: dict[str, float | None] = {}
    before_s = 0.0
    for part, ending in PARTS.items():
        at_s = next((at for at, line in lines if at >= before_s and re.search(ending, line)), None)
        took[part] = None if at_s is None else at_s - before_s
        before_s = before_s if at_s is None else at_s
    return took | {"whole": before_s if took["first answer"] is not None else None}


def table(starts: list[tuple[str, dict[str, float | None]]]) -> str:
    """Return the Markdown table of parts [s] by variant."""
    rows = [f"| s | {' | '.join(name for name, _ in starts)} |", "|---" * (len(starts) + 1) + "|"]
    for part in (*PARTS, "whole"):
        values = [took[part] for _, took in starts]
        rows.append(f"| {part} | {' | '.join('' if value is None else f'{value:.1f}' for value in values)} |")
    return "\n".join(rows)


def main() -> None:
    """Start every variant, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a model; `llmdvfs model` writes one")
    parser.add_argument("--variants", nargs="+", default=["spawn", "fork", "forkserver"])
    parser.add_argument("--limit-s", type=float, default=1e9, help="no variant begins later than this")
    parser.add_argument("--output", type=Path, help="folder that takes logs and starts.json")
    parser.add_argument(
        "--page", type=marked_page("bench/starts/bench.py"), help="page of docs/ to write the table into"
    )
    parser.add_argument("flags", nargs="*", help="further flags of the server, after --")
    options = parser.parse_args()
    folder = options.output or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    begin, starts = time.monotonic(), list[tuple[str, dict[str, float | None]]]()
    for number, method in enumerate(options.variants):
        if time.monotonic() - begin > options.limit_s:
            print(f"left out, the time is up: {' '.join(options.variants[number:])}")
            break
        lines = start(options.model, method, 18440 + number, options.flags, folder / f"{number}-{method}.log")
        starts.append((method, parts_of(lines)))
        (folder / "starts.json").write_text(json.dumps(starts, indent=1))
        print(method, starts[-1][1], flush=True)
    text = f"{host()}; {' '.join(options.flags)}\n\n{table(starts)}"
    print(text)
    if options.page:
        write_measured(options.page, "bench/starts/bench.py", text)


if __name__ == "__main__":
    main()
