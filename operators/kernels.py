"""Kernels that are ready before an operator takes its first input, and a line in the log that says how."""

from collections.abc import Callable

import structlog

from state.kernels import Warming

logger = structlog.get_logger()


def get_ready(warm: Callable[[], Warming], operator: str) -> None:
    """Load the kernels of an operator. An install has compiled them; if not, say that they were compiled here, and why."""
    warming = warm()
    done, seconds = warming.done, round(warming.seconds, 1)
    if warming.why:
        logger.warning(
            "kernels compiled",
            operator=operator,
            why=warming.why,
            compiled=done.compiled,
            loaded=done.loaded,
            s=seconds,
        )
    else:
        logger.info("kernels loaded", operator=operator, loaded=done.loaded, s=seconds)
