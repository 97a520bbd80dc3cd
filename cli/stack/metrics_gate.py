"""One place where Prometheus finds all metrics of the embedded stack, on loopback.

Flink's reporter that Prometheus asks listens on every address of the machine, and cannot be told otherwise. So here Flink's
processes send their metrics, by the reporter made for Prometheus' push gateway, and the supervisor serves the newest of each.
"""

import hmac
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from cli.stack.ports import LOOPBACK

PUSH_SECONDS = 5
STALE_SECONDS = 4 * PUSH_SECONDS
"""A process that is gone without a word is forgotten, and with it its metrics."""
MOST_BYTES = 16 * 1024 * 1024
MOST_GROUPS = 256
SOCKET_SECONDS = 10.0
NOT_SENT = (
    "taskmanager.*.KafkaProducer;taskmanager.*.Shuffle.*;taskmanager.*.split.*;"
    "taskmanager.*.KafkaConsumer:*rate*,*avg*,*total*,*time*,*latency*,*ratio*,*version*,*count*,*size*,*lead*"
)
"""Two thirds of Flink's metrics, which nobody looks at. A label for the attempt would make all of them new at each restart."""
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def reporter_options(port: int, secret: str) -> dict[str, Any]:
    """Return Flink's options for the reporter that sends here. Values of labels stay as they are: `+Inf` is one.

    The secret is in the path: with a user and a password the reporter asks for a class that Java 17 does not have.
    """
    prefix = "metrics.reporter.prom"
    return {
        "metrics.reporters": "prom",
        f"{prefix}.factory.class": "org.apache.flink.metrics.prometheus.PrometheusPushGatewayReporterFactory",
        f"{prefix}.hostUrl": f"http://{LOOPBACK}:{port}/{secret}",
        f"{prefix}.jobName": "heliotrope",
        f"{prefix}.randomJobNameSuffix": True,
        f"{prefix}.interval": f"{PUSH_SECONDS} s",
        f"{prefix}.filterLabelValueCharacters": False,
        f"{prefix}.filter.excludes": NOT_SENT,
        f"{prefix}.scope.variables.excludes": "task_attempt_id;task_attempt_num",
    }


def targets_file(port: int, serving: str = "") -> str:
    """Return the addresses in the form of Prometheus' `file_sd_configs`; `serving` is host:port of the HTTP server."""
    targets = [{"targets": [f"{LOOPBACK}:{port}"], "labels": {"job": "heliotrope"}}]
    if serving:
        targets.append({"targets": [serving], "labels": {"job": "heliotrope-serving"}})
    return msgspec.json.encode(targets).decode()


class Groups:
    """The newest metrics of each process that sends here, by the path that it sends to."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._groups: dict[str, tuple[float, str]] = {}

    def put(self, path: str, text: str) -> bool:
        """Take a process's metrics in; False if there are too many processes."""
        with self._lock:
            self._forget()
            if path not in self._groups and len(self._groups) >= MOST_GROUPS:
                return False
            self._groups[path] = self._clock_s(), text
            return True

    def drop(self, path: str) -> None:
        """Forget a process that ends."""
        with self._lock:
            self._groups.pop(path, None)

    def texts(self) -> list[str]:
        """Return what all processes have sent lately."""
        with self._lock:
            self._forget()
            return [text for _, text in self._groups.values()]

    def _forget(self) -> None:
        oldest_s = self._clock_s() - STALE_SECONDS
        self._groups = {path: group for path, group in self._groups.items() if group[0] >= oldest_s}


def merged(texts: Iterable[str]) -> str:
    """Return several processes' metrics as one text: the samples of a name stand together, as the format demands."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for text in texts:
        name = ""
        for line in text.splitlines():
            if line.startswith(("# HELP ", "# TYPE ")):
                name = line.split(" ", 3)[2]
                if line[2:6] not in [head[2:6] for head in heads.setdefault(name, [])]:
                    heads[name].append(line)
            elif line and not line.startswith("#"):
                samples.setdefault(name, []).append(line)
    return "".join(f"{line}\n" for name, found in samples.items() for line in (*heads.get(name, ()), *found))


def stack_metrics(restarts: Mapping[str, int]) -> str:
    """Return the supervisor's own: how often it started each process again."""
    lines = [
        "# HELP heliotrope_process_restarts How often a process of the stack was started again.",
        "# TYPE heliotrope_process_restarts counter",
        *(f'heliotrope_process_restarts{{process="{name}"}} {count}' for name, count in restarts.items()),
    ]
    return "\n".join(lines) + "\n"


class MetricsGate:
    """Server of `GET /metrics`, which also receives what Flink sends, in threads of its own."""

    def __init__(self, port: int, secret: str, own: Callable[[], str]) -> None:
        self.groups = Groups()
        self._own = own
        self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(self, secret))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()

    def text(self) -> str:
        """Return all metrics in Prometheus' text format."""
        return merged([self._own(), *self.groups.texts()])


def _handler(gate: MetricsGate, secret: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = SOCKET_SECONDS

        def do_GET(self) -> None:
            if self.path.partition("?")[0] == "/metrics":
                self._answer(200, gate.text().encode())
            else:
                self._answer(404, b"metrics are at /metrics\n")

        def do_PUT(self) -> None:
            if self._is_flink():
                length = int(self.headers.get("Content-Length") or -1)
                body = self._body(length)
                if body is None:
                    self._answer(413, b"")
                else:
                    is_taken = gate.groups.put(self.path, body.decode("utf-8", "replace"))
                    self._answer(202 if is_taken else 429, b"")

        do_POST = do_PUT  # noqa: N815 (the name that the base class calls)

        def do_DELETE(self) -> None:
            if self._is_flink():
                gate.groups.drop(self.path)
                self._answer(202, b"")

        def _is_flink(self) -> bool:
            given = self.path.removeprefix("/").partition("/")[0]
            if hmac.compare_digest(given.encode(), secret.encode()):
                return True
            self._answer(403, b"")
            return False

        def _body(self, length: int) -> bytes | None:
            """Of that length, or in chunks if it is negative; None if it is too long."""
            if length >= 0:
                return self.rfile.read(length) if length <= MOST_BYTES else None
            body = b""
            while size := int(self.rfile.readline(32).split(b";")[0] or b"0", 16):
                if len(body) + size > MOST_BYTES:
                    return None
                body += self.rfile.read(size)
                self.rfile.readline(3)
            return body

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: Flink sends every few seconds."""

    return Handler
