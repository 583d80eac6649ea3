"""A cache of tokenised rankings, keyed by a digest of their inputs.

A run that resumes opens the dataset that it had, without its source:

    dataset = open_store(cache_folder, key)     # "tokens_key" of the manifest

For a new run `tokenized` opens the store or makes it. A store is a subfolder of the cache folder:

    prompts.arrow  texts.arrow  train.arrow  held_out.arrow
    store.json: counts, labellers, digests of the files

It appears in one move. A run keeps a shared lock on the store.json that it reads. Adding a store
removes those that were not used for long and that no run has locked.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from training.data.arrow_table import Table, TableWriter
from training.data.dataset import Counts, Dataset, Prompts, Rankings
from training.data.encoder import TemplateRefusedError, TextEncoder
from training.data.examples import Tokens
from training.data.staging import StagedPrompt, Staging
from training.data.stores import STORE, clean, new_store
from training.errors import UserError
from training.rankings import Kind, comparisons
from training.runs.digest import file_sha256
from training.sentences import Sentence, first_line, plural_sentence, sentence

FORMAT = 3
"""Version of the files. Raise it with their schema or with a change of how tokens are made."""
REFUSALS_KEPT = 5
"""Reasons of the chat template that are recorded at most."""
PROMPTS_AT_A_TIME = 256
PROMPTS, TEXTS, TRAIN, HELD_OUT = FILES = (
    "prompts.arrow",
    "texts.arrow",
    "train.arrow",
    "held_out.arrow",
)

Labeller = tuple[str | None, Kind]
"""A name, and the kind of ranking."""


def tokenized(
    staging: Staging,
    encoder: TextEncoder,
    cache: Path,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Dataset, bool]:
    """Return the staged rankings as token ids, and True if they were cached.

    `tick` is called after each prompt. Raises UserError if the model's chat template refuses too
    much.
    """
    key = store_key(staging, encoder)
    try:
        return open_store(cache, key), True
    except UserError:
        pass  # not there, or damaged
    with new_store(cache, key) as folder:
        counts, people, held_out_sha256 = write_tables(staging, encoder, folder, tick)
        if not counts.train_rankings or not counts.held_out_rankings:
            raise UserError(_too_few(counts))
        facts = {
            "counts": asdict(counts),
            "rankings_sha256": staging.rankings_sha256(),
            "held_out_sha256": held_out_sha256,
            "labellers": [labeller for labeller, _ in people],
            "kinds": [kind for _, kind in people],
            "sha256": {name: file_sha256(folder / name) for name in FILES},
        }
        (folder / STORE).write_text(json.dumps(facts) + "\n", encoding="utf-8")
    clean(cache)
    return open_store(cache, key), False


def open_store(cache: Path, key: str) -> Dataset:
    """Open the store of this key, and lock it as long as the Dataset lives. Raises UserError."""
    folder = cache / key
    try:
        with ExitStack() as on_failure:
            lock = os.open(folder / STORE, os.O_RDONLY)
            on_failure.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_SH)
            facts = json.loads((folder / STORE).read_text(encoding="utf-8"))
            for name in FILES:
                if file_sha256(folder / name) != facts["sha256"][name]:
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
                facts["held_out_sha256"],
                key,
            )
            os.utime(folder)
            on_failure.pop_all()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            sentence(
                "the tokens of the run are not in %(folder)s: %(problem)s",
                folder=str(folder),
                problem=first_line(error),
            )
        ) from error
    weakref.finalize(prompts, os.close, lock)
    return dataset


def store_key(staging: Staging, encoder: TextEncoder) -> str:
    """Return the SHA-256, in hex, of everything that the contents of a store depend on."""
    decided_by = {
        "format": FORMAT,
        "rankings": staging.rankings_sha256(),
        "ids": staging.ids_sha256(),
        "counts": asdict(staging.counts),
        "split": staging.split_by,
        "tokenizer": _tokenizer_sha256(encoder),
        "tokens": [encoder.max_prompt_tokens, encoder.max_response_tokens],
    }
    return hashlib.sha256(json.dumps(decided_by, sort_keys=True).encode()).hexdigest()


def _too_few(counts: Counts) -> Sentence:
    """Return why a side has no ranking left, and what to do about it."""
    refused = sentence(
        "the model's chat template refuses %(dropped)s of %(prompts)s (%(why)s);"
        " choose another model",
        dropped=counts.dropped_prompts,
        prompts=plural_sentence("%(count)s prompt", "%(count)s prompts", counts.prompts),
        why=next(iter(counts.refusals), ""),
    )
    equal = plural_sentence(
        "the responses of %(count)s ranking are equal after the cut; raise --max-response-tokens",
        "the responses of %(count)s rankings are equal after the cut; raise --max-response-tokens",
        counts.cut_equal_rankings,
    )
    if not counts.cut_equal_rankings:
        return sentence("too few rankings are left: %(why)s", why=refused)
    if not counts.dropped_prompts:
        return sentence("too few rankings are left: %(why)s", why=equal)
    return sentence("too few rankings are left: %(why)s; %(also)s", why=refused, also=equal)


def write_tables(
    staging: Staging, encoder: TextEncoder, folder: Path, tick: Callable[[], None]
) -> tuple[Counts, list[Labeller], str]:
    """Tokenise all prompts into the tables of a store.

    Return the counts, the labellers by code, and the digest of the held-out comparisons.
    """
    counts = Counts(**asdict(staging.counts))
    codes: dict[Labeller, int] = {}
    refusals: Counter[str] = Counter()
    held_out_digests: list[bytes] = []
    # Most vocabularies fit into two bytes.
    ids = pa.uint16() if len(encoder.tokenizer) <= 2**16 else pa.int32()
    with ExitStack() as files:
        prompts, texts, train, held_out = (
            files.enter_context(TableWriter(folder / name, schema))
            for name, schema in zip(FILES, schemas(ids), strict=True)
        )
        for staged, parts in _encoded(staging, encoder):
            tick()
            if isinstance(parts, TemplateRefusedError):
                counts.dropped_prompts += 1
                counts.dropped_rankings += len(staged.held_out)
                refusals[parts.reason] += 1
                continue
            staged, groups = comparable(staged, parts, counts)
            if not staged.held_out:
                continue
            lengths = np.array([len(part) for part in parts])
            counts.tokens += int(lengths.sum())
            counts.train_prompts += not all(staged.held_out)
            counts.held_out_prompts += any(staged.held_out)
            counts.folded_prompts += encoder.folds(staged.prompt.messages)
            for row in ranking_rows(staged, groups, prompts.rows, lengths, codes):
                (held_out if row[0] else train).add(*row[1:])
            held_out_digests += comparison_digests(staged, groups)
            prompt = staged.prompt
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
    counts.refusals = dict(refusals.most_common(REFUSALS_KEPT))
    digest = hashlib.sha256(b"".join(sorted(held_out_digests))).hexdigest()
    return counts, list(codes), digest


def comparable(
    staged: StagedPrompt, parts: list[Tokens], counts: Counts
) -> tuple[StagedPrompt, list[tuple[int, ...]]]:
    """Return a prompt without the rankings that have no comparison left, and the others' groups.

    Responses of a ranking with the same tokens share a number in its groups and are not compared,
    because they always have the same reward. `counts` is told how many comparisons that leaves out.
    """
    responses = staged.prompt.responses
    tokens = {
        response.id: part.tobytes() for response, part in zip(responses, parts[1:], strict=True)
    }
    rankings, held_out, groups = [], [], []
    for ranking, held in zip(staged.prompt.rankings, staged.held_out, strict=True):
        read = [tokens[name] for name in ranking.responses]
        group = tuple(read.index(each) for each in read)
        counts.cut_equal_comparisons += sum(
            group[pair.better] == group[pair.worse] for pair in ranking.comparisons()
        )
        if comparisons(ranking.ranks, groups=group):
            rankings.append(ranking)
            held_out.append(held)
            groups.append(group if len(set(group)) < len(group) else ())
        else:
            counts.cut_equal_rankings += 1
    return StagedPrompt(replace(staged.prompt, rankings=tuple(rankings)), held_out), groups


def comparison_digests(staged: StagedPrompt, groups: list[tuple[int, ...]]) -> Iterator[bytes]:
    """Yield a SHA-256 of the comparisons of each held-out ranking.

    It does not depend on ids, labellers, the order of the responses or the tokenizer.
    """
    texts = {response.id: response.text for response in staged.prompt.responses}
    for ranking, group, held in zip(staged.prompt.rankings, groups, staged.held_out, strict=True):
        if not held:
            continue
        hashes = [
            hashlib.sha256(texts[name].encode("utf-8", "surrogatepass")).hexdigest()
            for name in ranking.responses
        ]
        numbers = group or tuple(range(len(hashes)))
        first = {
            number: min(each for each, its in zip(hashes, numbers, strict=True) if its == number)
            for number in numbers
        }
        placed = sorted(
            (each, rank, first[number])
            for each, rank, number in zip(hashes, ranking.ranks, numbers, strict=True)
        )
        line = json.dumps([staged.prompt.content_hash, placed])
        yield hashlib.sha256(line.encode()).digest()


def ranking_rows(
    staged: StagedPrompt,
    groups: list[tuple[int, ...]],
    row: int,
    lengths: Tokens,
    codes: dict[Labeller, int],
) -> Iterator[tuple[Any, ...]]:
    """Yield a row of a rankings table for each ranking, led by True if it is held out."""
    places = {response.id: place for place, response in enumerate(staged.prompt.responses)}
    for ranking, held_out, group in zip(
        staged.prompt.rankings, staged.held_out, groups, strict=True
    ):
        ranked = [places[name] for name in ranking.responses]
        tokens = lengths[0] + sum(lengths[1 + place] for place in ranked)
        labeller = codes.setdefault((ranking.labeller, ranking.kind), len(codes))
        yield held_out, row, labeller, tokens, ranked, ranking.ranks, group


def schemas(ids: pa.DataType) -> list[pa.Schema]:
    """Return the schemas of FILES, in their order."""
    numbers = pa.large_list(pa.int32())
    rankings = pa.schema(
        {
            "prompt": pa.int64(),
            "labeller": pa.int32(),
            "tokens": pa.int64(),
            "places": numbers,
            "ranks": numbers,
            "groups": numbers,
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
    staging: Staging, encoder: TextEncoder
) -> Iterator[tuple[StagedPrompt, list[Tokens] | TemplateRefusedError]]:
    """Yield each prompt with the tokens of itself and its responses, or why it is refused."""
    found = staging.prompts()
    while some := list(islice(found, PROMPTS_AT_A_TIME)):
        prompts = encoder.prompts([staged.prompt.messages for staged in some])
        taken = [
            staged
            for staged, tokens in zip(some, prompts, strict=True)
            if not isinstance(tokens, TemplateRefusedError)
        ]
        responses = iter(
            encoder.responses(
                [response.text for staged in taken for response in staged.prompt.responses]
            )
        )
        for staged, tokens in zip(some, prompts, strict=True):
            if isinstance(tokens, TemplateRefusedError):
                yield staged, tokens
            else:
                yield staged, [tokens, *islice(responses, len(staged.prompt.responses))]


def _tokenizer_sha256(encoder: TextEncoder) -> str:
    """Return a digest of the files of a saved tokenizer: vocabulary, special tokens, template."""
    with tempfile.TemporaryDirectory() as folder:
        encoder.tokenizer.save_pretrained(folder)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        digests = [[path.name, file_sha256(path)] for path in files]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()
