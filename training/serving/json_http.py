"""Requests and answers in JSON: read, refused in one sentence, and written."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

from training.serving.request import Request


class RefusedError(Exception):
    """Raised for a request that cannot be answered; the message says what to do."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(message)


def refusal(status: int, message: str, headers: dict[str, str]) -> Response:
    """Return an error in the form that OpenAI's, vLLM's and SGLang's clients read."""
    error = {"message": message, "type": "invalid_request_error", "code": status}
    return json_answer({"error": error}, status, headers)


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a value as JSON in ASCII, which can carry half a surrogate pair back."""
    content = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Response(content, status, headers, media_type="application/json")


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text. Raises RefusedError."""
    try:
        return json.loads(body, parse_constant=refuse_constant, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the request is not valid JSON") from error


def finite(text: str) -> float:
    """Return a number. Raises ValueError for one that is too large for JSON to carry back."""
    if math.isinf(value := float(text)):
        raise ValueError(f"{text} is too large")
    return value


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def in_a_sentence(error: ValidationError, kind: type[Request]) -> str:
    """Return the first of pydantic's errors, with what its key must have."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if not first["loc"]:
        return first["msg"].removeprefix("Value error, ").replace("Input", "the request")
    key = str(first["loc"][0])
    field = kind.model_fields.get(key)
    if field is None or field.description is None:
        return f"{key}: {first['msg']}"
    missing = " is missing:" if first["type"] == "missing" else " must be"
    return f"{key}{missing} {field.description}"
