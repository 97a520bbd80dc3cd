"""schemathesis goes by the OpenAPI document: what it allows is answered as it says, what it forbids is refused."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from jobs.settings import settings_from
from serving.app import create_app
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer

CONFORMS = [status_code_conformance, content_type_conformance, response_schema_conformance]
STAYING_OPEN = r"^/v1/(stream|ws)"
"""Streams end after minutes; `tests/serving/push` has them."""
STATED = "503"
"""Said by an operation that another service may make it answer so, and then no error of the server."""


@pytest.fixture
def document(kafka_place: KafkaServer, redis_place: RedisServer) -> Any:
    # No read waits for longer than the client of these tests.
    sections: dict[str, Any] = {"serving": {"reader": {"wait_max": "1 s"}}}
    tree = {"redis": {"url": redis_place.url}, "kafka": {"bootstrap": kafka_place.bootstrap}, **sections}
    loaded = schemathesis.openapi.from_asgi("/openapi.json", create_app(settings_from(tree)))
    return loaded.exclude(path_regex=STAYING_OPEN)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_are_as_the_document_says(document: Any, mode: GenerationMode) -> None:
    operations = [found.ok() for found in document.get_all_operations()]
    assert any(operation.label == "POST /v1/track" for operation in operations)
    for operation in operations:
        if mode is GenerationMode.POSITIVE or can_be_wrong(operation):
            conforms(operation, mode)


def can_be_wrong(operation: Any) -> bool:
    """Whether the document forbids anything of a request: bodies of other trackers may be all there is."""
    contents = operation.definition.raw.get("requestBody", {}).get("content", {})
    return any(content["schema"] for content in contents.values()) or bool(list(operation.iter_parameters()))


def conforms(operation: Any, mode: GenerationMode) -> None:
    """Ask one operation in many ways."""
    checks = CONFORMS if STATED in operation.definition.raw["responses"] else [not_a_server_error, *CONFORMS]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def holds(case: Any) -> None:
        case.call_and_validate(checks=checks)

    holds()
