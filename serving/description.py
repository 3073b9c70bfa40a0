"""The service's description in OpenAPI, made from the table of operations and the models that requests pass."""

from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

import genret_ops
from genret_ops.settings import ServingSettings
from serving.operations import Operation
from serving.schemas import Refused

_REFUSALS = {
    401: "no token, or none that is known",
    403: "the token does not reach so far",
    404: "there is none",
    408: "the body did not arrive in time",
    409: "a packed release takes no changes",
    412: "this worker still answers from an older release",
    413: "the body is too long",
    422: "the request is wrong, as the message says",
    429: "too often",
    503: "no release can be searched yet, too many searches wait, or the home is held and nothing was changed",
}
_AFTER = {"description": "seconds after which to ask again, where that is known", "schema": {"type": "integer"}}
_REFUSED: dict[int, dict[str, Any]] = {code: {"description": told} for code, told in _REFUSALS.items()}
_REFUSED[503] |= {"headers": {"Retry-After": _AFTER}}


def describe(operations: Sequence[Operation], settings: ServingSettings) -> dict[str, Any]:
    """The OpenAPI document."""
    models = {model for one in operations for model in (one.body, one.answer) if model} | {Refused}
    wanted = [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)]
    names, schemas = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    reference: dict[Any, Any] = {model: found for (model, _), found in names.items()}
    _limit(schemas["$defs"], settings)
    paths = dict[str, dict[str, Any]]()
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, reference)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "genret",
            "version": genret_ops.__version__,
            "description": "Search in a retrieval index that is a model. Every answer names its release and request.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Operation, reference: dict[Any, Any]) -> dict[str, Any]:
    statuses = {401, 403, 422, 429, 503, *one.refusals, *({408, 413} if one.body else ())}
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": (one.handler.__doc__ or "").strip(),
        "security": [{"token": []}] if one.always else [{}, {"token": []}],
        "responses": {
            str(one.status): {"description": "as asked", **_content(reference[one.answer])},
            **{str(code): {**_REFUSED[code], **_content(reference[Refused])} for code in sorted(statuses)},
        },
    }
    if one.body:
        found["requestBody"] = {"required": True, **_content(reference[one.body])}
    if "{id}" in one.path:
        found["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    return found


def _content(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _limit(schemas: dict[str, Any], settings: ServingSettings) -> None:
    """Put the limits of this service's settings into the description."""
    schemas["SearchRequest"]["properties"]["k"]["maximum"] = settings.k
    schemas["WhyRequest"]["properties"]["rank"]["maximum"] = settings.k
    for model in ("SearchRequest", "WhyRequest", "FeedbackRequest"):
        schemas[model]["properties"]["query"]["maxLength"] = settings.query_characters
    schemas["BatchRequest"]["properties"]["searches"]["maxItems"] = settings.batch
