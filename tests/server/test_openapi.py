"""The OpenAPI document says the truth: of its examples, and of what the server answers."""

import os
from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import requests
import schemathesis
from schemathesis.checks import load_all_checks

from projector.server.openapi import document
from tests.concurrency.rebuilds import within
from tests.support.http_client import SIGNATURE, Client, encoded, ndjson, sign
from tests.support.server_process import SECRET, Server
from tests.support.two_projects import STORY

_DOCUMENT = document()

api = schemathesis.openapi.from_dict(_DOCUMENT)

#: What a schema cannot say: exactly one of three parameters; a cursor that the server gave; a
#: position that there is; the name of a projection.
_BEYOND_SCHEMAS = {"not_one", "bad_cursor", "position_unknown", "projection_unknown"}


def _resolved(schema: Any) -> Any:
    return {**schema, "components": _DOCUMENT["components"]}


def _examples() -> dict[str, tuple[Any, Any]]:
    """Every example of the document with its schema."""
    found = {}
    for path, methods in _DOCUMENT["paths"].items():
        for method, operation in methods.items():
            parts = {
                f"answer {status}": response.get("content", {})
                for status, response in operation["responses"].items()
            }
            parts["body"] = operation.get("requestBody", {}).get("content", {})
            for where, content in parts.items():
                for media_type, part in content.items():
                    if "example" in part:
                        name = f"{method} {path} {where} {media_type}"
                        found[name] = (part["schema"], part["example"])
            for parameter in operation.get("parameters", ()):
                if "example" in parameter:
                    name = f"{method} {path} {parameter['name']}"
                    found[name] = (parameter["schema"], parameter["example"])
    return found


@pytest.mark.parametrize(("schema", "example"), _examples().values(), ids=_examples())
def test_an_example_is_what_its_schema_says(schema: Any, example: Any) -> None:
    validator = jsonschema_rs.Draft202012Validator(_resolved(schema), validate_formats=True)
    assert [each.message for each in validator.iter_errors(example)] == []


def test_every_answer_and_body_has_an_example() -> None:
    names = " ".join(_examples())
    for path, methods in _DOCUMENT["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] not in {"live", "ready", "metrics"}:
                status = "202" if "202" in operation["responses"] else "200"
                assert f"{method} {path} answer {status}" in names
            if "requestBody" in operation:
                assert f"{method} {path} body" in names


def test_the_server_serves_the_openapi_document(client: Client) -> None:
    assert client.get("/openapi.json").json == _DOCUMENT


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/docs/")
    assert page.headers["content-type"].startswith("text/html")
    assert b"http://" not in page.body
    assert b"https://" not in page.body
    for name in (b"docs.js", b"swagger-ui-bundle.js", b"swagger-ui.css"):
        assert name in page.body
        assert client.get(f"/docs/static/{name.decode()}").status == 200
    assert client.get("/docs").headers["location"] == "/docs/"


@pytest.fixture(scope="module")
def told(server: Server) -> int:
    """What the examples speak of is there."""
    mine = [each for each in STORY if each["project_id"] == "proj_1"]
    within(5, lambda: server.client.get("/health/ready").status == 200)
    last: int = server.client.post("/events", ndjson(*mine)).json["last_position"]
    assert server.client.get(f"/segments?min_position={last}").status == 200
    return last


class _Signed(requests.auth.AuthBase):
    """Signs a body as it is sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with its signature."""
        body = request.body or b""
        assert isinstance(body, bytes | str)
        text = body.encode() if isinstance(body, str) else body
        request.headers[SIGNATURE] = sign(text, SECRET)
        return request


@schemathesis.serializer("application/x-ndjson")
def _lines(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """A text is the lines; anything else is one of them."""
    return value.encode() if isinstance(value, str) else encoded(value)


def _near(case: schemathesis.Case[Any], position: int) -> None:
    """Nobody waits for a position that is far away: that is tested elsewhere, and takes long."""
    wanted = (case.query or {}).get("min_position")
    if str(wanted).isdecimal() and int(str(wanted)) > position:
        case.query["min_position"] = position


def _is_beyond_schemas(problem: Any) -> bool:
    # To JSON Schema 7.0 is an integer.
    is_float = problem.get("code") == "bad_body" and "got `float`" in problem["detail"]
    return is_float or problem.get("code") in _BEYOND_SCHEMAS


@api.parametrize()
@hypothesis.settings(
    max_examples=25,
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_the_server_answers_as_the_document_says(
    case: schemathesis.Case[Any], server: Server, told: int
) -> None:
    load_all_checks()
    _near(case, told)
    url = f"http://127.0.0.1:{server.port}"
    more: dict[str, Any] = {}
    if SIGNATURE in (case.headers or {}):
        more["auth"] = _Signed()
    got = case.call(base_url=url, **more)
    beyond = got.status_code == 400 and _is_beyond_schemas(got.json())
    excluded = [schemathesis.checks.positive_data_acceptance] if beyond else []
    case.validate_response(
        got, excluded_checks=excluded, transport_kwargs={**more, "base_url": url}
    )


@pytest.mark.parametrize(
    "name", ["CustomerState", "DeliveryResult", "BulkResult", "Health", "Problem", "Status"]
)
def test_every_answer_has_all_the_keys_of_its_schema(name: str) -> None:
    schema = _DOCUMENT["components"]["schemas"][name]
    assert schema["required"] == [*schema["properties"]]


def test_every_operation_that_may_wait_documents_its_timeout() -> None:
    for methods in _DOCUMENT["paths"].values():
        for operation in methods.values():
            names = [each["name"] for each in operation.get("parameters", ())]
            unavailable = operation["responses"].get("503", {}).get("description", "")
            assert ("min_position" in names) == ("position_not_reached" in unavailable)
