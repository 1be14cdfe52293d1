"""The OpenAPI 3.1 document of a list of operations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from mobile_api.operations import JSON, Operation, Security, template
from mobile_api.problems import PROBLEM_JSON, Problem, ProblemKind

Json = dict[str, Any]

_SCHEMA_REF: Final = "#/components/schemas/{model}"
_SCHEMES: Final[Mapping[Security, Json]] = {
    Security.HANDSET: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a registered handset; 15 minutes.",
    },
    Security.TILL: {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of a till, from `corsia till add STORE TILL`.",
    },
    Security.GATEWAY: {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": (
            "RFC 9421 with Ed25519 over @method, @path and content-digest, label `corsia`;"
            " Content-Digest (RFC 9530, sha-256) and Signature-Input go with it. keyid is the"
            " gateway's id; created may differ from our clock by 60 s."
        ),
    },
}
_HEADERS_OF_STATUS: Final[Mapping[int, Json]] = {
    429: {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
    503: {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}


def document(title: str, version: str, operations: Sequence[Operation]) -> Json:
    """The whole document, ready for JSON."""
    paths: dict[str, Json] = {}
    for op in operations:
        paths.setdefault(template(op.path), {})[op.method.lower()] = _operation(op)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {kind.value: scheme for kind, scheme in _SCHEMES.items()},
        },
    }


def _operation(op: Operation) -> Json:
    words = (op.handler.__doc__ or op.handler.__name__).strip().split("\n", 1)
    described: Json = {
        "operationId": op.handler.__name__,
        "summary": words[0].strip(),
        "tags": [op.tag],
        "parameters": [p for place in ("path", "query", "headers") for p in _parameters(op, place)],
        "responses": _responses(op),
    }
    if len(words) > 1:
        described["description"] = " ".join(words[1].split())
    if op.security in _SCHEMES:
        described["security"] = [{op.security.value: []}]
    if "body" in op.takes:
        schema = {"$ref": _SCHEMA_REF.format(model=op.takes["body"].__name__)}
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    if op.raw is not None:
        content = {name: {"schema": schema} for name, schema in op.raw.schemas.items()}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameters(op: Operation, place: str) -> Iterable[Json]:
    if place not in op.takes:
        return
    schema = op.takes[place].model_json_schema()
    for name, described in schema.get("properties", {}).items():
        yield {
            "in": "header" if place == "headers" else place,
            "name": name,
            "required": place == "path" or name in schema.get("required", ()),
            "schema": described,
        }


def _responses(op: Operation) -> Json:
    responses: Json = {}
    for status in (op.status, *op.also):
        responses[str(status)] = {"description": "Done"}
        if op.answer is not None:
            schema = {"$ref": _SCHEMA_REF.format(model=op.answer.__name__)}
            responses[str(status)]["content"] = {op.media_type: {"schema": schema}}
        elif op.media_type != JSON:
            responses[str(status)]["content"] = {op.media_type: {"schema": {"type": "string"}}}
    for status in sorted({kind.status for kind in op.problems}):
        responses[str(status)] = _problem([k for k in op.problems if k.status == status])
    return responses


def _problem(kinds: Sequence[ProblemKind]) -> Json:
    schema = {
        "allOf": [{"$ref": _SCHEMA_REF.format(model=Problem.__name__)}],
        "properties": {"type": {"enum": [kind.type for kind in kinds]}},
    }
    said: Json = {
        "description": "; ".join(f"`{kind.slug}`: {kind.title.lower()}" for kind in kinds),
        "content": {PROBLEM_JSON: {"schema": schema}},
    }
    if kinds[0].status in _HEADERS_OF_STATUS:
        said["headers"] = _HEADERS_OF_STATUS[kinds[0].status]
    return said


def _schemas(operations: Sequence[Operation]) -> Json:
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    raw: Json = {}
    for op in operations:
        if "body" in op.takes:
            models[(op.takes["body"], "validation")] = None
        if op.answer is not None:
            models[(op.answer, "serialization")] = None
        if op.raw is not None:
            raw |= op.raw.components
    _, made = models_json_schema(list(models), ref_template=_SCHEMA_REF)
    return {**made["$defs"], **raw}
