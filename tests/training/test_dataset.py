"""What is counted, split, tokenised, left out."""

import pytest

from tests.training.tiny import TEXTS, gpt2_like_tokenizer, ranking_lines, write_rankings
from training.config import TrainConfig
from training.dataset import survey, tokenize, training_texts
from training.errors import UserError
from training.filesource import FileSource
from training.text import TextEncoder, prepare_tokenizer
from training.tokenizer import train_tokenizer


def source_of(tmp_path, lines):
    return FileSource(write_rankings(tmp_path / "rankings.jsonl", lines))


def encoder_for(tokenizer, **limits):
    limits = {"max_prompt_tokens": 100, "max_response_tokens": 100} | limits
    return TextEncoder(tokenizer, **limits)


@pytest.fixture
def encoder():
    return encoder_for(train_tokenizer(iter(TEXTS), 400))


@pytest.fixture
def source(rankings_file):
    return FileSource(rankings_file)


def test_everything_is_counted(source, encoder):
    dataset = tokenize(source, survey(source, TrainConfig()), encoder)
    counts = dataset.counts
    assert (counts.prompts, counts.rankings, counts.all_tied) == (14, 28, 1)
    assert counts.train_rankings + counts.held_out_rankings == 27
    assert counts.train_prompts + counts.held_out_prompts == 14
    assert (len(dataset.train), len(dataset.held_out)) == (
        counts.train_rankings,
        counts.held_out_rankings,
    )
    assert counts.comparisons == sum(
        len(ranking.comparisons()) for prompt in source.prompts() for ranking in prompt.rankings
    )


def test_no_prompt_is_on_both_sides(source, encoder):
    dataset = tokenize(source, survey(source, TrainConfig(held_out_fraction=0.5)), encoder)
    train = {ranking.prompt.content_hash for ranking in dataset.train}
    held_out = {ranking.prompt.content_hash for ranking in dataset.held_out}
    assert train
    assert held_out
    assert train.isdisjoint(held_out)


def test_rankings_of_one_prompt_share_its_tokens(source, encoder):
    dataset = tokenize(source, survey(source, TrainConfig()), encoder)
    first, second = dataset.train[:2]
    assert first.prompt is second.prompt
    assert first.example().responses[0] is second.example().responses[0]


def test_tokens_and_ranks_stay_together(tmp_path, encoder):
    lines = ranking_lines(4)
    lines[1]["responses"] = lines[1]["responses"][::-1]
    source = source_of(tmp_path, lines)
    dataset = tokenize(source, survey(source, TrainConfig()), encoder)
    for ranking in [*dataset.train, *dataset.held_out]:
        texts = [encoder.tokenizer.decode(r.tolist()) for r in ranking.example().responses]
        goodness = [-text.split().count("good") for text in texts]
        assert sorted(range(len(texts)), key=lambda i: (ranking.ranks[i], i)) == sorted(
            range(len(texts)), key=lambda i: (goodness[i], i)
        )


def test_the_manifest_hash_is_that_of_the_rankings_not_of_their_order(tmp_path, source):
    lines = ranking_lines()
    turned = source_of(tmp_path, lines[::-1])
    expected = survey(source, TrainConfig()).sha256
    assert survey(turned, TrainConfig()).sha256 == expected
    lines[0]["ranking"] = lines[0]["ranking"][::-1]
    assert survey(source_of(tmp_path, lines), TrainConfig()).sha256 != expected


def test_a_tokenizer_learns_each_training_text_once(source):
    looked = survey(source, TrainConfig(held_out_fraction=0.5))
    texts = list(training_texts(source, looked))
    held_out = {
        text
        for prompt in source.prompts()
        if prompt.content_hash in looked.held_out
        for text in [prompt.messages[0]["content"], *(r.text for r in prompt.responses)]
    }
    assert len(texts) == len(set(texts))
    assert held_out.isdisjoint(texts)


def test_what_is_cut_is_counted(source):
    encoder = encoder_for(
        train_tokenizer(iter(TEXTS), 400), max_prompt_tokens=8, max_response_tokens=8
    )
    dataset = tokenize(source, survey(source, TrainConfig()), encoder)
    assert dataset.counts.truncated_prompts == 14
    assert dataset.counts.truncated_responses > 14
    assert max(len(tokens) for r in dataset.train for tokens in r.example().responses) == 8


def test_prompts_that_the_template_refuses_are_dropped_and_counted(source):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = (
        "{% if messages | length > 1 %}{{ raise_exception('one message only') }}{% endif %}"
        "{{ messages[0]['content'] }}"
    )
    prepare_tokenizer(tokenizer)

    class Longer:
        """The same rankings, one prompt with a second message."""

        name = "longer"

        def prompts(self):
            for number, prompt in enumerate(source.prompts()):
                if number < 2:
                    prompt.messages.append({"role": "assistant", "content": "Yes?"})
                yield prompt

    dataset = tokenize(Longer(), survey(source, TrainConfig()), encoder_for(tokenizer))
    assert (dataset.counts.dropped_prompts, dataset.counts.dropped_rankings) == (1, 2)
    assert len(dataset.train) + len(dataset.held_out) == 25


def test_a_template_that_refuses_all_ends_the_run(source):
    tokenizer = gpt2_like_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    prepare_tokenizer(tokenizer)
    with pytest.raises(UserError, match="refuses 14 of 14 prompts"):
        tokenize(source, survey(source, TrainConfig()), encoder_for(tokenizer))


@pytest.mark.parametrize(("prompts", "left"), [(1, 1), (2, 1)])
def test_fewer_than_two_prompts_with_a_comparison_are_too_few(tmp_path, prompts, left):
    lines = ranking_lines(prompts, labellers=("ann",))
    if prompts == 1:
        lines[0] = ranking_lines(2)[0]
    with pytest.raises(UserError, match=f"at least two prompts with a comparison; .* has {left} "):
        survey(source_of(tmp_path, lines), TrainConfig())
