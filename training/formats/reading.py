"""Record how a file was read: which keys became which field, and which were not read.

Standard library only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Shape = str

SHAPES: dict[Shape, str] = {
    "jsonl": "a prompt with a list of responses",
    "csv": "a prompt and its responses in columns, best first",
    "long": "one response per row",
    "sides": "responses side by side, with a verdict or scores",
    "trl": "pairs of a better and a worse response",
    "oasst": "Open Assistant messages",
    "labelstudio": "Label Studio tasks with annotations",
    "argilla": "Argilla records",
}
LONGEST_KEY = 100
MOST_KEYS = 1000  # that are counted one by one; a file whose keys are data has more


@dataclass
class Reading:
    """An account of how a file was read.

    `fields` counts, for each field, the keys in which it was found. `unread` counts the records in
    which a key that was not read held something. `nothing` counts the records that gave no ranking
    and no prompt, by reason.
    """

    container: str = "JSON Lines"
    packed: str = ""  # gzip, or the name inside a zip file
    encoding: str = "UTF-8"
    delimiter: str = ""
    shapes: Counter[Shape] = field(default_factory=Counter)
    fields: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    unread: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    nothing: Counter[str] = field(default_factory=Counter)
    records: int = 0
    higher_is_better: bool = True  # of scores

    def leave(self, key: str) -> None:
        """Count a key that was not read."""
        key = key if len(key) <= LONGEST_KEY else f"{key[:LONGEST_KEY]}…"
        if key in self.unread or len(self.unread) < MOST_KEYS:
            self.unread[key] += 1
        else:
            self.unread["other keys"] += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the reading as plain values, to be stored with an upload."""
        return {
            "container": self.container,
            "packed": self.packed,
            "encoding": self.encoding,
            "shapes": dict(self.shapes),
            "fields": {name: dict(keys) for name, keys in self.fields.items()},
            "unread": dict(self.unread),
            "notes": dict(self.notes),
            "nothing": dict(self.nothing),
            "records": self.records,
            "higher_is_better": self.higher_is_better,
        }


def sentences(reading: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the account as pairs of a heading and a text."""
    file = reading["container"]
    if reading["packed"]:
        file += f" in {reading['packed']}"
    if reading["encoding"] != "UTF-8":
        file += f", {reading['encoding']}"
    yield "file", file
    for shape, count in sorted(reading["shapes"].items(), key=lambda item: -item[1]):
        more = f" ({count:,} of {reading['records']:,})" if len(reading["shapes"]) > 1 else ""
        yield "read as", SHAPES[shape] + more
    for name, keys in reading["fields"].items():
        best = ""
        if name == "score":
            best = f"; the {'highest' if reading['higher_is_better'] else 'lowest'} is the best"
        yield name, ", ".join(sorted(keys, key=lambda key: (-keys[key], key))) + best
    for note, count in reading["notes"].items():
        yield "note", f"{note} ({count:,})"
    for key, count in sorted(reading["unread"].items(), key=lambda item: -item[1]):
        yield "not read", f"{key} ({count:,})"
    for reason, count in reading["nothing"].items():
        yield "gave nothing", f"{count:,} {'record' if count == 1 else 'records'}: {reason}"
