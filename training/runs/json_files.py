"""JSON files of a run, written whole or line by line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


def finite(value: Any) -> Any:
    """Return the value with None for every NaN and infinity in it, because JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(finite(value), indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace the file in one move: a reader sees the old one or the new one."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Append a line in one write, so that a reader can tell a partial one by its end."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json_line(values))


def write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> int:
    """Replace the file in one move by one with these lines, and return how many they are."""
    count = 0
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            for value in objects:
                file.write(json_line(value))
                count += 1
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def json_line(value: Mapping[str, Any]) -> str:
    """Return the value as a line of JSON, with null for numbers that JSON does not have."""
    return json.dumps(finite(value), allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def read_object(path: Path) -> dict[str, Any] | None:
    found = read_json(path)
    return found if isinstance(found, dict) else None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file, up to the first incomplete line.

    They are read at once, in a quarter of the time that `iter_lines` takes.
    """
    try:
        *lines, _incomplete = path.read_text(encoding="utf-8").split("\n")
        found = json.loads(f"[{','.join(lines)}]")
    except (OSError, ValueError):
        return list(iter_lines(path))
    return found if all(isinstance(one, dict) for one in found) else list(iter_lines(path))


def iter_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file, up to the first incomplete line."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    return
                found = json.loads(line)
                if not isinstance(found, dict):
                    return
                yield found
    except (OSError, ValueError):
        return
