"""Generates the OpenAPI document from the table of endpoints and the classes that answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from projector import errors
from projector.operate.jobs import Job
from projector.server import errors as server_errors
from projector.server import examples, paths, schemas
from projector.server import parameters as query
from projector.server.actions import ACTIONS, Action
from projector.server.bulk import BulkResult
from projector.server.endpoints import QUERIES
from projector.server.health import Health
from projector.server.problems import MEDIA_TYPE, Problem, code_of, status_of
from projector.server.queries import HEAD_HEADER, POSITION_HEADER, Endpoint
from projector.server.schemas import Schema, reference
from projector.server.webhooks import SIGNATURE_HEADER, DeliveryResult
from projector.text.encode import as_json

_JSON = "application/json"
_NDJSON = "application/x-ndjson"

_ANY = (errors.DatabaseBusy, errors.DatabaseUnreachable)
_READING = (
    server_errors.BadQuery,
    server_errors.TokenMissing,
    server_errors.ScopeNeeded,
    server_errors.HostForeign,
    server_errors.Overloaded,
    *_ANY,
)
_WAITING = (server_errors.PositionNotReached,)
_BODY = (
    server_errors.BodyTooLarge,
    server_errors.BodyTooSlow,
    server_errors.ClientGone,
    server_errors.EncodingUnknown,
    server_errors.Overloaded,
)


def encode_document() -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(document())


def document() -> Schema:
    """Return the document; see https://spec.openapis.org/oas/v3.1."""
    answers = [kind for endpoint in QUERIES for kind in endpoint.answers]
    bodies = [each.body for each in QUERIES if each.body] + [each.body for each in ACTIONS]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Customer state projector",
            "version": version("customer-state-projector"),
            "summary": "Which segments and tiers has this customer, and can I trust the answer?",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": text} for name, text in paths.TAGS.items()],
        "paths": paths.add_tags({**_queries(), **_actions(), **_deliveries(), **_operation()}),
        "components": {
            "schemas": schemas.components(
                [*answers, DeliveryResult, BulkResult, Health, Problem], bodies
            ),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Created by `projector token create`. While no token exists, "
                    "the server answers local programs without one.",
                },
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": SIGNATURE_HEADER,
                    "description": "The HMAC-SHA256 of the body with the project's webhook secret, "
                    "in lower-case hex; a gzip body may be signed packed or unpacked.",
                },
            },
        },
    }


def _queries() -> dict[str, Schema]:
    by_path: dict[str, Schema] = {}
    for endpoint in QUERIES:
        by_path.setdefault(endpoint.path, {})[endpoint.method.lower()] = _query(endpoint)
    return by_path


def _query(endpoint: Endpoint) -> Schema:
    parameters = schemas.parameters(endpoint.query)
    if "{id}" in endpoint.path:
        parameters = [_id(endpoint.path), *parameters]
    kinds = [reference(kind) for kind in endpoint.answers]
    body = _body_of(endpoint.body, endpoint.name) if endpoint.body else None
    waits = _WAITING if issubclass(endpoint.query, query.ReadParameters) else ()
    operation = _operation_of(
        endpoint.name,
        endpoint.summary,
        parameters=parameters,
        answer=kinds[0] if len(kinds) == 1 else {"anyOf": kinds},
        headers={POSITION_HEADER: _header(_POSITION), HEAD_HEADER: _header(_HEAD)},
        problems=(
            *endpoint.problems,
            *_READING,
            *waits,
            *((server_errors.BadBody, *_BODY) if body else ()),
        ),
        body=body,
    )
    if endpoint.has_tag:
        operation["responses"]["200"]["headers"]["ETag"] = _header(
            "The weak tag of the customer's state."
        )
        operation["responses"]["304"] = {
            "description": "The state still has the tag in If-None-Match."
        }
    return operation


def _actions() -> dict[str, Schema]:
    return {each.path: {"post": _action(each)} for each in ACTIONS}


def _action(action: Action) -> Schema:
    return _operation_of(
        action.name,
        action.summary,
        answer=reference(Job),
        status=202,
        headers={"Location": _header("The path of the job.")},
        body=_body_of(action.body, action.name),
        problems=(
            *action.problems,
            errors.JobsWaiting,
            server_errors.BadBody,
            server_errors.TokenMissing,
            server_errors.ScopeNeeded,
            server_errors.HostForeign,
            *_BODY,
            *_ANY,
        ),
    )


_POSITION = "The answer reflects at least every event up to this position."
_HEAD = "The position of the last event in the log."

#: Any body is accepted if its signature is valid: an unreadable one is quarantined.
_WEBHOOK: Schema = {
    "description": "A delivery, plain or gzip; any body with a valid signature is stored, "
    "unreadable or not, but for what was erased."
}
_EVENTS: Schema = {"description": "Deliveries; unreadable ones are quarantined."}
_BULK_BODY: Schema = {
    "required": False,
    "content": {
        _NDJSON: {"schema": _EVENTS},
        _JSON: {"schema": _EVENTS, "example": [examples.WEBHOOK]},
    },
}


def _deliveries() -> dict[str, Schema]:
    problems = (server_errors.SignatureWrong, server_errors.BodyCorrupt, *_BODY, *_ANY)
    return {
        "/webhooks/voucherify": {
            "post": _operation_of(
                "deliver",
                "A signed delivery from Voucherify; answered once it is durable in the log.",
                answer=reference(DeliveryResult),
                body=_body(_WEBHOOK, examples.WEBHOOK, is_required=False),
                security="signature",
                problems=problems,
            )
        },
        "/webhooks/voucherify/{id}": {
            "post": _operation_of(
                "deliverForProject",
                "A signed delivery for this project, for deliveries that do not name theirs.",
                parameters=[_id("/webhooks")],
                answer=reference(DeliveryResult),
                body=_body(_WEBHOOK, examples.WEBHOOK, is_required=False),
                security="signature",
                problems=problems,
            )
        },
        "/events": {
            "post": _operation_of(
                "ingestEvents",
                "Many deliveries: NDJSON or JSON arrays, plain or gzip; an outcome for each.",
                parameters=schemas.parameters(query.DeliveryParameters),
                answer=reference(BulkResult),
                body=_BULK_BODY,
                problems=(
                    errors.BadIdentifier,
                    errors.BadInstant,
                    errors.FileCorrupt,
                    errors.FormatUnreadable,
                    *_BODY,
                    *_READING,
                ),
            )
        },
    }


def _operation() -> dict[str, Schema]:
    health = {"content": {_JSON: {"schema": reference(Health)}}}
    return {
        "/health/live": {
            "get": _operation_of(
                "live",
                "Liveness: whether the process runs.",
                answer={"type": "object"},
                security=None,
            )
        },
        "/health/ready": {
            "get": {
                "operationId": "ready",
                "summary": "Readiness: the database, a projector's heartbeats, and the lag.",
                "security": [],
                "responses": {
                    "200": {"description": "Ready.", **health},
                    "503": {"description": "Not ready, with the reason.", **health},
                },
            }
        },
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Metrics in Prometheus's text format.",
                "security": _security("token"),
                "responses": {
                    "200": {
                        "description": "The metrics.",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    },
                    **_problems((server_errors.MetricsMissing, *_READING)),
                },
            }
        },
    }


def _operation_of(
    name: str,
    summary: str,
    *,
    answer: Schema,
    status: int = 200,
    parameters: Sequence[Schema] = (),
    headers: Schema | None = None,
    body: Schema | None = None,
    security: str | None = "token",
    problems: Iterable[type[errors.ProjectorError]] = (),
) -> Schema:
    content: Schema = {"schema": answer}
    if name in examples.ANSWERS:
        content["example"] = as_json(examples.ANSWERS[name])
    return {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        **({} if body is None else {"requestBody": body}),
        "security": _security(security),
        "responses": {
            str(status): {
                "description": summary,
                "headers": headers or {},
                "content": {_JSON: content},
            },
            **_problems(problems),
        },
    }


def _problems(kinds: Iterable[type[errors.ProjectorError]]) -> dict[str, Schema]:
    """Return the error responses by status, each with the codes that it may have."""
    by_status: dict[int, set[str]] = {}
    for kind in kinds:
        by_status.setdefault(status_of(kind), set()).add(code_of(kind))
    return {
        str(status): {
            "description": f"`code` is one of: {', '.join(sorted(codes))}.",
            "content": {MEDIA_TYPE: {"schema": reference(Problem)}},
        }
        for status, codes in sorted(by_status.items())
    }


def _security(scheme: str | None) -> list[dict[str, list[Any]]]:
    """Return the security requirement; `{}` because local programs may need no token."""
    if scheme is None:
        return []
    return [{scheme: []}, {}] if scheme == "token" else [{scheme: []}]


def _id(path: str) -> Schema:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": paths.id_of(path),
        "schema": {"type": "string", "minLength": 1},
        "example": examples.IDS[path.split("/")[1]],
    }


def _body_of(kind: type[Any], name: str) -> Schema:
    return _body(reference(kind), examples.BODIES[name])


def _body(schema: Schema, example: Any, *, is_required: bool = True) -> Schema:
    return {"required": is_required, "content": {_JSON: {"schema": schema, "example": example}}}


def _header(description: str) -> Schema:
    return {"description": description, "schema": {"type": "string"}}
