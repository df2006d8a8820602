#!/usr/bin/env bash
# NVML on an H100: two GPM samples (nvmlGpmSampleGet) less than 100 ms apart give activities of 0 or NaN for a GPU that is busy
# without a pause, and nvmlGpmMetricsGet and each of its metrics say NVML_SUCCESS. A monitor that polls faster records an idle GPU.
#
# Seen (2026-11-27, H100 80GB HBM3, driver 580.159.04): 0.02 s apart: SM 96 0 0 0 0 96 0 0 %; 0.25 s apart: 96 % each time; no errors
# Needs: a Hopper GPU with nothing else on it; PYTHON (default python3) that has torch with CUDA; GPU, its index (default 0);
# pip, or WHEELS, a folder that holds the wheel of nvidia-ml-py 13.615.71. Ten seconds. Sets nothing on the GPU. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m pip --quiet --disable-pip-version-check install ${WHEELS:+--no-index --find-links "$WHEELS"} --no-deps \
    --target "$work" nvidia-ml-py==13.615.71
cat > "$work/measure.py" <<'PY'
import sys, threading, time
import pynvml as nv, torch

nv.nvmlInit()
gpu = nv.nvmlDeviceGetHandleByIndex(int(sys.argv[1]))
square = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
stop = threading.Event()

def work():
    while not stop.is_set():
        for _ in range(20):
            torch.matmul(square, square)
        torch.cuda.synchronize()

def activity(distance_s):
    """(SM activity in percent, return value of the call) between two samples this far apart."""
    samples = [nv.nvmlGpmSampleAlloc(), nv.nvmlGpmSampleAlloc()]
    nv.nvmlGpmSampleGet(gpu, samples[0])
    time.sleep(distance_s)
    nv.nvmlGpmSampleGet(gpu, samples[1])
    query = nv.c_nvmlGpmMetricsGet_t(version=nv.NVML_GPM_METRICS_GET_VERSION)
    query.numMetrics, query.sample1, query.sample2 = 1, *samples
    query.metrics[0].metricId = nv.NVML_GPM_METRIC_SM_UTIL
    nv.nvmlGpmMetricsGet(query)
    found = query.metrics[0].value, query.metrics[0].nvmlReturn
    for sample in samples:
        nv.nvmlGpmSampleFree(sample)
    return found

worker = threading.Thread(target=work)
worker.start()
time.sleep(2)
print(nv.nvmlDeviceGetName(gpu), nv.nvmlSystemGetDriverVersion())
rows = {distance_s: [activity(distance_s) for _ in range(8)] for distance_s in (0.02, 0.25)}
stop.set(); worker.join()
for distance_s, found in rows.items():
    print(f"{distance_s} s apart: SM", *(f"{value:.0f}" for value, _ in found), "%; errors:", sum(code != 0 for _, code in found))
wrong = [value for value, code in rows[0.02] if code == 0 and not value > 50]
ok = len(wrong) >= 4 and all(value > 80 and code == 0 for value, code in rows[0.25])
sys.exit(0 if ok else 1)
PY
CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES="${GPU:-0}" PYTHONPATH="$work" "${PYTHON:-python3}" "$work/measure.py" "${GPU:-0}"
