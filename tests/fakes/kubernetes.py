"""A Kubernetes API server on loopback that records jobs and runs their pods as processes of this machine.

It answers what snakemake-executor-plugin-kubernetes asks, in the API's own words. It schedules nothing: limits,
volumes, images and affinities are recorded, and looked at by tests.

    with ScriptedKubernetes(folder, environment) as cluster:
        subprocess.run(["snakemake", ...], env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)})
    cluster.jobs          # as they were POSTed
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml


@dataclass
class Pod:
    """The only pod of a job."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def status(self) -> dict[str, Any]:
        code = self.process.poll()
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
        told = {"name": "snakemake", "image": "any", "imageID": "any", "ready": code is None, "restartCount": 0}
        return {"phase": "Running" if code is None else "Succeeded", "containerStatuses": [told | {"state": state}]}


class ScriptedKubernetes:
    """The API server, and its one node: this machine."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Take where to put kubeconfig and logs, and the environment that pods find in their image."""
        self.folder, self.environment = folder, environment
        self.jobs: list[dict[str, Any]] = []
        self.secrets: set[str] = set()
        self.pods: dict[str, Pod] = {}
        folder.mkdir()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
        self._server.cluster = self  # type: ignore[attr-defined]
        self.kubeconfig = folder / "kubeconfig"
        server = f"http://127.0.0.1:{self._server.server_port}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": {"server": server}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
            "current-context": "it",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def __enter__(self) -> "ScriptedKubernetes":
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self.pods):
            self.delete(name)
        self._server.shutdown()
        self._server.server_close()

    def create(self, job: dict[str, Any]) -> None:
        self.jobs.append(job)
        name = job["metadata"]["name"]
        [container] = job["spec"]["template"]["spec"]["containers"]
        (self.folder / name).mkdir()  # where the pod begins: an empty folder of its own
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=self.folder / name,
                env=dict(self.environment),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pods[name] = Pod(process, log)

    def delete(self, name: str) -> bool:
        """End a job's pod as Kubernetes does: SIGTERM to its first process, SIGKILL to what is left of it."""
        pod = self.pods.pop(name, None)
        if pod is None:
            return False
        pod.process.terminate()
        try:
            pod.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(pod.process.pid, signal.SIGKILL)
            pod.process.wait()
        return True


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/secrets"):
            self._cluster.secrets.add(body["metadata"]["name"])
        else:
            self._cluster.create(body)
        self._answer(body, 201)

    def do_GET(self) -> None:
        if found := re.search(r"/jobs/([^/]+)/status", self.path):
            pod = self._cluster.pods.get(found[1])
            code = None if pod is None else pod.process.poll()
            status = {} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}
            self._answer({"metadata": {"name": found[1]}, "status": status})
        elif found := re.search(r"/pods/([^/]+)/log", self.path):
            self._answer(self._cluster.pods[found[1]].log.read_text())
        else:
            name = re.search("job-name%3D([^&]+)", self.path)
            pod = self._cluster.pods.get(name[1]) if name else None
            items = [] if pod is None else [{"metadata": {"name": name[1]}, "status": pod.status()}] if name else []
            self._answer({"items": items})

    def do_DELETE(self) -> None:
        kind, name = self.path.split("?")[0].split("/")[-2:]
        if kind == "secrets":
            self._cluster.secrets.discard(name)
        there = kind == "secrets" or self._cluster.delete(name) or kind == "jobs"
        self._answer({}, 200 if there else 404)

    @property
    def _cluster(self) -> ScriptedKubernetes:
        cluster: ScriptedKubernetes = self.server.cluster  # type: ignore[attr-defined]
        return cluster

    def _answer(self, body: Any, status: int = 200) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *of: object) -> None:
        """Say nothing."""
