"""The whole job with a sampler next to its session operator; `benchmarks.profile_job` submits it.

The production code is untouched: the class that the topology names is replaced before the topology is built.
"""

import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.sampler import Sampler
from jobs import personalize
from operators.session.operator import SessionOperator
from operators.task import subtask_index

FOLDER_VARIABLE = "BENCHMARK_PROFILE_FOLDER"


class ProfiledSessionOperator(SessionOperator):
    """Samples the interpreter that it runs in, and with it all operators of the same TaskManager."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._folder = os.environ[FOLDER_VARIABLE]

    def open(self, runtime_context: Any) -> None:
        """Starts the sampler too."""
        super().open(runtime_context)
        self._sampler = Sampler(Path(self._folder), f"taskmanager-{subtask_index(runtime_context)}")
        self._sampler.start()

    def close(self) -> None:
        """Stops the sampler too."""
        if hasattr(self, "_sampler"):
            self._sampler.stop()
        super().close()


if __name__ == "__main__":
    from benchmarks import profiled  # by its own name, so that the TaskManager can import the class

    with mock.patch.object(personalize, "SessionOperator", profiled.ProfiledSessionOperator):
        personalize.main(sys.argv[1:])
