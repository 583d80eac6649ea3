"""The formats of an export, as trainers and spreadsheets read them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from transformers import AutoModelForSequenceClassification
from trl import RewardConfig, RewardTrainer
from trl.data_utils import is_conversational

from labelapp.exporting import reader
from labelapp.exporting.formats import COLUMNS
from labelapp.models import Assignment, Member, Project, Rating
from labelapp.rendering.spreadsheet import FORMULA
from tests.conftest import AddPrompt, AddRanking
from tests.labelapp.exporting.exported import (
    CONVERSATION,
    NOON,
    THREE,
    conversation,
    lines,
    name_responses,
    rank,
    rows,
)
from tests.training.tiny import family_config, gpt2_like_tokenizer
from training.rankings import UNRANKED

# TRL pairs


def test_trl_gets_a_line_a_comparison_and_none_of_a_tie(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member, export: Any
) -> None:
    prompt = add_prompt(responses=THREE)
    name_responses(prompt, "a", "b", "c")
    add_ranking(prompt, ann, [2, 1, 2])
    add_ranking(prompt, bob, [1, 1, 1])
    add_prompt("Nobody ranked this?")
    assert lines(export("--format", "trl")) == [
        {"prompt": "Why is the sky blue?", "chosen": "Paint.", "rejected": "Scattering."},
        {"prompt": "Why is the sky blue?", "chosen": "Paint.", "rejected": "The sea."},
    ]


def load(path: Path) -> Any:
    return load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(path.parent / "cache")
    )


def test_datasets_loads_texts_as_trl_expects_them(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any, tmp_path: Path
) -> None:
    add_ranking(add_prompt("Wörds\u2028\n“and” 👍?", THREE), ann, [1, 2, 3])
    export("--format", "trl")
    loaded = load(tmp_path / "out.jsonl")
    assert loaded.column_names == ["prompt", "chosen", "rejected"]
    assert len(loaded) == 3
    assert loaded[0]["prompt"] == "Wörds\u2028\n“and” 👍?"
    assert not is_conversational(loaded[0])


def test_with_one_conversation_every_line_of_the_file_is_one(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    project: Project,
    export: Any,
    tmp_path: Path,
) -> None:
    add_ranking(add_prompt(responses=THREE), ann, [1, 2, 3])
    add_ranking(conversation(project, CONVERSATION, "x", "y"), ann, [2, 1])
    export("--format", "trl")
    loaded = load(tmp_path / "out.jsonl")
    assert all(is_conversational(line) for line in loaded)
    assert loaded[0]["prompt"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert loaded[3] == {
        "prompt": CONVERSATION,
        "chosen": [{"role": "assistant", "content": "y"}],
        "rejected": [{"role": "assistant", "content": "x"}],
    }


@pytest.mark.parametrize(
    "messages",
    [CONVERSATION, [{"role": "system", "content": "Go on."}]],
    ids=["two messages", "not a user's"],
)
def test_a_conversation_that_nobody_ranked_leaves_the_others_plain(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    messages: list[dict[str, str]],
) -> None:
    talk = conversation(project, messages, "x", "y")
    add_ranking(add_prompt(responses=THREE), ann, [1, 2, 3])
    assert not reader.has_conversations(project)
    add_ranking(talk, ann, [1, 2])
    assert reader.has_conversations(project)


@pytest.mark.parametrize("talk", [False, True], ids=["texts", "conversations"])
def test_trl_trains_a_step_on_the_file(
    project: Project,
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    export: Any,
    tmp_path: Path,
    talk: bool,
) -> None:
    add_ranking(add_prompt(responses=THREE), ann, [1, 2, 3])
    if talk:
        add_ranking(conversation(project, CONVERSATION, "x", "y"), ann, [2, 1])
    export("--format", "trl")
    tokenizer = gpt2_like_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    config = family_config(
        "llama", len(tokenizer), num_labels=1, pad_token_id=tokenizer.pad_token_id
    )
    trainer = RewardTrainer(
        model=AutoModelForSequenceClassification.from_config(config),
        args=RewardConfig(
            output_dir=str(tmp_path / "run"),
            max_steps=1,
            per_device_train_batch_size=2,
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=load(tmp_path / "out.jsonl"),
        processing_class=tokenizer,
    )
    loss = trainer.train().training_loss
    assert 0 < loss < 5


# NeMo


def test_nemo_gets_a_line_a_ranking_with_the_best_at_0(
    add_prompt: AddPrompt,
    add_ranking: AddRanking,
    ann: Member,
    bob: Member,
    export: Any,
    tmp_path: Path,
) -> None:
    prompt = add_prompt(responses=THREE)
    name_responses(prompt, "a", "b", "c")
    add_ranking(prompt, ann, [2, 1, 2])
    add_ranking(prompt, bob, [1, 1, 1])  # all tied: it says nothing
    export("--format", "nemo")
    (line,) = load(tmp_path / "out.jsonl")
    assert line["context"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert [
        (c["rank"], c["completion"][0]["role"], c["completion"][0]["content"])
        for c in line["completions"]
    ] == [
        (0, "assistant", "Paint."),
        (1, "assistant", "Scattering."),
        (1, "assistant", "The sea."),
    ]


def test_nemo_gets_unranked_responses_as_the_last_ones(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, export: Any
) -> None:
    add_ranking(add_prompt(), ann, [UNRANKED, 2, 1, UNRANKED])
    (line,) = lines(export("--format", "nemo"))
    assert [completion["rank"] for completion in line["completions"]] == [0, 1, 2, 2]
    assert len(lines(export("--format", "trl", "--force"))) == 5


# CSV


def test_the_table_has_a_row_a_response_of_a_ranking(
    add_prompt: AddPrompt, add_ranking: AddRanking, ann: Member, bob: Member, export: Any
) -> None:
    prompt = add_prompt(responses=THREE, external_id="p1")
    a, b, c = name_responses(prompt, "a", "b", "c")
    ranking = add_ranking(prompt, ann, [2, 1, 2], seconds=4.5, created_at=NOON)
    Rating.objects.create(ranking=ranking, response=c, score=3, flags=["Ä", "B"])
    Assignment.objects.create(
        prompt=prompt, member=ann, order=[c.pk, b.pk, a.pk], expires_at=NOON, submitted_at=NOON
    )
    add_ranking(prompt, bob, [1, 1, 1])
    text = export(name="out.csv")
    assert text.splitlines()[0] == ",".join(COLUMNS)
    found = rows(text)
    assert [(row["ranking"], row["response_id"], row["rank"]) for row in found] == [
        ("1", "b", "1"), ("1", "a", "2"), ("1", "c", "2"),
        ("2", "a", "1"), ("2", "b", "1"), ("2", "c", "1"),
    ]  # fmt: skip
    assert found[2] == {
        "ranking": "1",
        "prompt_id": "p1",
        "prompt": "Why is the sky blue?",
        "conversation": "",
        "labeller": "ann",
        "version": "1",
        "current": "true",
        "origin": "here",
        "surplus": "false",
        "created_at": "2026-03-01T12:00:00.000000Z",
        "seconds": "4.5",
        "all_bad": "false",
        "note": "",
        "response_id": "c",
        "source": "model-2",
        "place_shown": "1",
        "rank": "2",
        "score": "3",
        "flags": '["Ä", "B"]',
        "response": "The sea.",
    }


def test_a_conversation_stands_in_the_table_whole_and_by_its_last_message(
    project: Project, add_ranking: AddRanking, ann: Member, export: Any
) -> None:
    add_ranking(conversation(project, CONVERSATION, "x", "y"), ann, [2, 1])
    row = rows(export(name="out.csv"))[0]
    assert row["prompt"] == "Why?"
    assert json.loads(row["conversation"]) == CONVERSATION


HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1",
    "\n=1", "＝1", "'=1", "'quoted'", 'a,"b"\r\nc', "<script>",
]  # fmt: skip


def test_no_cell_of_the_table_is_run_as_a_formula_and_each_can_be_had_back(
    add_prompt: AddPrompt, project: Project, export: Any
) -> None:
    evil = Member.objects.create(project=project, name='=HYPERLINK("x")')
    prompt = add_prompt("=1+1", responses=HOSTILE)
    responses = list(prompt.responses.order_by("pk"))
    rank(prompt, evil, responses[:6], [1] * 6)
    rank(prompt, evil, responses[6:], [1] * 6)
    found = rows(export(name="out.csv"))
    assert len(found) == len(HOSTILE)
    for row in found:
        assert not any(re.match(r"[=+\-@＝＋－＠\t\r\n]", value) for value in row.values())
        assert row["prompt"] == "'=1+1"
        assert row["labeller"] == '\'=HYPERLINK("x")'
    read_back = {
        text[1:] if FORMULA.match(text) else text for text in (r["response"] for r in found)
    }
    assert read_back == set(HOSTILE)


def test_a_table_of_no_rankings_is_its_header(add_prompt: AddPrompt, export: Any) -> None:
    add_prompt()
    assert export(name="out.csv") == ",".join(COLUMNS) + "\r\n"
