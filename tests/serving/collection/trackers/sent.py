"""Requests as libraries of other trackers sent them to a server that wrote them down; times and versions as they were.

segment-analytics-python 2.4.0, posthog 7.91.1, mixpanel 5.4.1; the browser's forms after posthog-js (`compression=gzip-js`) and
mixpanel-browser (base64 in a form).
"""

import base64
import gzip
import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

KEY = "key-of-the-tracker-0001"
AT_MS = 1_795_940_896_615
BASIC = {"authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()}
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
LIBRARY = {"library": {"name": "analytics-python", "version": "2.4.0"}}


class Sent(NamedTuple):
    """A request, and what of our events it must come to."""

    path: str
    headers: dict[str, str]
    body: bytes
    expected: list[dict[str, Any]]
    ignored: int = 0


def _segment(**fields: Any) -> dict[str, Any]:
    return {"integrations": {}, "timestamp": "2026-11-29T08:28:16.615+00:00", "context": LIBRARY, **fields}


VIEW = {"product_id": "p1", "category": "c1", "price": 9.5}
PRODUCTS = [{"product_id": "p1", "quantity": 2, "price": 9.5}, {"sku": "p3"}]
SEGMENT = [
    _segment(anonymousId="anon-1", userId="u1", type="track", event="Product Viewed", properties=VIEW, messageId="m-1"),
    _segment(
        anonymousId="anon-1",
        userId=None,
        type="page",
        name="Product",
        category="Shop",
        messageId="m-2",
        properties={"product_id": "p2"},
    ),
    _segment(
        anonymousId="anon-1",
        userId=None,
        type="track",
        event="Order Completed",
        messageId="m-3",
        properties={"order_id": "o", "products": PRODUCTS},
    ),
    _segment(anonymousId=None, userId="u1", type="identify", traits={"email": "x"}, messageId="m-4"),
]
OF_SEGMENT = [
    {
        "session_id": "anon-1",
        "user_id": "u1",
        "event_id": "m-1",
        "event_type": "product_view",
        "product_id": "p1",
        "category_id": "c1",
        "price": 9.5,
        "timestamp": AT_MS,
    },
    {
        "session_id": "anon-1",
        "event_id": "m-2",
        "event_type": "product_view",
        "product_id": "p2",
        "category_id": "Shop",
        "timestamp": AT_MS,
    },
    {
        "session_id": "anon-1",
        "event_id": "m-3",
        "event_type": "checkout",
        "timestamp": AT_MS,
        "items": [{"product_id": "p1", "quantity": 2, "price": 9.5}, {"product_id": "p3"}],
    },
]
SEGMENT_BODY = json.dumps({"batch": SEGMENT, "sentAt": "2026-11-29T08:28:17.115519+00:00", "writeKey": KEY}).encode()
POSTHOG_CALL = {
    "properties": {
        "product_id": "p1",
        "$session_id": "x",
        "$os": "Linux",
        "$lib": "posthog-python",
        "$is_server": True,
    },
    "timestamp": "2026-11-29T08:28:16.615000+00:00",
    "distinct_id": "d1",
    "event": "Product Viewed",
    "uuid": "fd33d8bf",
}
POSTHOG_PAGE = {**POSTHOG_CALL, "event": "$pageview", "properties": {"$current_url": "http://x"}, "uuid": "f39fd700"}
OF_POSTHOG = {
    "session_id": "d1",
    "event_id": "fd33d8bf",
    "event_type": "product_view",
    "product_id": "p1",
    "timestamp": AT_MS,
}
POSTHOG_BODY = json.dumps(
    {
        "batch": [POSTHOG_CALL, POSTHOG_PAGE],
        "historical_migration": False,
        "sent_at": "2026-11-29T08:28:17.417641+00:00",
        "api_key": KEY,
    }
).encode()
POSTHOG_BROWSER = json.dumps(
    {
        "uuid": "0190",
        "event": "$pageview",
        "timestamp": "2026-11-29T08:28:16.615Z",
        "properties": {
            "token": KEY,
            "distinct_id": "d1",
            "$device_id": "dev-1",
            "product_id": "p1",
            "$device_type": "Mobile",
        },
    }
).encode()
OF_BROWSER = {
    "session_id": "dev-1",
    "event_id": "0190",
    "event_type": "product_view",
    "product_id": "p1",
    "device": "Mobile",
    "timestamp": AT_MS,
}


def _mixpanel(event: str, insert_id: str, at_s: float) -> dict[str, Any]:
    properties = {
        "token": KEY,
        "distinct_id": "d1",
        "time": at_s,
        "$insert_id": insert_id,
        "mp_lib": "python",
        "product_id": "p1",
    }
    return {"event": event, "properties": properties}


def _of_mixpanel(kind: str, insert_id: str, at_ms: int) -> dict[str, Any]:
    return {"session_id": "d1", "event_id": insert_id, "event_type": kind, "product_id": "p1", "timestamp": at_ms}


ONE = _mixpanel("Product Viewed", "ccb5", 1_795_940_899.679316)
ADDED = _mixpanel("Product Added", "4d45", 1_795_940_799)
OF_ONE, OF_ADDED = (
    _of_mixpanel("product_view", "ccb5", 1_795_940_899_679),
    _of_mixpanel("add_to_cart", "4d45", 1_795_940_799_000),
)
REST = {"verbose": 1, "ip": 0}

ALL = {
    "segment": Sent("/v1/batch", JSON | BASIC, SEGMENT_BODY, OF_SEGMENT, 1),
    "segment, gzip": Sent(
        "/v1/batch", JSON | BASIC | {"content-encoding": "gzip"}, gzip.compress(SEGMENT_BODY), OF_SEGMENT, 1
    ),
    "segment, key in the body": Sent("/v1/batch", JSON, SEGMENT_BODY, OF_SEGMENT, 1),
    "segment, track": Sent("/v1/track", JSON | BASIC, json.dumps(SEGMENT[0]).encode(), OF_SEGMENT[:1]),
    "segment, page": Sent("/v1/page", JSON | BASIC, json.dumps(SEGMENT[1]).encode(), OF_SEGMENT[1:2]),
    "segment, browser": Sent(
        "/v1/t", {"content-type": "text/plain"}, json.dumps({**SEGMENT[0], "writeKey": KEY}).encode(), OF_SEGMENT[:1]
    ),
    "posthog": Sent("/batch/", JSON, POSTHOG_BODY, [OF_POSTHOG], 1),
    "posthog, gzip": Sent("/batch/", JSON | {"content-encoding": "gzip"}, gzip.compress(POSTHOG_BODY), [OF_POSTHOG], 1),
    "posthog, browser": Sent(
        "/e/?compression=gzip-js&ip=0&ver=1.2",
        {"content-type": "text/plain"},
        gzip.compress(POSTHOG_BROWSER),
        [OF_BROWSER],
    ),
    "posthog, capture": Sent("/capture/", JSON, json.dumps({**POSTHOG_CALL, "api_key": KEY}).encode(), [OF_POSTHOG]),
    "mixpanel, one": Sent("/track", FORM, urlencode({"data": json.dumps(ONE), **REST}).encode(), [OF_ONE]),
    "mixpanel, several": Sent(
        "/track", FORM, urlencode({"data": json.dumps([ONE, ADDED]), **REST}).encode(), [OF_ONE, OF_ADDED]
    ),
    "mixpanel, import": Sent(
        "/import", FORM | BASIC, urlencode({"data": json.dumps(ADDED), **REST, "api_key": "k"}).encode(), [OF_ADDED]
    ),
    "mixpanel, import of JSON": Sent(
        "/import?strict=1", JSON | BASIC, json.dumps([ONE, ADDED]).encode(), [OF_ONE, OF_ADDED]
    ),
    "mixpanel, import of lines": Sent(
        "/import",
        {"content-type": "application/x-ndjson"} | BASIC,
        f"{json.dumps(ONE)}\n{json.dumps(ADDED)}\n".encode(),
        [OF_ONE, OF_ADDED],
    ),
    "mixpanel, browser": Sent(
        "/track/", FORM, urlencode({"data": base64.b64encode(json.dumps(ONE).encode()).decode()}).encode(), [OF_ONE]
    ),
}
