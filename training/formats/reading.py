"""Record how a file was read: which keys became which field, and which were not read.

Standard library only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from training.sentences import from_json, plural_sentence, sentence, to_json

Shape = str

SHAPES: dict[Shape, str] = {
    "jsonl": sentence("a prompt with a list of responses"),
    "csv": sentence("a prompt and its responses in columns, best first"),
    "long": sentence("one response per row"),
    "sides": sentence("responses side by side, with a verdict or scores"),
    "trl": sentence("pairs of a better and a worse response"),
    "oasst": sentence("Open Assistant messages"),
    "labelstudio": sentence("Label Studio tasks with annotations"),
    "argilla": sentence("Argilla records"),
}
UNNAMED, OTHER_KEYS = sentence("column without a name"), sentence("other keys")
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
            self.unread[OTHER_KEYS] += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the reading as plain values, to be stored with an upload."""
        return {
            "container": to_json(self.container),
            "packed": to_json(self.packed),
            "encoding": self.encoding,
            "shapes": dict(self.shapes),
            "fields": {name: dict(keys) for name, keys in self.fields.items()},
            "unread": counts(self.unread),
            "notes": counts(self.notes),
            "nothing": counts(self.nothing),
            "records": self.records,
            "higher_is_better": self.higher_is_better,
        }


def counts(counter: Counter[str]) -> list[list[Any]]:
    """Return counted texts as plain values: pairs, because a sentence is no key of JSON."""
    return [[to_json(text), count] for text, count in counter.items()]


def counted_texts(stored: Any) -> list[tuple[str, int]]:
    """Return counted texts from the values of `counts`, or from an object of earlier versions."""
    pairs = stored.items() if isinstance(stored, dict) else stored
    return [(from_json(text), count) for text, count in pairs]


def sentences(reading: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the account as pairs of a heading and a text."""
    file = from_json(reading["container"])
    if reading["packed"]:
        packed = from_json(reading["packed"])
        file = sentence("%(file)s in %(packed)s", file=file, packed=packed)
    if reading["encoding"] != "UTF-8":
        file = sentence("%(file)s, %(encoding)s", file=file, encoding=reading["encoding"])
    yield "file", file
    for shape, count in sorted(reading["shapes"].items(), key=lambda item: -item[1]):
        said = SHAPES[shape]
        if len(reading["shapes"]) > 1:
            said = sentence("%(shape)s (%(count)s of %(records)s)",
                            shape=said, count=count, records=reading["records"])  # fmt: skip
        yield "read as", said
    for name, keys in reading["fields"].items():
        said = ", ".join(sorted(keys, key=lambda key: (-keys[key], key)))
        if name == "score" and reading["higher_is_better"]:
            said = sentence("%(keys)s; the highest is the best", keys=said)
        elif name == "score":
            said = sentence("%(keys)s; the lowest is the best", keys=said)
        yield name, said
    for note, count in counted_texts(reading["notes"]):
        yield "note", sentence("%(what)s (%(count)s)", what=note, count=count)
    for key, count in sorted(counted_texts(reading["unread"]), key=lambda item: -item[1]):
        yield "not read", sentence("%(what)s (%(count)s)", what=key, count=count)
    for why, count in counted_texts(reading["nothing"]):
        yield (
            "gave nothing",
            plural_sentence(
                "%(count)s record: %(reason)s", "%(count)s records: %(reason)s", count, reason=why
            ),
        )
