"""How many records an operator has taken in, asked of Flink as cheaply as it answers."""

from typing import Any

from cli.stack.flink_rest import FlinkRest


class Progress:
    """A counter of the running job's one operator over all its subtasks; 0 until Flink knows the metric."""

    def __init__(self, rest: FlinkRest, job_id: str, operator: str, metric: str = "numRecordsIn") -> None:
        vertices = read(rest, f"/jobs/{job_id}")["vertices"]
        vertex = next(found for found in vertices if str(found["name"]).startswith(operator))
        names = ",".join(f"{index}.{operator}.{metric}" for index in range(vertex["parallelism"]))
        self._path = f"/jobs/{job_id}/vertices/{vertex['id']}/metrics?get={names}"
        self._rest = rest

    def __call__(self) -> int:
        """The newest count; Flink refreshes it in intervals."""
        return sum(int(float(metric["value"])) for metric in read(self._rest, self._path))


def read(rest: FlinkRest, path: str) -> Any:
    """What Flink answers at a path of its REST interface."""
    return rest._fetch(path)
