"""Logs of the server and its workers: one JSON object a line on stderr, the server's own lines included."""

import logging.config
import sys
from typing import Any

import structlog

SHARED: tuple[Any, ...] = (
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def log_configuration() -> dict[str, Any]:
    """Return what `logging.config` takes: whatever the standard library's loggers say becomes JSON too."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": make_formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"_granian": {"handlers": ["stderr"], "level": "INFO", "propagate": False}},
    }


def make_formatter() -> logging.Formatter:
    """Make the formatter of the standard library's records."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        foreign_pre_chain=list(SHARED),
    )


def configure_logs() -> None:
    """Set up both kinds of logger of this process."""
    logging.config.dictConfig(log_configuration())
    structlog.configure(
        processors=[*SHARED, structlog.processors.JSONRenderer(sort_keys=True)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
