#!/usr/bin/env bash
# uvloop 0.22.1: what a protocol writes to its transport leaves the process at the end of the loop's turn, not within write().
# Where many sockets became readable together, an answer that the first of them was given waits until all the others have been
# read and handled; asyncio's own loop sends within write(). For a proxy of token streams that is the time of a first token: of
# 64 requests that are read together, the first goes on when the last has been parsed.
#
# Here two connections are readable at once; the first is answered, handling the second takes 0.3 s.
# Seen (2026-11-28, Linux, Python 3.11): "asyncio: answered after 0.000 s; uvloop: answered after 0.300 s"
# Needs: python3 >= 3.10, pip. Exits 1 when the behaviour is another one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install uvloop==0.22.1
cd "$work"
cat > turn.py <<'PY'
import asyncio
import socket
import threading
import time

import uvloop

BUSY_S = 0.3
handled = []


class Server(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        handled.append(time.monotonic())
        if len(handled) == 1:
            self.transport.write(b"answer")
        else:
            time.sleep(BUSY_S)


def client(port, connected, go, answered):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connected.release()
        go.wait()
        connection.sendall(b"request")
        connection.settimeout(2)
        try:
            if connection.recv(100):
                answered.append(time.monotonic())
        except TimeoutError:
            pass


async def measured():
    handled.clear()
    loop, answered = asyncio.get_running_loop(), []
    server = await loop.create_server(Server, "127.0.0.1", 0)
    port, connected, go = server.sockets[0].getsockname()[1], threading.Semaphore(0), threading.Event()
    clients = [threading.Thread(target=client, args=(port, connected, go, answered)) for _ in range(2)]
    for each in clients:
        each.start()
    for _ in clients:
        await asyncio.to_thread(connected.acquire)
    await asyncio.sleep(0.2)  # both are accepted
    go.set()
    time.sleep(0.2)  # the loop stands still until both requests have come
    while any(each.is_alive() for each in clients):
        await asyncio.sleep(0.05)
    server.close()
    assert len(handled) == 2 and handled[1] - handled[0] < BUSY_S / 2, "not of one turn"
    return answered[0] - handled[0]


waits = {}
for name, new_loop in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop)):
    loop = new_loop()
    waits[name] = loop.run_until_complete(measured())
    loop.close()
print("; ".join(f"{name}: answered after {wait_s:.3f} s" for name, wait_s in waits.items()))
assert waits["asyncio"] < 0.1 and waits["uvloop"] > BUSY_S * 0.9, waits
PY
venv/bin/python turn.py
