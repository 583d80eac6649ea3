"""Scoring the responses of a file with a run's model, without a database."""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from tests.training.tiny import ranking_lines, write_rankings
from training import score, train
from training.data.file import FileSource
from training.runs.folder import RunFolder

SMALL = ("--backbone", "transformer", "--width", "32", "--vocabulary", "400")


@pytest.fixture(scope="module")
def run(rankings_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored") / "run"
    assert train.main(["--rankings", str(rankings_file), "--run-folder", str(folder), *SMALL]) == 0
    return RunFolder(folder)


@pytest.fixture
def scores(run, tmp_path):
    """Score a file with the options, and return the lines written."""

    def scores(path, *options):
        out = tmp_path / "scores.jsonl"
        arguments = ["--run-folder", str(run.path), "--responses", str(path)]
        assert score.main([*arguments, "--output", str(out), *options]) == 0
        return [json.loads(line) for line in out.read_text().splitlines()]

    return scores


@pytest.fixture
def refusal(run, capsys):
    """Score a file with options that are refused, and return the error."""

    def refusal(path, *options):
        arguments = ["--run-folder", str(run.path), "--responses", str(path), *options]
        assert score.main([str(argument) for argument in arguments]) == 2
        return capsys.readouterr().err.splitlines()[-1]

    return refusal


def test_every_response_has_a_line_in_the_order_of_the_file(run, rankings_file, capsys):
    before = run.read_progress()
    assert score.main(["--run-folder", str(run.path), "--responses", str(rankings_file)]) == 0
    said = capsys.readouterr().err
    out = run.path / "scores-of-rankings.jsonl"
    found = [json.loads(line) for line in out.read_text().splitlines()]
    expected = [
        (line.number, response.id, hashlib.sha256(response.text.encode()).hexdigest())
        for line in FileSource(rankings_file).lines()
        for response in line.responses
    ]
    assert [(one["prompt"], one["response"], one["text_sha256"]) for one in found] == expected
    assert "reading rankings.jsonl.gz as a prompt with a list of responses" in said
    assert f"{len(found)} responses scored: {out}" in said
    assert run.read_progress() == before


def test_one_response_is_counted_as_one(run, tmp_path, capsys):
    path = tmp_path / "one.jsonl"
    response = {"id": "a", "text": "Because."}
    path.write_text(json.dumps({"prompt": "Why?", "responses": [response]}))
    assert score.main(["--run-folder", str(run.path), "--responses", str(path)]) == 0
    assert "\n1 response scored: " in capsys.readouterr().err


def test_the_scores_are_those_of_the_model(run, rankings_file, scores):
    found = {(one["prompt"], one["response"]): one["score"] for one in scores(rankings_file)}
    held_out = set(run.held_out_prompts())
    file = FileSource(rankings_file)
    prompts = zip(file.lines(), file.prompts(), strict=True)
    rewards = {
        (prompt.id, response.text): found[line.number, response.id]
        for line, prompt in prompts
        for response in line.responses
        if prompt.id in held_out
    }
    mean = run.read_metrics()["held_out"]["reward_mean"]
    assert sum(rewards.values()) / len(rewards) == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("one.jsonl", '{"prompt": "Why?", "response": "So."}\n', [(1, "0", None)]),
        (
            "own.jsonl",
            '{"prompt": "Why?", "id": "q7", "responses": [{"id": "a", "text": "So."}]}\n',
            [("q7", "a", None)],
        ),
        (
            "pairs.jsonl",
            '{"prompt": "Why?", "chosen": "So.", "rejected": "Ah."}\n',
            [(1, "chosen", None), (1, "rejected", None)],
        ),
        (
            "table.csv",
            "prompt,response,model\nWhy?,So.,small\nWhy?,Ah.,large\nWho?,Me.,\n",
            [(2, "0", "small"), (2, "1", "large"), (4, "0", None)],
        ),
        (
            "best-first.csv",
            "Prompt|Best|Worst\nWhy?|So.|Ah.\n",
            [(2, "Best", None), (2, "Worst", None)],
        ),
    ],
)
def test_files_of_all_kinds_are_scored(tmp_path, scores, name, text, expected):
    path = tmp_path / name
    path.write_text(text)
    found = scores(path)
    assert [(one["prompt"], one["response"], one.get("source")) for one in found] == expected
    assert all(isinstance(one["score"], float) for one in found)


def test_rankings_are_not_looked_at(tmp_path, scores):
    line = {"prompt": "Why?", "responses": [{"id": str(n), "text": f"{n}!"} for n in range(12)]}
    path = write_rankings(tmp_path / "odd.jsonl", [line | {"ranking": [["of", "others"]]}])
    assert len(scores(path)) == 12


def test_a_response_that_is_equal_after_the_cut_names_the_first(tmp_path, scores):
    begin = "word " * 2000
    path = tmp_path / "long.jsonl"
    path.write_text(
        json.dumps({"prompt": "Long?", "responses": [f"{begin}a.", "So.", f"{begin}b."]})
    )
    assert [one.get("same_as") for one in scores(path)] == [None, None, "0"]


def test_prompts_that_the_chat_template_refuses_are_counted(run, tmp_path, capsys):
    copy = RunFolder(shutil.copytree(run.path, tmp_path / "run"))
    template = copy.model / "chat_template.jinja"
    refusing = (
        "{%- for message in messages -%}{%- if message['role'] == 'tool' -%}"
        "{{- raise_exception('No tools here.') -}}{%- endif -%}{%- endfor -%}"
    )
    template.write_text(refusing + template.read_text())
    path = tmp_path / "tools.jsonl"
    prompts = [[{"role": role, "content": f"{n}?"}] for n, role in enumerate(["tool", "user"] * 2)]
    lines = [{"prompt": prompt, "responses": ["So.", "Ah."]} for prompt in prompts]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert score.main(["--run-folder", str(copy.path), "--responses", str(path)]) == 0
    said = capsys.readouterr().err
    assert 'warning: the chat template refuses 2 prompts: "No tools here."' in said
    assert "4 responses scored" in said


def test_scores_go_to_standard_output_alone(run, rankings_file, capsys):
    arguments = ["--run-folder", str(run.path), "--responses", str(rankings_file)]
    assert score.main([*arguments, "--output", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == sum(len(line["responses"]) for line in ranking_lines())
    assert all("score" in json.loads(line) for line in lines)


def test_a_reader_that_stops_is_no_error(run, rankings_file):
    options = ["--run-folder", str(run.path), "--responses", str(rankings_file), "--output", "-"]
    with subprocess.Popen(
        [sys.executable, "-m", "training.score", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 0, said
    assert "Broken pipe" not in said


def test_a_bar_is_shown_when_asked_for(rankings_file, scores, capsys):
    scores(rankings_file, "--progress-bar", "yes")
    said = capsys.readouterr().err
    assert "loading" in said
    assert "scoring" in said
    assert "%|" in said


def test_a_bad_line_is_named_and_nothing_written(run, tmp_path, refusal):
    lines = [json.dumps(line) for line in ranking_lines(3)]
    path = tmp_path / "bad.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join([*lines, '{"prompt": "Why?"}']).encode()))
    assert refusal(path) == (
        f"error: {path}, line 7: has no responses: a list of objects with id and text"
    )
    assert not (run.path / "scores-of-bad.jsonl").exists()


def test_files_are_checked_before_the_work_begins(run, rankings_file, tmp_path, refusal):
    before = rankings_file.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(rankings_file)
    for output in (rankings_file, link):
        assert "is the file of responses; name another" in refusal(
            rankings_file, "--output", output
        )
    assert rankings_file.read_bytes() == before
    assert "none of --output does not exist" in refusal(
        rankings_file, "--output", tmp_path / "none" / "x"
    )
    assert "is not a file; use -" in refusal(rankings_file, "--output", tmp_path)
    assert refusal("/no/such/file") == "error: responses file /no/such/file does not exist"
    (tmp_path / "empty.jsonl").touch()
    assert refusal(tmp_path / "empty.jsonl").endswith("empty.jsonl has no responses")
    assert "not both" in refusal(rankings_file, "--project", "kitchen")


def test_an_output_without_responses_is_refused(run, capsys):
    assert score.main(["--run-folder", str(run.path), "--output", "x"]) == 2
    assert "--output is for the scores of --responses" in capsys.readouterr().err


def test_a_new_run_in_the_folder_removes_the_scores_of_the_last(run, tmp_path, rankings_file):
    folder = RunFolder(tmp_path / "run")
    folder.start()
    folder.write_config(run.read_config())
    folder.scores_of("a.b.csv.gz").touch()
    assert [path.name for path in folder.path.glob("scores*")] == ["scores-of-a.b.jsonl"]
    folder.leave()
    folder.start()
    folder.leave()
    assert not list(folder.path.glob("scores*"))
