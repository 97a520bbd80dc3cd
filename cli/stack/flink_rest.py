"""The little that is needed of Flink's REST interface."""

import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from cli.errors import UserError
from cli.stack.kept_connection import KeptConnection

JOB_ID = re.compile(r"\b[0-9a-f]{32}\b")
WATCHED = re.compile(r"\.(event_lag_ms|last_answer_ms|profiles_written|redis_retries|dead_letters|records-lag-max)$")
"""Of the metrics of operators those that tell how they are."""
METRICS_AT_ONCE = 50
NEVER_MS = 2**62
ENDED = frozenset({"CANCELED", "FINISHED"})  # on purpose
# A proxy that the environment names is not for loopback, and a JobManager is never behind one.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FlinkRest:
    """A JobManager's REST interface; `url` is http://host:port. Every call raises OSError where it does not answer.

    With a `context` it is asked at https and over one connection, see `cli/stack/kept_connection.py`.
    """

    def __init__(self, url: str, timeout_seconds: float = 5.0, context: ssl.SSLContext | None = None) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._kept = None if context is None else KeptConnection(self._url, context, timeout_seconds)

    def task_managers(self) -> int:
        """Return how many TaskManagers are registered."""
        return int(self._get("/overview")["taskmanagers"])

    def task_manager_paths(self) -> list[str]:
        """Return where the registered TaskManagers are called: `pekko.tcp://flink@HOST:PORT/…`."""
        return [str(worker["path"]) for worker in self._get("/taskmanagers")["taskmanagers"]]

    def managed_memory_mb(self) -> int | None:
        """Return the managed memory in MiB of the TaskManager that has the least; None where none is registered."""
        workers = self._get("/taskmanagers")["taskmanagers"]
        return min((int(worker["memoryConfiguration"]["managedMemory"]) >> 20 for worker in workers), default=None)

    def job_state(self, job_id: str) -> str:
        """Return the job's state, for example RUNNING; empty where the JobManager does not know it.

        Out of the states of all jobs: for the rest of a job the JobManager gathers every metric of every task anew. (Asked for the
        state of one job that it does not know, it fails with an error of its own.)
        """
        return self._states().get(job_id, "")

    def is_fully_running(self, job_id: str) -> bool:
        """Return whether the job and every one of its vertices is RUNNING, on all its subtasks."""
        job = self.job(job_id)
        return bool(job) and job["state"] == "RUNNING" and self.is_whole(job)

    def is_whole(self, job: dict[str, Any]) -> bool:
        """Return whether every vertex of what `job` has returned is RUNNING, on all its subtasks."""
        return all(map(_runs, job["vertices"]))

    def failures(self, job_id: str) -> list[str]:
        """Return the stack traces of the job's failures, newest first."""
        history = self._get(f"/jobs/{job_id}/exceptions").get("exceptionHistory", {})
        return [str(entry.get("stacktrace", "")) for entry in history.get("entries", [])]

    def has_checkpoint(self, job_id: str) -> bool:
        """Return whether the job has completed a checkpoint or begun from one."""
        latest = self._get(f"/jobs/{job_id}/checkpoints")["latest"]
        return bool(latest.get("completed") or latest.get("restored"))

    def completed_checkpoints(self, job_id: str) -> int:
        """Return how many checkpoints the job has completed since it was submitted."""
        return int(self._get(f"/jobs/{job_id}/checkpoints")["counts"]["completed"])

    def dated_failures(self, job_id: str) -> list[tuple[int, str]]:
        """Return `failures`, each with its time in ms since the epoch."""
        history = self._get(f"/jobs/{job_id}/exceptions").get("exceptionHistory", {})
        return [
            (int(entry.get("timestamp", 0)), str(entry.get("stacktrace", ""))) for entry in history.get("entries", [])
        ]

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """Return numbers of checkpoints, and the latest of each kind."""
        return self._get(f"/jobs/{job_id}/checkpoints")

    def checkpoint_config(self, job_id: str) -> dict[str, Any]:
        """Return how checkpoints are made."""
        return self._get(f"/jobs/{job_id}/checkpoints/config")

    def checkpoint_interval_ms(self, job_id: str) -> int:
        """Return the time from one checkpoint to the next; 0 if there are none."""
        interval_ms = int(self.checkpoint_config(job_id).get("interval", 0))
        return interval_ms if interval_ms < NEVER_MS else 0

    def job_metric(self, job_id: str, name: str) -> int:
        """Return a metric of the job itself; 0 if it is not known yet."""
        return sum(int(float(metric["value"])) for metric in self._fetch(f"/jobs/{job_id}/metrics?get={name}"))

    def named_metrics(self, job: dict[str, Any]) -> dict[str, list[int]]:
        """Return the values of all whole-numbered metrics in `WATCHED` over all operators and subtasks, by their names."""
        found: dict[str, list[int]] = {}
        for vertex in job["vertices"]:
            path = f"/jobs/{job['jid']}/vertices/{vertex['id']}/metrics"
            ids = [metric["id"] for metric in self._fetch(path) if WATCHED.search(metric["id"])]
            for at in range(0, len(ids), METRICS_AT_ONCE):
                wanted = ",".join(urllib.parse.quote(name) for name in ids[at : at + METRICS_AT_ONCE])
                for metric in self._fetch(f"{path}?get={wanted}"):
                    value = float(metric["value"])
                    if value == value and abs(value) < NEVER_MS:
                        found.setdefault(metric["id"].rpartition(".")[2], []).append(int(value))
        return found

    def configuration(self) -> dict[str, str]:
        """Return the JobManager's configuration."""
        return {str(pair["key"]): str(pair["value"]) for pair in self._fetch("/jobmanager/config")}

    def version(self) -> str:
        """Return Flink's version."""
        return str(self._get("/config")["flink-version"])

    def workers(self) -> list[dict[str, Any]]:
        """Return the registered TaskManagers as Flink describes them."""
        return list(self._get("/taskmanagers")["taskmanagers"])

    def running_jobs(self) -> list[str]:
        """Return the ids of the jobs that run."""
        return [job_id for job_id, state in self._states().items() if state == "RUNNING"]

    def operator_metrics(self, job_id: str, operator: str, name: str) -> list[dict[str, str]]:
        """Return a metric of an operator, `{"id", "value"}` for each subtask that has it."""
        found: list[dict[str, str]] = []
        for vertex in self.job(job_id).get("vertices", ()):
            if str(vertex["name"]).startswith(operator):
                names = ",".join(f"{i}.{operator}.{name}" for i in range(vertex["parallelism"]))
                found += self._fetch(f"/jobs/{job_id}/vertices/{vertex['id']}/metrics?get={names}")
        return found

    def counter(self, job_id: str, operator: str, name: str) -> int:
        """Return the sum over all subtasks of an operator's own counter; 0 where it has not counted yet."""
        return sum(int(float(metric["value"])) for metric in self.operator_metrics(job_id, operator, name))

    def cancel(self, job_id: str) -> None:
        """Cancel the job; return at once."""
        self._call("PATCH", f"/jobs/{job_id}?mode=cancel", b"")

    def stop_with_savepoint(self, job_id: str, target: str) -> str:
        """Begin to stop the job with a savepoint under `target`; return the trigger for `savepoint`."""
        body = json.dumps({"targetDirectory": target, "drain": False}).encode()
        return str(self._call("POST", f"/jobs/{job_id}/stop", body)["request-id"])

    def savepoint(self, job_id: str, trigger: str) -> str | None:
        """Return where the savepoint lies; None while it is being written.

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

    def job(self, job_id: str) -> dict[str, Any]:
        """Return all that Flink tells of a job and its vertices; empty if it does not know it."""
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
        if self._kept is not None:
            return json.loads(self._kept.request(method, path, body) or b"{}")
        request = urllib.request.Request(self._url + path, data=body, method=method)  # noqa: S310 (always http)
        request.add_header("Content-Type", "application/json")
        with _opener.open(request, timeout=self._timeout_seconds) as answer:
            return json.loads(answer.read() or b"{}")


def _runs(vertex: dict[str, Any]) -> bool:
    return bool(vertex["tasks"].get("RUNNING", 0) == vertex["parallelism"])
