"""The HTTP server: whether it answers, and what it says of what it needs."""

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec

from cli.doctoring.finding import Finding, error, ok
from cli.options import Target
from serving.address import ServingError, check_open_door

TIMEOUT_SECONDS = 5.0


def look_at_serving(target: Target) -> Iterator[Finding]:
    """Yield findings on the server of the stack; none if there is none."""
    serving, address = target.settings.serving, target.endpoints.serving
    if not serving.enabled:
        return
    try:
        check_open_door(serving)
    except ServingError as problem:
        yield error("serving", str(problem), "")
    if address:
        yield _asked(address)


def _asked(address: str) -> Finding:
    try:
        with urlopen(f"{address}/readyz", timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # the stack's own address
            answer.read()
    except HTTPError as refused:
        return error("serving", f"{address} is not ready: {_said(refused)}", "mend what it names")
    except OSError as problem:
        return error("serving", f"{address} does not answer ({problem})", "see logs/serving.out in the work directory")
    return ok("serving", f"{address} is ready")


def _said(refused: HTTPError) -> str:
    try:
        checks = msgspec.json.decode(refused.read())["checks"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"it answers {refused.code}"
    return ", ".join(f"{name} {outcome}" for name, outcome in checks.items() if outcome != "ok")
