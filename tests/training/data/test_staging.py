"""Staging: rankings gathered from a source, counted, left out and held out."""

import pytest

from tests.training.tiny import ranking_lines, write_rankings
from training.config import TrainConfig
from training.data.file import FileSource
from training.data.source import Prompt, Response
from training.data.staging import stage
from training.errors import UserError
from training.rankings import Ranking
from training.splits import held_out_hashes

JUDGEMENTS = (((1, 2), "ann"), ((1, 2), "bob"), ((2, 1), "cleo"))


@pytest.fixture
def gathered(tmp_path):
    """A function from lines and settings to a staging that is split."""
    opened = []

    def gather_lines(lines, **settings):
        source = FileSource(write_rankings(tmp_path / "rankings.jsonl", lines))
        opened.append(stage(source, tmp_path / "cache"))
        staging = opened[-1].__enter__()
        staging.split(TrainConfig(**settings))
        return staging

    yield gather_lines
    for context in opened:
        context.__exit__(None, None, None)


def sides(staging):
    """(prompts with a training ranking, prompts with one held out)."""
    found = list(staging.prompts())
    train = {one.prompt.content_hash for one in found if not all(one.held_out)}
    held_out = {one.prompt.content_hash for one in found if any(one.held_out)}
    return train, held_out


def labellers(staging, held_out):
    return {
        ranking.labeller
        for one in staging.prompts()
        for ranking, side in zip(one.prompt.rankings, one.held_out, strict=True)
        if side is held_out
    }


def test_a_prompt_comes_once_with_all_its_rankings(gathered):
    lines = ranking_lines(5)
    staging = gathered(lines[::2] + lines[1::2])
    for one in staging.prompts():
        names = [ranking.labeller for ranking in one.prompt.rankings]
        assert sorted(names) in (["ann", "bob"], ["ann"])  # the last of bob's is all tied
        assert len({response.text for response in one.prompt.responses}) == len(
            one.prompt.responses
        )
    assert (staging.counts.prompts, staging.counts.rankings, staging.counts.all_tied) == (5, 10, 1)


def test_a_ranking_given_twice_counts_once(gathered):
    lines = ranking_lines(5)
    turned = lines[0] | {"responses": lines[0]["responses"][::-1]}
    staging = gathered([*lines, lines[0], turned, lines[3]])
    assert (staging.counts.rankings, staging.counts.duplicates) == (13, 3)
    assert sum(len(one.prompt.rankings) for one in staging.prompts()) == 9
    alone = gathered(lines)
    assert staging.rankings_sha256() == alone.rankings_sha256()
    assert staging.counts.comparisons == alone.counts.comparisons


def test_the_same_ranking_by_somebody_else_is_another_one(gathered):
    lines = ranking_lines(3)
    staging = gathered([*lines, lines[0] | {"labeller": "cleo"}, lines[0] | {"labeller": None}])
    assert staging.counts.duplicates == 0
    assert labellers(staging, True) | labellers(staging, False) == {"ann", "bob", "cleo", None}


def test_the_hash_is_that_of_the_rankings_not_of_their_order(gathered):
    lines = ranking_lines()
    expected = gathered(lines).rankings_sha256()
    assert gathered(lines[::-1]).rankings_sha256() == expected
    lines[0]["ranking"] = lines[0]["ranking"][::-1]
    assert gathered(lines).rankings_sha256() != expected


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.9])
def test_prompts_are_held_out_by_their_hashes(gathered, fraction):
    train, held_out = sides(gathered(ranking_lines(), held_out_fraction=fraction, split=3))
    assert held_out == held_out_hashes(train | held_out, fraction, split=3)
    assert train.isdisjoint(held_out)


def test_labellers_are_held_out_with_all_their_rankings(gathered):
    staging = gathered(ranking_lines(6, ("ann", "bob", "cleo")), held_out_by="labeller")
    out = labellers(staging, True)
    assert len(out) == 1
    assert out.isdisjoint(labellers(staging, False))
    assert labellers(staging, False) | out == {"ann", "bob", "cleo"}


def test_rankings_without_a_name_are_one_labellers(gathered):
    lines = ranking_lines(6, ("ann", None))
    for split in (0, 1):
        staging = gathered(lines, held_out_by="labeller", folds=2, split=split)
        assert {frozenset(labellers(staging, side)) for side in (True, False)} == {
            frozenset({"ann"}),
            frozenset({None}),
        }


@pytest.mark.parametrize("by", ["prompt", "labeller"])
def test_each_is_held_out_in_one_fold(gathered, by):
    lines = ranking_lines(10, ("ann", "bob", "cleo", "dan"))
    out = []
    for split in range(4):
        staging = gathered(lines, held_out_by=by, folds=4, split=split)
        out += sides(staging)[1] if by == "prompt" else labellers(staging, True)
    assert len(out) == len(set(out)) == {"prompt": 10, "labeller": 4}[by]


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ({"held_out_by": "labeller"}, "needs at least 2 labellers; rankings.jsonl has 1"),
        ({"held_out_by": "labeller", "folds": 3}, "needs at least 3 labellers"),
        ({"folds": 7}, "7 folds need as many prompts; rankings.jsonl has 6"),
    ],
)
def test_too_few_for_the_split_is_said(gathered, split, reason):
    with pytest.raises(UserError, match=reason):
        gathered(ranking_lines(7, ("ann",)), **split)  # the last one is all tied


@pytest.mark.parametrize(("prompts", "left"), [(1, 1), (2, 1)])
def test_fewer_than_two_prompts_with_a_comparison_are_too_few(gathered, prompts, left):
    lines = ranking_lines(prompts, labellers=("ann",))
    if prompts == 1:
        lines[0] = ranking_lines(2)[0]
    with pytest.raises(UserError, match=f"at least two prompts with a comparison; .* has {left} "):
        gathered(lines)


def test_a_tokenizer_learns_each_training_text_once(gathered):
    lines = ranking_lines()
    staging = gathered([*lines, *lines[::-1]], held_out_fraction=0.5)
    texts = list(staging.training_texts())
    held_out = {
        text
        for one in staging.prompts()
        if any(one.held_out)
        for text in [one.prompt.messages[0]["content"], *(r.text for r in one.prompt.responses)]
    }
    assert len(texts) == len(set(texts))
    assert held_out
    assert held_out.isdisjoint(texts)
    turned = gathered(lines[::-1], held_out_fraction=0.5)
    assert next(turned.training_texts()) == texts[0]


def test_a_tokenizer_reads_no_more_than_it_needs(gathered, monkeypatch):
    monkeypatch.setattr("training.data.staging.TOKENIZER_CHARACTERS", 300)
    assert 300 <= sum(map(len, gathered(ranking_lines()).training_texts())) < 700


def test_a_ranking_of_another_prompts_response_is_refused(tmp_path):
    class Damaged:
        name = "damaged"

        def prompts(self, tick):
            responses = (Response(1, "one"), Response(2, "two"))
            yield Prompt(5, "ab", [], responses, (Ranking((1, 9), (1, 2)),))

    reason = "prompt 5 in damaged names response 9, which is not among the prompt's responses"
    with pytest.raises(UserError, match=reason), stage(Damaged(), tmp_path):
        pass


def test_nothing_is_left_on_disk(tmp_path, rankings_file):
    with stage(FileSource(rankings_file), tmp_path):
        assert list(tmp_path.iterdir()) == []


# The choice of verdicts

ANN, BOB, CLEO = (Ranking((1, 2), ranks, name) for ranks, name in JUDGEMENTS)
LEAD = Ranking((1, 2), (2, 1), "ann", "adjudicated")


class Rated:
    """A source whose first prompts have the rankings given; two more have one of Ann's."""

    name = "rated"

    def __init__(self, *prompts):
        self.given = prompts

    def prompts(self, tick):
        for number, rankings in enumerate([*self.given, (ANN,), (ANN,)]):
            responses = (Response(1, "yes"), Response(2, "no"))
            asked = [{"role": "user", "content": f"{number}?"}]
            # Each in a line of its own, as a file gives them.
            for ranking in rankings:
                yield Prompt(number, f"{number:064}", asked, responses, (ranking,))


def chosen(source, folder, aggregation):
    """The rankings of each prompt, and the counts."""
    with stage(source, folder, aggregation) as staging:
        staging.split(TrainConfig())
        return [list(one.prompt.rankings) for one in staging.prompts()], staging.counts


def test_every_ranking_counts_the_adjudicated_one_too(tmp_path):
    found, counts = chosen(Rated((ANN, BOB, LEAD)), tmp_path, "all")
    assert found == [[ANN, BOB, LEAD], [ANN], [ANN]]
    assert (counts.rankings, counts.chosen, counts.comparisons) == (5, 5, 5)


def test_the_majority_of_lines_far_apart_is_one_ranking(tmp_path):
    found, counts = chosen(Rated((ANN, BOB, CLEO, LEAD)), tmp_path, "majority")
    assert found == [[Ranking((1, 2), (1, 2), "majority of 3", "majority")], [ANN], [ANN]]
    assert (counts.rankings, counts.chosen, counts.comparisons) == (6, 3, 3)


def test_a_ranking_that_ties_everything_has_a_say_in_the_majority(tmp_path):
    tied = Ranking((1, 2), (1, 1), "dora")
    found, counts = chosen(Rated((ANN, tied), (tied,)), tmp_path, "majority")
    assert found == [[Ranking((1, 2), (1, 2), "majority of 2", "majority")], [ANN], [ANN]]
    assert (counts.rankings, counts.chosen, counts.all_tied) == (5, 4, 1)


def test_an_adjudicated_ranking_counts_alone(tmp_path):
    found, counts = chosen(Rated((ANN, BOB, LEAD), (ANN, BOB)), tmp_path, "adjudicated")
    assert found == [[LEAD], [ANN, BOB], [ANN], [ANN]]
    assert (counts.rankings, counts.chosen) == (7, 5)


def test_where_the_adjudicated_ranking_ties_everything_nothing_is_learned(tmp_path):
    level = Ranking((1, 2), (1, 1), "lead", "adjudicated")
    found, counts = chosen(Rated((ANN, BOB, level)), tmp_path, "adjudicated")
    assert found == [[ANN], [ANN]]
    assert (counts.chosen, counts.all_tied) == (3, 1)


def test_who_adjudicates_what_they_ranked_before_is_not_a_duplicate(tmp_path):
    same = Ranking((1, 2), (1, 2), "ann", "adjudicated")
    _, counts = chosen(Rated((ANN, same)), tmp_path, "all")
    assert counts.duplicates == 0


def test_a_choice_that_changes_nothing_gives_the_same_hash(tmp_path):
    hashes = set()
    for aggregation in ("all", "adjudicated"):
        with stage(Rated((ANN, BOB)), tmp_path, aggregation) as staging:
            hashes.add(staging.rankings_sha256())
    assert len(hashes) == 1
