"""Tokens on disk: what is read is what was written, and nothing is tokenised twice."""

import fcntl
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.training.tiny import TEXTS, gpt2_like_tokenizer, ranking_lines, write_rankings
from training.config import TrainConfig
from training.data import arrow_table as columns
from training.data import token_cache as tokenstore
from training.data.dataset import Element
from training.data.encoder import TextEncoder, prepare_tokenizer
from training.data.file import FileSource
from training.data.staging import stage
from training.data.stores import STORES_KEPT, new_store
from training.data.token_cache import open_store, tokenized
from training.data.tokenizer import train_tokenizer
from training.errors import UserError
from training.rankings import comparisons


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(iter(TEXTS), 400)


@pytest.fixture
def load(tmp_path, tokenizer):
    """A function from lines to (dataset, whether it was there); the same cache for all."""

    def load_lines(lines=None, own_tokenizer=None, limit=100, **settings):
        source = FileSource(write_rankings(tmp_path / "rankings.jsonl", lines))
        encoder = TextEncoder(
            own_tokenizer or tokenizer, max_prompt_tokens=limit, max_response_tokens=limit
        )
        config = TrainConfig(**settings)
        with stage(source, tmp_path / "cache") as staging:
            staging.split(config)
            return tokenized(staging, encoder, tmp_path / "cache")

    return load_lines


def contents(dataset):
    """Everything that a run computes with, as plain values."""
    return [
        [
            (
                ranking.prompt.content_hash,
                Element.of([ranking]).example().prompt.tolist(),
                [response.tolist() for response in Element.of([ranking]).example().responses],
                ranking.ranks,
                ranking.labeller,
            )
            for ranking in side
        ]
        for side in (dataset.train, dataset.held_out)
    ] + [asdict(dataset.counts)]


def stores(tmp_path):
    return {path.name for path in (tmp_path / "cache").iterdir()}


def test_tokens_ranks_and_lengths_stay_together(load, tokenizer):
    lines = ranking_lines(4)
    lines[1]["responses"] = lines[1]["responses"][::-1]
    dataset, _ = load(lines)
    texts_of = {
        prompt.content_hash: prompt.texts
        for side in (dataset.train, dataset.held_out)
        for prompt, _ in side.by_prompt()
    }
    for side in (dataset.train, dataset.held_out):
        for place, ranking in enumerate(side):
            example = Element.of([ranking]).example()
            whole = texts_of[ranking.prompt.content_hash]
            texts = [whole[i] for i in ranking.places]
            assert [tokenizer.decode(tokens[:-1].tolist()) for tokens in example.responses] == texts
            goodness = [text.split().count("good") for text in texts]
            levels = sorted(set(goodness), reverse=True)
            assert list(ranking.ranks) == [1 + levels.index(value) for value in goodness]
            assert side.ranks[place].tolist() == list(ranking.ranks)
            assert side.tokens[place] == example.tokens
            prompt = ranking.prompt
            assert prompt.characters == [len(text) for text in whole]
            assert prompt.words == [len(text.split()) for text in whole]


def test_everything_is_counted(load):
    lines = ranking_lines()
    dataset, _ = load([*lines, lines[0]], held_out_fraction=0.4)
    counts = dataset.counts
    assert (counts.prompts, counts.rankings, counts.all_tied, counts.duplicates) == (14, 29, 1, 1)
    assert counts.train_rankings == len(dataset.train)
    assert counts.held_out_rankings == len(dataset.held_out)
    assert counts.train_rankings + counts.held_out_rankings == 27
    assert counts.train_prompts + counts.held_out_prompts == 14
    assert counts.held_out_prompts == len(list(dataset.held_out_prompts()))
    prompts = [p for side in (dataset.train, dataset.held_out) for p, _ in side.by_prompt()]
    assert counts.tokens == sum(len(p.tokens) + sum(map(len, p.responses)) for p in prompts)


def test_a_side_is_a_sequence(load):
    train = load()[0].train
    assert train[-1].prompt.content_hash == list(train)[-1].prompt.content_hash
    assert [ranking.places for ranking in train[2:5]] == [train[i].places for i in (2, 3, 4)]
    with pytest.raises(IndexError):
        train[len(train)]


def test_rankings_of_a_prompt_come_together_with_its_texts(load):
    dataset, _ = load(ranking_lines()[::-1], held_out_fraction=0.5)
    hashes = []
    for prompt, rankings in dataset.held_out.by_prompt():
        assert {ranking.labeller for ranking in rankings} <= {"ann", "bob"}
        assert all(ranking.prompt is prompt for ranking in rankings)
        assert prompt.messages[0]["content"].startswith("Write about")
        assert len(prompt.texts) == len(prompt.responses)
        hashes.append(prompt.content_hash)
    assert len(hashes) == len(set(hashes)) == dataset.counts.held_out_prompts


def test_many_batches_read_as_one(load, monkeypatch):
    whole = contents(load()[0])
    monkeypatch.setattr(columns, "ROWS", 3)
    monkeypatch.setattr(tokenstore, "FORMAT", 999)
    dataset, was_there = load()
    assert not was_there
    assert contents(dataset) == whole


def test_large_vocabularies_are_kept_whole(load):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.add_tokens([f"<word {n}>" for n in range(2**16)] + ["garden"])
    prepare_tokenizer(tokenizer)
    dataset, _ = load(own_tokenizer=tokenizer)
    garden = tokenizer.convert_tokens_to_ids("garden")
    assert garden > 2**16
    assert any(garden in tokens for ranking in dataset.train for tokens in ranking.prompt.responses)


def test_what_is_cut_is_counted(load):
    dataset, _ = load(limit=8)
    assert dataset.counts.truncated_prompts == 14
    assert dataset.counts.truncated_responses > 14
    examples = [Element.of([ranking]).example() for ranking in dataset.train]
    assert max(len(tokens) for example in examples for tokens in example.responses) == 8


def test_prompts_that_the_template_refuses_are_dropped_and_counted(load):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = (
        "{% if messages | length > 1 %}{{ raise_exception('one message only') }}{% endif %}"
        "{{ messages[0]['content'] }}"
    )
    prepare_tokenizer(tokenizer)
    lines = ranking_lines()
    for line in lines[:2]:
        line["prompt"] = [
            {"role": "user", "content": line["prompt"]},
            {"role": "assistant", "content": "Yes?"},
        ]
    dataset, _ = load(lines, tokenizer)
    assert (dataset.counts.dropped_prompts, dataset.counts.dropped_rankings) == (1, 2)
    assert len(dataset.train) + len(dataset.held_out) == 25
    whole = {p.content_hash for p, _ in dataset.train.by_prompt()}
    assert len(whole) == dataset.counts.train_prompts


def test_a_template_that_refuses_all_ends_the_run(load, tmp_path):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    prepare_tokenizer(tokenizer)
    with pytest.raises(UserError, match="refuses 14 of 14 prompts"):
        load(own_tokenizer=tokenizer)
    assert stores(tmp_path) == set()


def test_prompts_that_labellers_share_are_not_called_unseen(load):
    lines = ranking_lines(8)[:-2]
    alone = ranking_lines(9, ("bob",))[7]
    for split in (0, 1):
        dataset, _ = load([*lines, alone], held_out_by="labeller", folds=2, split=split)
        (name,) = {ranking.labeller for ranking in dataset.held_out}
        assert len(list(dataset.unseen_ids())) == (1 if name == "bob" else 0)


def test_a_second_reading_finds_the_tokens(load, monkeypatch):
    first, was_there = load()
    assert not was_there
    monkeypatch.setattr(TextEncoder, "responses", None)  # called, it would fail
    second, was_there = load(ranking_lines()[::-1])
    assert was_there
    assert contents(second) == contents(first)


@pytest.mark.parametrize(
    "change", [{"split": 1}, {"held_out_fraction": 0.3}, {"limit": 50}, {"held_out_by": "labeller"}]
)
def test_other_settings_are_other_tokens(load, change):
    first, _ = load()
    second, was_there = load(**change)
    assert not was_there
    assert second.key != first.key


def test_other_rankings_or_another_tokenizer_are_other_tokens(load, tokenizer):
    lines = ranking_lines()
    load(lines)
    lines[0]["responses"][0]["text"] += " indeed"
    assert not load(lines)[1]
    own = train_tokenizer(iter(TEXTS), 400)
    own.chat_template += " "
    assert not load(own_tokenizer=own)[1]
    assert load()[1]


def test_a_store_is_opened_without_its_source(load, tmp_path):
    dataset, _ = load()
    (tmp_path / "rankings.jsonl").unlink()
    again = open_store(tmp_path / "cache", dataset.key)
    assert contents(again) == contents(dataset)
    assert list(again.unseen_ids()) == list(dataset.unseen_ids())
    assert again.rankings_sha256 == dataset.rankings_sha256


def test_a_store_that_is_gone_is_said(tmp_path):
    with pytest.raises(UserError, match="the tokens of the run are not in"):
        open_store(tmp_path, "0" * 64)


@pytest.mark.parametrize("damage", ["a byte", "a table", "the end", "the facts"])
def test_a_damaged_store_is_made_again(load, tmp_path, damage):
    dataset, _ = load()
    expected = contents(dataset)
    folder = tmp_path / "cache" / dataset.key
    prompts = folder / "prompts.arrow"
    whole = bytearray(prompts.read_bytes())
    if damage == "a byte":
        whole[len(whole) // 2] ^= 1
        prompts.unlink()
        prompts.write_bytes(whole)
    elif damage == "a table":
        (folder / "train.arrow").unlink()
    elif damage == "the end":
        prompts.unlink()
        prompts.write_bytes(whole[:-100])
    else:
        (folder / "store.json").write_text("[]")
    again, was_there = load()
    assert not was_there
    assert contents(again) == expected
    assert load()[1]


def test_the_cache_stays_small_and_nothing_in_use_goes(load, tmp_path):
    oldest, _ = load(split=0)
    os.utime(tmp_path / "cache" / oldest.key, (1, 1))
    second = load(split=1)[0].key
    os.utime(tmp_path / "cache" / second, (2, 2))
    for split in range(2, STORES_KEPT + 2):
        load(split=split)
    assert oldest.key in stores(tmp_path)  # `oldest` is still open
    assert second not in stores(tmp_path)
    assert len(stores(tmp_path)) == STORES_KEPT + 1
    key = oldest.key
    del oldest
    load(split=STORES_KEPT + 2)
    assert key not in stores(tmp_path)
    assert len(stores(tmp_path)) == STORES_KEPT


def test_what_a_killed_run_left_goes_after_a_day(load, tmp_path):
    for name, age in (("old.part", 2 * 24 * 3600), ("new.part", 60)):
        (tmp_path / "cache" / name).mkdir(parents=True)
        os.utime(tmp_path / "cache" / name, (time.time() - age,) * 2)
    dataset, _ = load()
    assert stores(tmp_path) == {"new.part", dataset.key}


def test_of_two_that_write_the_same_store_one_wins(load, tmp_path):
    dataset, _ = load()
    cache = tmp_path / "cache"
    with new_store(cache, "other") as mine:
        (mine / "store.json").write_text("mine")
        shutil.copytree(cache / dataset.key, cache / "late")
        with new_store(cache, "other") as theirs:
            (theirs / "store.json").write_text("theirs")
    assert (cache / "other" / "store.json").read_text() in ("mine", "theirs")
    assert not list(cache.glob("*.part"))


def test_a_dataset_holds_its_store(load, tmp_path):
    dataset, _ = load()
    with open(tmp_path / "cache" / dataset.key / "store.json") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        del dataset
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_memory_of_what_was_read_is_given_back(load, monkeypatch):
    def mapped():
        """KiB of the prompts' file that this process holds."""
        lines = Path("/proc/self/smaps").read_text().splitlines()
        (start,) = (i for i, line in enumerate(lines) if line.endswith("/prompts.arrow"))
        return next(int(line.split()[1]) for line in lines[start:] if line.startswith("Rss:"))

    dataset, _ = load()
    monkeypatch.setattr("training.data.dataset.READS_PER_RELEASE", 10**9)
    expected = contents(dataset)
    assert mapped() > 0
    held = dataset.train[0].prompt
    before = held.tokens.tolist()
    for table in dataset.prompts._tables:
        table.release_pages()
    assert mapped() == 0
    assert held.tokens.tolist() == before
    monkeypatch.setattr("training.data.dataset.READS_PER_RELEASE", 2)
    assert contents(dataset) == expected


SAME = " ".join(["river stone lamp paper"] * 8)


def cut_lines(ranking=("a", "b", "c")):
    """Return lines of which the second prompt's first two responses differ at their ends alone."""
    lines = ranking_lines(12, labellers=("ann",))[:11]
    texts = {"a": f"{SAME} first", "b": f"{SAME} second", "c": "short"}
    lines[1]["responses"] = [{"id": name, "text": text} for name, text in texts.items()]
    lines[1]["ranking"] = [[name] for name in ranking]
    return lines


def test_responses_that_are_equal_after_the_cut_are_not_compared(load):
    dataset, _ = load(cut_lines(), limit=12)
    (ranking,) = [
        each for side in (dataset.train, dataset.held_out) for each in side if each.groups
    ]
    assert (ranking.ranks, ranking.groups) == ((1, 2, 3), (0, 0, 2))
    assert comparisons(ranking.ranks, groups=ranking.groups) == [(0, 2, 1.0), (1, 2, 1.0)]
    counts = dataset.counts
    assert (counts.cut_equal_comparisons, counts.cut_equal_rankings) == (1, 0)
    uncut = load(cut_lines(), limit=400)[0]
    assert not any(each.groups for side in (uncut.train, uncut.held_out) for each in side)
    assert uncut.counts.cut_equal_comparisons == 0


def test_a_ranking_of_responses_that_are_all_equal_after_the_cut_is_left_out(load):
    lines = cut_lines()
    lines[1]["responses"], lines[1]["ranking"] = lines[1]["responses"][:2], [["a"], ["b"]]
    dataset, _ = load(lines, limit=12, held_out_fraction=0.5)
    assert (dataset.counts.cut_equal_comparisons, dataset.counts.cut_equal_rankings) == (1, 1)
    assert dataset.counts.train_rankings + dataset.counts.held_out_rankings == 10
    assert dataset.counts.train_prompts + dataset.counts.held_out_prompts == 10


def test_no_side_without_a_comparison_after_the_cut(load):
    lines = ranking_lines(3, labellers=("ann",))[:2]
    for line in lines:
        line["responses"] = [{"id": name, "text": f"{SAME} {name}"} for name in "ab"]
        line["ranking"] = [["a"], ["b"]]
    with pytest.raises(UserError, match="2 rankings are equal after the cut; raise --max-response"):
        load(lines, limit=12)


def test_the_digest_of_the_held_out_comparisons_is_that_of_what_is_compared(load):
    lines = ranking_lines(10, labellers=("ann",))[:9]
    first = load(lines, held_out_fraction=0.5)[0]
    renamed = [line | {"labeller": "zoe"} for line in reversed(lines)]
    assert load(renamed, held_out_fraction=0.5)[0].held_out_sha256 == first.held_out_sha256
    assert load(lines, held_out_fraction=0.5, split=1)[0].held_out_sha256 != first.held_out_sha256
    for line in lines:
        line["responses"].append({"id": "y", "text": f"{SAME} y"})
        line["responses"].append({"id": "z", "text": f"{SAME} z"})
        line["ranking"] += [["y"], ["z"]]
    whole = load(lines, held_out_fraction=0.5, limit=400)[0]
    cut = load(lines, held_out_fraction=0.5, limit=12)[0]
    assert cut.counts.cut_equal_comparisons == 9
    assert whole.held_out_sha256 != cut.held_out_sha256
