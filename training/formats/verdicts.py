"""Read the words, letters, numbers and columns that say which response is the best."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.formats.lines import AmbiguousError
from training.formats.reading import Reading
from training.formats.record import Record, normal
from training.formats.values import missing, number_in, score_of
from training.sentences import sentence

TIES = frozenset(
    ("tie", "tied", "ties", "equal", "equals", "same", "draw", "both", "both_good", "even",
     "neither_better", "no_preference", "similar", "about_the_same")
)  # fmt: skip
BOTH_BAD = frozenset(["both_bad", "bothbad", "tie_bothbad", "tie_both_bad", "all_bad", "neither"])
FIRST = frozenset(["left", "first", "1st", "former"])
SECOND = frozenset(["right", "second", "2nd", "latter"])
TOP_FEW = sentence(
    "rankings order only the first few responses; the rest count as below them, in no order"
)
# Words that may stand beside the letter or number of a side in a verdict.
ABOUT = frozenset(
    ("the", "is", "was", "response", "answer", "model", "assistant", "output", "completion",
     "option", "candidate", "side", "system", "text", "summary", "reply", "better", "best", "wins",
     "won", "win", "prefer", "preferred", "much", "slightly", "clearly", "strongly", "far",
     "significantly", "marginally", "somewhat")
)  # fmt: skip
STRENGTHS = ("preference", "strength", "margin")
AGAINST = re.compile(r"(\w+?)\s*(>{1,3}|<{1,3}|={1,2}|~)\s*(\w+)$")


@dataclass(frozen=True, slots=True)
class Side:
    """Hold a response's key, and its letter or number."""

    key: str
    name: str


@dataclass
class Verdicts:
    """Hold what the values of a column of verdicts mean.

    `told` gives the meaning of values as the user says it: a side's letter or number, its key,
    tie or both_bad. `seen` holds the values of the file's first records.
    """

    told: Mapping[str, str] = field(default_factory=dict)
    seen: dict[str, set[float]] = field(default_factory=dict)  # numbers by key

    def look(self, record: Record) -> None:
        """Remember the numbers in the verdict of a record."""
        key = record.key("verdict")
        if key is not None and (number := number_in(record.data[key])) is not None:
            self.seen.setdefault(key, set()).add(number)


def by_verdict(
    record: Record,
    sides: Sequence[Side],
    texts: Sequence[str],
    sources: Sequence[Any],
    verdicts: Verdicts,
) -> dict[str, Any] | None:
    """Return the ranking that a verdict gives, or None where there is none."""
    key = record.key("verdict")
    if key is None or missing(record.data[key]) or isinstance(record.data[key], list | dict):
        return None
    value = record.data[key]
    said = told(value, verdicts)
    if said is None and texts.count(value) == 1:
        said = sides[texts.index(value)].key
    said = said or words_of(value, sides, sources)
    if said is None and (number := number_in(value)) is not None:
        if len(sides) != 2:
            return None
        said = of_number(number, key, sides, verdicts, record)
    if said is None:
        raise ValueError(
            sentence(
                "has a %(key)s that names none of its responses: %(value)s",
                key=key,
                value=repr(str(value)[:60]),
            )
        )
    record.read(key, "verdict")
    ids = [side.key for side in sides]
    if said in ("tie", "both_bad"):
        return {"ranking": [ids], **({"all_bad": True} if said == "both_bad" else {})}
    best = named(said, sides)
    return with_best(best, ids, record.reading)


def told(value: Any, verdicts: Verdicts) -> str | None:
    """Return the meaning of a value that the user gave."""
    number = number_in(value)
    for given, meaning in verdicts.told.items():
        if str(value).strip().lower() == given.lower():
            return meaning
        if number is not None and number_in(given) == number:
            return meaning
        if number and given == ("positive" if number > 0 else "negative"):
            return meaning
    return None


def named(said: str, sides: Sequence[Side]) -> str:
    """Return the key of the response that a verdict names. Raises ValueError."""
    for side in sides:
        if said.lower() in (side.name, side.key.lower(), normal(side.key)):
            return side.key
    raise ValueError(
        sentence("has a verdict for %(said)s, which is not among its responses", said=repr(said))
    )


def words_of(value: Any, sides: Sequence[Side], sources: Sequence[Any]) -> str | None:
    """Return the side that words name, tie, both_bad, or None."""
    if not isinstance(value, str):
        return None
    said = value.strip().strip("[]")
    word = normal(said)
    if word in BOTH_BAD:
        return "both_bad"
    if word in TIES or said == "=":
        return "tie"
    if match := AGAINST.match(said.lower()):
        first, sign, second = match.groups()
        if {first, second} <= {side.name for side in sides}:
            return "tie" if sign[0] in "=~" else first if sign[0] == ">" else second
    named = [side.key for side in sides if names_side(word, side)]
    if len(named) == 1:
        return named[0]
    if sources.count(value) == 1 and value:
        return sides[sources.index(value)].key
    if len(sides) == 2 and word in FIRST | SECOND:
        return sides[word in SECOND].key
    return None


def names_side(word: str, side: Side) -> bool:
    """Return True if words name a side: its key, or its letter or number among others."""
    if word == normal(side.key):
        return True
    words = word.split("_")
    return side.name in words and not word.isdigit() and ABOUT.issuperset({*words} - {side.name})


def of_number(
    number: float, key: str, sides: Sequence[Side], verdicts: Verdicts, record: Record
) -> str | None:
    """Return the side that a number names, or tie.

    A number may be the side's own, 1 and 2 in order, or a strength with a sign.
    Raises AmbiguousError where it may mean either.
    """
    seen = verdicts.seen.setdefault(key, set())
    seen.add(number)
    names = {float(side.name): side.key for side in sides if side.name.isdigit()}
    if normal(key) == "labels" and "human_ref_a" in map(normal, (side.key for side in sides)):
        return sides[0 if number == 1 else 1].key  # of stanfordnlp/SHP
    if any(word in normal(key) for word in STRENGTHS) and (min(seen) < 0 or max(seen) > 2):
        record.reading.notes[
            sentence(
                "%(key)s: negative for %(first)s, positive for %(second)s",
                key=key,
                first=sides[0].key,
                second=sides[1].key,
            )
        ] += 1
        return "tie" if number == 0 else sides[number > 0].key
    if any(word in normal(key) for word in STRENGTHS) and not (
        normal(key) in ("preference", "human_preference") and seen == names.keys() == {1.0, 2.0}
    ):
        raise unsure(key, sides, seen)  # a strength, or the number of a response
    if number in names and (number != 1 or seen - {1.0} <= names.keys() or 2 in seen):
        if 0 in seen and names.keys() == {1.0, 2.0} and 2 not in seen:
            raise unsure(key, sides, seen)
        return names[number]
    if names and number == 0 and names.keys() == {1.0, 2.0} and 2 in seen:
        record.reading.notes[sentence("%(key)s: 0 read as a tie", key=key)] += 1
        return "tie"
    if not names and seen <= {1.0, 2.0} and 2 in seen:
        first, second = sides[0].key, sides[1].key
        note = sentence(
            "%(key)s: 1 is %(first)s, 2 is %(second)s", key=key, first=first, second=second
        )
        record.reading.notes[note] += 1
        return sides[number == 2].key
    raise unsure(key, sides, seen)


def unsure(key: str, sides: Sequence[Side], seen: Iterable[float]) -> AmbiguousError:
    """Return the question that a column of numbers leaves open."""
    values = [f"{number:g}" for number in sorted(seen)]
    names = [side.key for side in sides]
    each = " ".join(f"--verdict {value}=..." for value in values[:4])
    return AmbiguousError(
        sentence(
            "holds %(values)s in %(key)s, each of which may mean %(first)s, %(second)s or a tie",
            values=", ".join(values[:6]),
            key=repr(key),
            first=repr(names[0]),
            second=repr(names[1]),
        ),
        f"Say what they mean with {each}, each {names[0]}, {names[1]}, tie or both_bad",
        values,
        names,
    )


def by_winner_columns(record: Record, sides: Sequence[Side]) -> dict[str, Any] | None:
    """Return the ranking of columns such as winner_model_a, of which one holds 1."""
    columns = {}
    for side in sides:
        names = (f"winner_model_{side.name}", f"winner_{side.name}", f"{side.name}_wins",
                 f"winner_{normal(side.key)}", f"model_{side.name}_wins")  # fmt: skip
        key = record.key("verdict", names)
        if key is None:
            return None
        columns[key] = side.key
    won = [id_ for key, id_ in columns.items() if score_of(record.read(key, "verdict"))]
    ties = ("winner_tie", "tie", "winner_tie_both_bad", "winner_bothbad")
    tied = [name for name in ties if score_of(record.take("verdict", (name,)))]
    ids = [side.key for side in sides]
    if len(won) == 1 and not tied:
        return with_best(won[0], ids, record.reading)
    if tied and not won:
        return {"ranking": [ids], **({"all_bad": True} if "bad" in tied[0] else {})}
    raise ValueError(sentence("has %(count)s winners", count=str(len(won))))


def with_best(best: str, ids: list[str], reading: Reading) -> dict[str, Any]:
    """Return a ranking of which only the best response is known, as keys of ranking JSONL."""
    others = [id_ for id_ in ids if id_ != best]
    if len(others) == 1:
        return {"ranking": [[best], others]}
    return ranked([[best]], others, reading)


def ranked(groups: list[list[str]], without: list[str], reading: Reading) -> dict[str, Any]:
    """Return a ranking as keys of ranking JSONL, with the ids without a rank below the others."""
    if without:
        reading.notes[TOP_FEW] += 1
    if len(without) < 2:  # the order is complete
        return {"ranking": [*groups, without] if without else groups}
    return {"ranking": groups, "unranked": without}
