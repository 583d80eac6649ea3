"""Stage rankings in a temporary SQLite file, without duplicates.

A source may be larger than memory, and give a prompt several times, in any order. From the staging
file its prompts are read one by one, each with all its responses and rankings, as often as needed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.aggregation import choose
from training.config import EvaluationSettings
from training.data.source import Prompt, Response, Source, Tick, ignore
from training.errors import UserError
from training.rankings import Aggregation, Identifier, Kind, Ranking
from training.sentences import plural_sentence, sentence
from training.splits import held_out_hashes, held_out_part, split_position

TOKENIZER_CHARACTERS = 100_000_000
"""Text that a tokenizer is trained on at most."""

SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE prompt (row INTEGER PRIMARY KEY, hash TEXT UNIQUE, id, messages TEXT);
CREATE TABLE response (prompt INTEGER, id, text TEXT, UNIQUE (prompt, id));
CREATE TABLE ranking (
    prompt INTEGER, digest BLOB, labeller TEXT, kind TEXT, placed TEXT, held_out INTEGER DEFAULT 0,
    UNIQUE (prompt, digest)
);
BEGIN;
"""


@dataclass(slots=True)
class SourceCounts:
    """Count the contents of a source."""

    prompts: int = 0
    """Prompts with a ranking."""
    rankings: int = 0
    comparisons: int = 0
    all_tied: int = 0
    """Rankings without a comparison: not trained on."""
    duplicates: int = 0
    """Rankings that the same labeller gave before: left out."""
    chosen: int = 0
    """Rankings after aggregation."""


@dataclass(frozen=True, slots=True)
class StagedPrompt:
    """Hold a staged prompt."""

    prompt: Prompt
    """The prompt with the responses that its rankings name; each ranking has a comparison."""
    held_out: list[bool]
    """True for each ranking that is held out."""


class Staging:
    """Hold the prompts, responses and rankings that `stage` has read."""

    def __init__(
        self, name: str, connection: sqlite3.Connection, aggregation: Aggregation = "all"
    ) -> None:
        self.name = name
        self.aggregation: Aggregation = aggregation
        self.counts = SourceCounts()
        self.split_by: list[str | float] = []
        self._db = connection
        self._db.executescript(SCHEMA)

    def add(self, prompt: Prompt) -> None:
        """Add a prompt with its rankings. Raises UserError for a ranking of a strange response."""
        if not prompt.rankings:
            return
        row = self._row_of(prompt)
        texts = {response.id: response.text for response in prompt.responses}
        for ranking in prompt.rankings:
            self.counts.rankings += 1
            if self.aggregation == "all" and not ranking.has_comparison():
                self.counts.all_tied += 1
                self.counts.chosen += 1
                continue
            if strangers := [name for name in ranking.responses if name not in texts]:
                raise UserError(
                    sentence(
                        "a ranking of prompt %(prompt)s in %(source)s names response %(response)s,"
                        " which is not among the prompt's responses",
                        prompt=str(prompt.id),
                        source=self.name,
                        response=str(strangers[0]),
                    )
                )
            if not self._add_ranking(row, prompt.content_hash, texts, ranking):
                self.counts.duplicates += 1
                continue
            self.counts.chosen += 1
            self.counts.comparisons += len(ranking.comparisons())
            self._db.executemany(
                "INSERT OR IGNORE INTO response VALUES (?, ?, ?)",
                [(row, name, texts[name]) for name in ranking.responses],
            )

    def aggregate(self) -> None:
        """Replace each prompt's rankings by those that the aggregation chooses.

        Call it once everything has been added. All-tied rankings take part, and are left out after.
        """
        if self.aggregation == "all":
            return
        counts = self.counts
        counts.chosen = counts.comparisons = 0
        rows = self._db.execute("SELECT row, hash FROM prompt ORDER BY row")
        for row, content_hash in rows:
            found = self._rankings(row)
            texts = {response.id: response.text for response in self._responses(row)}
            self._db.execute("DELETE FROM ranking WHERE prompt = ?", (row,))
            self._db.execute("DELETE FROM response WHERE prompt = ?", (row,))
            named: dict[Identifier, str] = {}
            for ranking in choose(found, self.aggregation):
                counts.chosen += 1
                if not ranking.has_comparison():
                    counts.all_tied += 1
                    continue
                counts.comparisons += len(ranking.comparisons())
                self._add_ranking(row, content_hash, texts, ranking)
                named |= {name: texts[name] for name in ranking.responses}
            self._db.executemany(
                "INSERT INTO response VALUES (?, ?, ?)",
                [(row, name, text) for name, text in named.items()],
            )

    def split(self, config: EvaluationSettings) -> None:
        """Mark the held-out rankings. Raises UserError where there is too little to learn from."""
        self.split_by = [config.held_out_by, config.held_out_fraction, config.split, config.folds]
        usable = self.count_prompts()
        if usable < 2:
            raise UserError(
                sentence(
                    "training needs at least two prompts with a comparison; %(source)s has"
                    " %(usable)s (%(rankings)s, %(tied)s of them all tied)",
                    source=self.name,
                    usable=usable,
                    rankings=plural_sentence(
                        "%(count)s ranking", "%(count)s rankings", self.counts.rankings
                    ),
                    tied=self.counts.all_tied,
                )
            )
        if config.held_out_by == "labeller":
            self._hold_out_labellers(config.held_out_fraction, config.split, config.folds)
        else:
            if config.folds > usable:
                raise UserError(
                    sentence(
                        "%(folds)s folds need as many prompts; %(source)s has %(usable)s",
                        folds=config.folds,
                        source=self.name,
                        usable=usable,
                    )
                )
            self._hold_out_prompts(config.held_out_fraction, config.split, config.folds)

    def count_prompts(self) -> int:
        """Return the number of prompts with a comparison."""
        count: int = self._one("SELECT count(DISTINCT prompt) FROM ranking")[0]
        return count

    def prompts(self) -> Iterator[StagedPrompt]:
        """Yield the prompts with a comparison, in the order of the source."""
        found = self._db.execute(
            "SELECT row, hash, id, messages FROM prompt"
            " WHERE row IN (SELECT prompt FROM ranking) ORDER BY row"
        )
        for row, content_hash, id_, messages in found:
            held_out = self._db.execute(
                "SELECT held_out FROM ranking WHERE prompt = ? ORDER BY rowid", (row,)
            ).fetchall()
            yield StagedPrompt(
                Prompt(
                    id=id_,
                    content_hash=content_hash,
                    messages=json.loads(messages),
                    responses=tuple(self._responses(row)),
                    rankings=tuple(self._rankings(row)),
                ),
                held_out=[bool(held) for (held,) in held_out],
            )

    def training_texts(self) -> Iterator[str]:
        """Yield the prompts and responses of the training side, to train a tokenizer on.

        Each comes once, up to TOKENIZER_CHARACTERS, in the order of the prompts' hashes: as good as
        a random order, and the same for every order of the source.
        """
        read = 0
        found = self._db.execute(
            "SELECT row, messages FROM prompt"
            " WHERE row IN (SELECT prompt FROM ranking WHERE NOT held_out) ORDER BY hash"
        )
        for row, messages in found:
            texts = [message["content"] for message in json.loads(messages)]
            for text in [*texts, *(response.text for response in self._responses(row))]:
                yield text
                read += len(text)
            if read >= TOKENIZER_CHARACTERS:
                return

    def rankings_sha256(self) -> str:
        """Return a digest of all rankings with a comparison, whatever their order."""
        return self._sha256("SELECT digest FROM ranking ORDER BY digest")

    def ids_sha256(self) -> str:
        """Return a digest of the ids of all prompts."""
        return self._sha256("SELECT CAST(hash || id AS BLOB) FROM prompt ORDER BY hash")

    def _row_of(self, prompt: Prompt) -> int:
        """Return the prompt's row, and add the prompt if it is new."""
        values = (prompt.content_hash, prompt.id, json.dumps(prompt.messages))
        insert = "INSERT OR IGNORE INTO prompt (hash, id, messages) VALUES (?, ?, ?)"
        added = self._db.execute(insert, values)
        if added.rowcount and added.lastrowid is not None:
            self.counts.prompts += 1
            return added.lastrowid
        found: int = self._one("SELECT row FROM prompt WHERE hash = ?", prompt.content_hash)[0]
        return found

    def _add_ranking(
        self, row: int, content_hash: str, texts: dict[Identifier, str], ranking: Ranking
    ) -> bool:
        """Add the ranking and return True, or return False if it is there already."""
        digest = _digest(content_hash, texts, ranking)
        placed = json.dumps([ranking.responses, ranking.ranks])
        values = (row, digest, ranking.labeller, ranking.kind, placed)
        insert = "INSERT OR IGNORE INTO ranking (prompt, digest, labeller, kind, placed)"
        return bool(self._db.execute(f"{insert} VALUES (?, ?, ?, ?, ?)", values).rowcount)

    def _rankings(self, row: int) -> list[Ranking]:
        found = self._db.execute(
            "SELECT placed, labeller, kind FROM ranking WHERE prompt = ? ORDER BY rowid", (row,)
        )
        return [_ranking(placed, labeller, kind) for placed, labeller, kind in found.fetchall()]

    def _responses(self, row: int) -> list[Response]:
        found = self._db.execute(
            "SELECT id, text FROM response WHERE prompt = ? ORDER BY rowid", (row,)
        )
        return [Response(id_, text) for id_, text in found]

    def _hold_out_prompts(self, fraction: float, split: int, folds: int) -> None:
        """Hold out as splits.held_out_hashes does, with two numbers for each prompt in memory."""
        # All folds share an order, so that each prompt is in exactly one of them.
        order = 0 if folds else split
        self._db.create_function("position", 1, lambda name: split_position(name, order))
        rows, positions = array("q"), array("d")
        for row, position in self._db.execute(
            "SELECT row, position(hash) AS place FROM prompt"
            " WHERE row IN (SELECT prompt FROM ranking) ORDER BY place, hash"
        ):
            rows.append(row)
            positions.append(position)
        part = held_out_part(positions, fraction, split, folds)
        self._db.executemany(
            "UPDATE ranking SET held_out = 1 WHERE prompt = ?", ((row,) for row in rows[part])
        )

    def _hold_out_labellers(self, fraction: float, split: int, folds: int) -> None:
        names = self._db.execute("SELECT DISTINCT coalesce(labeller, ?) FROM ranking", (UNKNOWN,))
        labellers = [name for (name,) in names]
        if len(labellers) < max(2, folds):
            raise UserError(
                sentence(
                    "--held-out-by labeller needs at least %(needed)s labellers;"
                    " %(source)s has %(found)s",
                    needed=max(2, folds),
                    source=self.name,
                    found=len(labellers),
                )
            )
        held_out = held_out_hashes(labellers, fraction, split, folds)
        self._db.executemany(
            "UPDATE ranking SET held_out = 1 WHERE coalesce(labeller, ?) = ?",
            [(UNKNOWN, name) for name in held_out],
        )

    def _one(self, query: str, *values: object) -> Any:
        return self._db.execute(query, values).fetchone()

    def _sha256(self, query: str) -> str:
        digest = hashlib.sha256()
        for (value,) in self._db.execute(query):
            digest.update(value)
        return digest.hexdigest()


UNKNOWN = ""
"""Name of the labeller of rankings that name none; no other name is empty."""


@contextmanager
def stage(
    source: Source, folder: Path, aggregation: Aggregation = "all", tick: Tick = ignore
) -> Iterator[Staging]:
    """Read the source once and aggregate its rankings, in a file that is removed afterwards.

    The file is in `folder`. `tick` is called with how much of the source's size is read. Raises
    UserError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="spool-") as file:
        # A tokenizer is trained from another thread; two never read at the same time.
        connection = sqlite3.connect(file.name, isolation_level=None, check_same_thread=False)
    # The file has no name any more, so that nothing is left however the process ends.
    with closing(connection):
        staging = Staging(source.name, connection, aggregation)
        for prompt in source.prompts(tick):
            staging.add(prompt)
        staging.aggregate()
        yield staging


def _ranking(placed: str, labeller: str | None, kind: Kind) -> Ranking:
    responses, ranks = json.loads(placed)
    return Ranking(tuple(responses), tuple(ranks), labeller, kind)


def _digest(content_hash: str, texts: dict[Identifier, str], ranking: Ranking) -> bytes:
    """Return the SHA-256 of a ranking, whatever the ids and the order of its responses."""
    placed = sorted(
        (hashlib.sha256(texts[name].encode("utf-8", "surrogatepass")).hexdigest(), rank)
        for name, rank in zip(ranking.responses, ranking.ranks, strict=True)
    )
    told = [content_hash, ranking.labeller, placed]
    # Somebody who adjudicates may have given the same ranking before, as a labeller.
    line = json.dumps(told if ranking.kind == "own" else [*told, ranking.kind])
    return hashlib.sha256(line.encode()).digest()
