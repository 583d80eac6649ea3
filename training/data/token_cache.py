"""Tokenised rankings on disk, found again by what they were made of.

For a run that goes on after an interruption:

    dataset = open_store(cache_folder, key)     # key as the manifest has it: "tokens_key"

gives the Dataset that the run had, without its source. For a new run `tokenized` gives what is
there, or makes it. A store is a folder of the cache folder:

    prompts.arrow  texts.arrow  train.arrow  held_out.arrow
    store.json: counts, labellers, digests of the files

It appears in one move. A run keeps a shared lock on the store.json that it reads; whoever adds a
store takes away those that were not used for long and that nobody holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.config import TrainConfig
from training.data.arrow_table import Table, TableWriter
from training.data.dataset import (
    Counts,
    Dataset,
    Prompts,
    Rankings,
)
from training.data.encoder import TemplateRefusedError, TextEncoder
from training.data.examples import Tokens
from training.data.staging import GatheredPrompt, Spool
from training.errors import UserError
from training.rankings import Kind

FORMAT = 2
"""Another number for files of another shape, or for tokens made in another way."""
STORES_KEPT = 5
PROMPTS_AT_A_TIME = 256
PART = ".part"
PART_SECONDS = 24 * 3600
"""No store takes so long to write."""
STORE = "store.json"
PROMPTS, TEXTS, TRAIN, HELD_OUT = FILES = (
    "prompts.arrow",
    "texts.arrow",
    "train.arrow",
    "held_out.arrow",
)

Judge = tuple[str | None, Kind]
"""Who ranked, and as what."""


def tokenized(
    spool: Spool, encoder: TextEncoder, config: TrainConfig, cache: Path
) -> tuple[Dataset, bool]:
    """The spool's rankings as token ids, and whether they were there already.

    Raises UserError if the model's chat template refuses too much.
    """
    key = store_key(spool, encoder, config)
    try:
        return open_store(cache, key), True
    except UserError:
        pass  # not there, or damaged
    with _new_store(cache, key) as folder:
        counts, people = write_tables(spool, encoder, folder)
        if not counts.train_rankings or not counts.held_out_rankings:
            raise UserError(
                f"the model's chat template refuses {counts.dropped_prompts} of"
                f" {counts.prompts} prompts, and too few are left; choose another model"
            )
        facts = {
            "counts": asdict(counts),
            "rankings_sha256": spool.rankings_sha256(),
            "labellers": [labeller for labeller, _ in people],
            "kinds": [kind for _, kind in people],
            "sha256": {name: _sha256(folder / name) for name in FILES},
        }
        (folder / STORE).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    _clean(cache)
    return open_store(cache, key), False


def open_store(cache: Path, key: str) -> Dataset:
    """The store of that key, locked as long as the Dataset lives. Raises UserError."""
    folder = cache / key
    try:
        with ExitStack() as on_failure:
            lock = os.open(folder / STORE, os.O_RDONLY)
            on_failure.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_SH)
            facts = json.loads((folder / STORE).read_text(encoding="utf-8"))
            for name in FILES:
                if _sha256(folder / name) != facts["sha256"][name]:
                    raise ValueError(f"{name} is not what was written")
            prompts = Prompts(Table(folder / PROMPTS), Table(folder / TEXTS))
            train, held_out = (
                Rankings(Table(folder / name), prompts, facts["labellers"], facts["kinds"])
                for name in (TRAIN, HELD_OUT)
            )
            dataset = Dataset(
                train,
                held_out,
                prompts,
                Counts(**facts["counts"]),
                facts["rankings_sha256"],
                key,
            )
            os.utime(folder)
            on_failure.pop_all()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"the tokens of the run are not in {folder}: {error}") from error
    weakref.finalize(prompts, os.close, lock)
    return dataset


def store_key(spool: Spool, encoder: TextEncoder, config: TrainConfig) -> str:
    """SHA-256, in hex, of everything that decides what a store holds."""
    decided_by = {
        "format": FORMAT,
        "rankings": spool.rankings_sha256(),
        "ids": spool.ids_sha256(),
        "counts": asdict(spool.counts),
        "split": [config.held_out_by, config.held_out_fraction, config.split, config.folds],
        "tokenizer": _tokenizer_sha256(encoder),
        "tokens": [encoder.max_prompt_tokens, encoder.max_response_tokens],
    }
    return hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()


def write_tables(spool: Spool, encoder: TextEncoder, folder: Path) -> tuple[Counts, list[Judge]]:
    """Tokenise all prompts, some at a time. Returns the counts, and who ranked by their codes."""
    counts = Counts(**asdict(spool.counts))
    codes: dict[Judge, int] = {}
    # Ids fit two bytes in most vocabularies.
    ids = pa.uint16() if len(encoder.tokenizer) <= 2**16 else pa.int32()
    with ExitStack() as files:
        prompts, texts, train, held_out = (
            files.enter_context(TableWriter(folder / name, schema))
            for name, schema in zip(FILES, schemas(ids), strict=True)
        )
        for gathered, parts in _encoded(spool, encoder):
            if parts is None:
                counts.dropped_prompts += 1
                counts.dropped_rankings += len(gathered.held_out)
                continue
            lengths = np.array([len(part) for part in parts])
            counts.tokens += int(lengths.sum())
            counts.train_prompts += not all(gathered.held_out)
            counts.held_out_prompts += any(gathered.held_out)
            for row in ranking_rows(gathered, prompts.rows, lengths, codes):
                (held_out if row[0] else train).add(*row[1:])
            prompt = gathered.prompt
            found = [response.text for response in prompt.responses]
            prompts.add(
                prompt.content_hash,
                json.dumps(prompt.id),
                np.concatenate(parts),
                lengths,
                [len(text) for text in found],
                [len(text.split()) for text in found],
            )
            texts.add(json.dumps([prompt.messages, found]))
        counts.train_rankings, counts.held_out_rankings = train.rows, held_out.rows
    counts.truncated_prompts = encoder.prompts_cut
    counts.truncated_responses = encoder.responses_cut
    return counts, list(codes)


def ranking_rows(
    gathered: GatheredPrompt, row: int, lengths: Tokens, codes: dict[Judge, int]
) -> Iterator[tuple[Any, ...]]:
    """(whether held out, and a row of a rankings table) of each of the prompt's rankings."""
    places = {response.id: place for place, response in enumerate(gathered.prompt.responses)}
    for ranking, held_out in zip(gathered.prompt.rankings, gathered.held_out, strict=True):
        ranked = [places[name] for name in ranking.responses]
        tokens = lengths[0] + sum(lengths[1 + place] for place in ranked)
        labeller = codes.setdefault((ranking.labeller, ranking.kind), len(codes))
        yield held_out, row, labeller, tokens, ranked, ranking.ranks


def schemas(ids: pa.DataType) -> list[pa.Schema]:
    """Columns of FILES, in their order."""
    numbers = pa.large_list(pa.int32())
    rankings = pa.schema(
        {
            "prompt": pa.int64(),
            "labeller": pa.int32(),
            "tokens": pa.int64(),
            "places": numbers,
            "ranks": numbers,
        }
    )
    prompts = pa.schema(
        {
            "hash": pa.large_string(),
            "id": pa.large_string(),
            "tokens": pa.large_list(ids),
            "lengths": numbers,
            "characters": numbers,
            "words": numbers,
        }
    )
    return [prompts, pa.schema({"texts": pa.large_string()}), rankings, rankings]


def _encoded(
    spool: Spool, encoder: TextEncoder
) -> Iterator[tuple[GatheredPrompt, list[Tokens] | None]]:
    """Each prompt with the tokens of itself and its responses; None if the template refuses it."""
    found = spool.prompts()
    while some := list(islice(found, PROMPTS_AT_A_TIME)):
        prompts = encoder.prompts([gathered.prompt.messages for gathered in some])
        taken = [
            gathered
            for gathered, tokens in zip(some, prompts, strict=True)
            if not isinstance(tokens, TemplateRefusedError)
        ]
        responses = iter(
            encoder.responses(
                [response.text for gathered in taken for response in gathered.prompt.responses]
            )
        )
        for gathered, tokens in zip(some, prompts, strict=True):
            if isinstance(tokens, TemplateRefusedError):
                yield gathered, None
            else:
                yield gathered, [tokens, *islice(responses, len(gathered.prompt.responses))]


@contextmanager
def _new_store(cache: Path, key: str) -> Iterator[Path]:
    """A folder to write into; it becomes the store if the block ends without an exception."""
    part = Path(tempfile.mkdtemp(dir=cache, prefix=f"{key}.", suffix=PART))
    try:
        yield part
        shutil.rmtree(cache / key, ignore_errors=True)  # a damaged one
        try:
            part.rename(cache / key)
        except OSError:
            if not (cache / key / STORE).exists():
                raise
            # Another run was quicker to write the same.
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _clean(cache: Path) -> None:
    """Take away all stores but those last used, and what killed runs left half written."""
    found = sorted(
        ((path.stat().st_mtime, path) for path in cache.iterdir() if path.is_dir()), reverse=True
    )
    stores = [path for _, path in found if path.suffix != PART]
    for path in stores[STORES_KEPT:]:
        _remove_unless_locked(path)
    for used, path in found:
        if path.suffix == PART and used < time.time() - PART_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _remove_unless_locked(folder: Path) -> None:
    try:
        with open(folder / STORE, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    except OSError:
        pass  # somebody reads it, or takes it away too; or it is no store


def _tokenizer_sha256(encoder: TextEncoder) -> str:
    """Of all files that the tokenizer is saved as: vocabulary, special tokens, template."""
    with tempfile.TemporaryDirectory() as folder:
        encoder.tokenizer.save_pretrained(folder)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        digests = [[path.name, _sha256(path)] for path in files]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
