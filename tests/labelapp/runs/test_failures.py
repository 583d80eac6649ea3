"""Why a run failed, in the language of the page."""

import ast
from pathlib import Path

from django.utils.translation import override

from labelapp.models import Member, State, TrainingRun
from labelapp.runs.process import failure
from labelapp.runs.starting.forms import in_words_of_the_form
from labelapp.templatetags.stored import stored
from tests.conftest import sign_in
from tests.labelapp.rendering.test_sentences import failed
from tests.messages import ROOT, forms, messages_in, read
from training import score
from training.config import TrainConfig
from training.runs.folder import RunFolder
from training.sentences import sentence

TRAINING = ROOT / "training"
# What can only be said to whoever gives a command, so that it stays English: files of modules.
ONLY_COMMANDS = {
    "commandline.py": "options that runs of the pages always have",
    "data/file.py": "files of rankings, instead of a project",
    "programs/combinations.py": "python -m training.compare",
    "programs/compare.py": "python -m training.compare",
    "programs/serve.py": "the reward service",
    "programs/train.py": "files of rankings, instead of a project",
    "sampling/endpoint.py": "manage.py sample_responses",
    "sampling/local_model.py": "manage.py sample_responses",
    "serve.py": "the reward service",
    "serving/address.py": "the reward service",
    "serving/model.py": "the reward service",
    "train.py": "files of rankings, instead of a project",
}
# As above, single sentences.
ONLY_OPTIONS = ("--responses", "--output", "responses file", "has no responses")


def bare_failures(path: Path) -> list[str]:
    """Return what a module raises that is a plain text and no sentence."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            error, said = ast.unparse(node.exc.func), node.exc.args[0]
            is_text = isinstance(said, ast.JoinedStr | ast.Constant | ast.BinOp)
            if is_text and (error == "UserError" or path.parent.name == "config"):
                found.append(ast.unparse(said))
    return [said for said in found if not any(option in said for option in ONLY_OPTIONS)]


def test_every_failure_that_a_page_can_show_is_a_sentence() -> None:
    """Catalogues have each `sentence`, and a complete language translates them all."""
    paths = {path.relative_to(TRAINING).as_posix(): path for path in TRAINING.rglob("*.py")}
    bare = {name: said for name, path in paths.items() if (said := bare_failures(path))}
    assert {name: said for name, said in bare.items() if name not in ONLY_COMMANDS} == {}
    assert bare.keys() & ONLY_COMMANDS.keys() == ONLY_COMMANDS.keys()


def test_a_run_that_fails_says_why_in_german(manager: Member, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs/7")
    assert score.main(["--run-folder", str(folder.path), "--project", "kitchen"]) == 2
    progress = folder.read_progress()
    english = f"{folder.path} is not the folder of a run: it has no readable config.json"
    assert progress is not None
    assert progress.reason == english
    assert f'"reason": "{english}"' in (folder.path / "progress.json").read_text()
    run = failed(manager.project, failure(2, progress, folder.path / "log", 0))
    assert TrainingRun.objects.filter(state=State.FAILED).get().reason == english
    client = sign_in(manager)
    for url in (f"runs/{run.pk}/", "runs/", ""):
        page = client.get(f"/projects/kitchen/{url}", HTTP_ACCEPT_LANGUAGE="de").content.decode()
        assert f"{folder.path}"[:40] in page, url
        assert "is not the folder" not in page
    german = client.get(f"/projects/kitchen/runs/{run.pk}/", HTTP_ACCEPT_LANGUAGE="de")
    assert "ist nicht der Ordner eines Laufs" in german.content.decode()


def test_options_in_a_reason_are_named_as_in_the_form() -> None:
    said = sentence(
        "the loss is not a number at step %(step)s;"
        " lower --learning-rate, or use --precision float32",
        step="1200",
    )
    old = "lower --tokens-per-batch"
    assert "lower “Learning rate”, or use “Precision”" in stored(said, put=in_words_of_the_form)
    with override("de"):
        german = stored(said, put=in_words_of_the_form)
        assert german.startswith("der Verlust ist bei Schritt 1200 keine Zahl; verringere „Lernr")
        assert "lang=" not in german
        assert stored(old, put=in_words_of_the_form).startswith('<span lang="en">lower „')


def test_what_is_wrong_with_a_setting_begins_with_its_name_in_each_language() -> None:
    """The form shows it at the field of that name."""
    said = {forms(message)[0] for path in ("checks", "setting")
            for message, _ in messages_in(TRAINING / f"config/{path}.py")}  # fmt: skip
    names = {"%(name)s", *TrainConfig().to_json()}
    german = {forms(one.id)[0]: forms(one.string)[0] for one in read("de", "django") if one.id}
    checked = [text for text in said if text.split()[0] in names]
    assert len(checked) > 15
    for text in checked:
        assert german[text].split()[0] == text.split()[0]
