#!/usr/bin/env bash
# NVML on an H100: the instant power (field 186), polled every 10 ms, is wrong by up to two thirds for a load that comes and goes
# every 100 ms, although it is polled ten times a period: the value itself is renewed every 100 ms, so that it sees one point of
# each period, again and again. The samples of nvmlDeviceGetSamples (one each 20 ms, stamped by the driver) stay within some per
# cent of the energy counter. For a load of 0.37 s both do.
#
# Seen (2026-11-27, H100 80GB HBM3, driver 580.159.04), against the counter, four runs each:
#   0.37 s: instant +1.2 +2.8 -1.6 -0.2 %, samples -6.4 -4.0 -4.0 -3.7 %
#   0.1 s: instant -65.4 +14.2 -72.7 -64.1 %, samples +2.1 +4.1 -2.9 +5.4 %
# Needs: a Hopper GPU with nothing else on it; PYTHON (default python3) that has torch with CUDA; GPU, its index (default 0);
# pip, or WHEELS, a folder that holds the wheel of nvidia-ml-py 13.615.71. About a minute. Sets nothing on the GPU. Exits 1 when the behaviour is another one.
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
product = torch.empty_like(square)

def busy_until(end):
    while time.monotonic() < end:
        torch.matmul(square, square, out=product)
        torch.cuda.synchronize()

def load(period_s, duration_s):
    begin = time.monotonic()
    for number in range(int(duration_s / period_s)):
        start = begin + number * period_s
        busy_until(start + period_s / 2)
        time.sleep(max(0, start + period_s - time.monotonic()))

def compare(period_s, duration_s=6.0):
    """Instant power and driver's samples, relative to the counter's mean power."""
    instant, stop = [], threading.Event()
    def poll():
        while not stop.wait(0.01):
            instant.append(nv.nvmlDeviceGetFieldValues(gpu, [nv.NVML_FI_DEV_POWER_INSTANT])[0].value.uiVal / 1e3)
    load(period_s, 1.5)  # settled
    poller = threading.Thread(target=poll)
    poller.start()
    stamp_us, joules, then = int(time.time() * 1e6), nv.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1e3, time.monotonic()
    load(period_s, duration_s)
    power = (nv.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1e3 - joules) / (time.monotonic() - then)
    stop.set(); poller.join()
    _, samples = nv.nvmlDeviceGetSamples(gpu, nv.NVML_TOTAL_POWER_SAMPLES, stamp_us)
    sampled = [sample.sampleValue.uiVal / 1e3 for sample in samples]
    mean = lambda values: sum(values) / len(values) / power - 1
    return power, mean(instant), mean(sampled)

print(nv.nvmlDeviceGetName(gpu), nv.nvmlSystemGetDriverVersion())
worst = {}
for period_s in (0.37, 0.1):
    rows = []
    for run in range(4):
        time.sleep(0.13 * run)  # another phase each time
        rows.append(compare(period_s))
        print(f"{period_s} s: counter {rows[-1][0]:.0f} W, instant {rows[-1][1]:+.1%}, samples {rows[-1][2]:+.1%}")
    worst[period_s] = [max(abs(row[column]) for row in rows) for column in (1, 2)]
ok = worst[0.1][0] > 0.3 and worst[0.1][1] < 0.1 and max(worst[0.37]) < 0.1
sys.exit(0 if ok else 1)
PY
CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES="${GPU:-0}" PYTHONPATH="$work" "${PYTHON:-python3}" "$work/measure.py" "${GPU:-0}"
