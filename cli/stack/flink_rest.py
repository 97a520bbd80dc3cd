"""The little that is needed of Flink's REST interface."""

import json
import re
import urllib.error
import urllib.request
from typing import Any

from cli.errors import UserError

JOB_ID = re.compile(r"\b[0-9a-f]{32}\b")
ENDED = frozenset({"CANCELED", "FINISHED"})  # on purpose
# A proxy that the environment names is not for loopback, and a JobManager is never behind one.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FlinkRest:
    """A JobManager's REST interface; `url` is http://host:port. Every call raises OSError where it does not answer."""

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds

    def task_managers(self) -> int:
        """How many TaskManagers are registered."""
        return int(self._get("/overview")["taskmanagers"])

    def task_manager_paths(self) -> list[str]:
        """Where the registered TaskManagers are called: `pekko.tcp://flink@HOST:PORT/…`."""
        return [str(worker["path"]) for worker in self._get("/taskmanagers")["taskmanagers"]]

    def managed_memory_mb(self) -> int | None:
        """The managed memory in MiB of the TaskManager that has the least; None where none is registered."""
        workers = self._get("/taskmanagers")["taskmanagers"]
        return min((int(worker["memoryConfiguration"]["managedMemory"]) >> 20 for worker in workers), default=None)

    def job_state(self, job_id: str) -> str:
        """The job's state, for example RUNNING; empty where the JobManager does not know it.

        Out of the states of all jobs: for the rest of a job the JobManager gathers every metric of every task anew. (Asked for the
        state of one job that it does not know, it fails with an error of its own.)
        """
        return self._states().get(job_id, "")

    def is_fully_running(self, job_id: str) -> bool:
        """Whether the job and every one of its vertices is RUNNING, on all its subtasks."""
        job = self._job(job_id)
        return bool(job) and job["state"] == "RUNNING" and all(map(_runs, job["vertices"]))

    def failures(self, job_id: str) -> list[str]:
        """The stack traces of the job's failures, newest first."""
        history = self._get(f"/jobs/{job_id}/exceptions").get("exceptionHistory", {})
        return [str(entry.get("stacktrace", "")) for entry in history.get("entries", [])]

    def has_checkpoint(self, job_id: str) -> bool:
        """Whether the job has completed a checkpoint or begun from one."""
        latest = self._get(f"/jobs/{job_id}/checkpoints")["latest"]
        return bool(latest.get("completed") or latest.get("restored"))

    def completed_checkpoints(self, job_id: str) -> int:
        """How many checkpoints the job has completed since it was submitted."""
        return int(self._get(f"/jobs/{job_id}/checkpoints")["counts"]["completed"])

    def running_jobs(self) -> list[str]:
        """The ids of the jobs that run."""
        return [job_id for job_id, state in self._states().items() if state == "RUNNING"]

    def operator_metrics(self, job_id: str, operator: str, name: str) -> list[dict[str, str]]:
        """A metric of an operator, `{"id", "value"}` for each subtask that has it."""
        found: list[dict[str, str]] = []
        for vertex in self._job(job_id).get("vertices", ()):
            if str(vertex["name"]).startswith(operator):
                names = ",".join(f"{i}.{operator}.{name}" for i in range(vertex["parallelism"]))
                found += self._fetch(f"/jobs/{job_id}/vertices/{vertex['id']}/metrics?get={names}")
        return found

    def counter(self, job_id: str, operator: str, name: str) -> int:
        """The sum over all subtasks of an operator's own counter; 0 where it has not counted yet."""
        return sum(int(float(metric["value"])) for metric in self.operator_metrics(job_id, operator, name))

    def cancel(self, job_id: str) -> None:
        """Cancels the job; returns at once."""
        self._call("PATCH", f"/jobs/{job_id}?mode=cancel", b"")

    def stop_with_savepoint(self, job_id: str, target: str) -> str:
        """Begins to stop the job with a savepoint under `target`; returns the trigger for `savepoint`."""
        body = json.dumps({"targetDirectory": target, "drain": False}).encode()
        return str(self._call("POST", f"/jobs/{job_id}/stop", body)["request-id"])

    def savepoint(self, job_id: str, trigger: str) -> str | None:
        """Where the savepoint lies; None while it is being written.

        Raises:
            UserError: it failed.
        """
        answer = self._get(f"/jobs/{job_id}/savepoints/{trigger}")
        if answer["status"]["id"] != "COMPLETED":
            return None
        if "location" not in answer.get("operation", {}):
            cause = str(answer.get("operation", {}).get("failure-cause", {}).get("class", "unknown cause"))
            raise UserError(f"the savepoint failed ({cause}): look at `heliotrope status`, or stop without --keep-data")
        return str(answer["operation"]["location"])

    def _states(self) -> dict[str, str]:
        return {str(job["id"]): str(job["status"]) for job in self._get("/jobs")["jobs"]}

    def _job(self, job_id: str) -> dict[str, Any]:
        try:
            return self._get(f"/jobs/{job_id}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise

    def _get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        return dict(self._fetch(path, method, body))

    def _fetch(self, path: str, method: str = "GET", body: bytes | None = None) -> Any:
        request = urllib.request.Request(self._url + path, data=body, method=method)  # noqa: S310 (always http)
        request.add_header("Content-Type", "application/json")
        with _opener.open(request, timeout=self._timeout_seconds) as answer:
            return json.loads(answer.read() or b"{}")


def _runs(vertex: dict[str, Any]) -> bool:
    return bool(vertex["tasks"].get("RUNNING", 0) == vertex["parallelism"])
