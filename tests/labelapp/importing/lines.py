"""Lines of ranking files, and the commands that import them."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

FOUR = ("a", "b", "c", "d")


def line(prompt: Any = "Why?", ids: tuple[str, ...] = FOUR, **fields: Any) -> dict[str, Any]:
    responses = [{"id": id_, "text": f"text {id_}", "source": f"model {id_}"} for id_ in ids]
    return {"prompt": prompt, "responses": responses} | fields


def ranked(*groups: list[str], **fields: Any) -> dict[str, Any]:
    ids = tuple(id_ for group in groups for id_ in group)
    return line(**({"ids": tuple(sorted(ids)), "labeller": "ann"} | fields), ranking=list(groups))


def run(command: str, path: str, *options: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(command, path, "--project", "kitchen", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def refused(command: str, path: str, *options: str) -> tuple[str, str]:
    """Return the error and the bad lines of an import that must be refused."""
    err = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(command, path, "--project", "kitchen", *options, stderr=err)
    return str(error.value), err.getvalue()
