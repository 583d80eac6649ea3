"""The rules on imports and names that hold across the packages."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What of `training` the web may import: files that need the standard library alone.
SHARED = {
    "training.aggregation",
    "training.child_process",
    "training.config",
    "training.config.encoder_package",
    "training.formats.archive_keys",
    "training.formats.argilla",
    "training.formats.best_first",
    "training.formats.checked_values",
    "training.formats.conversation",
    "training.formats.label_studio",
    "training.formats.lines",
    "training.formats.long_rankings",
    "training.formats.long_table",
    "training.formats.oasst",
    "training.formats.opening",
    "training.formats.pairs",
    "training.formats.prompt_file",
    "training.formats.ranking_file",
    "training.formats.read_options",
    "training.formats.reader",
    "training.formats.reading",
    "training.formats.record",
    "training.formats.records",
    "training.formats.response_list",
    "training.formats.shapes",
    "training.formats.sides",
    "training.formats.table_process",
    "training.formats.tables",
    "training.formats.values",
    "training.formats.verdicts",
    "training.rankings",
    "training.runs.caveats",
    "training.runs.digest",
    "training.runs.folder",
    "training.runs.folder_lock",
    "training.runs.json_files",
    "training.runs.length",
    "training.runs.outcomes",
    "training.sampling.protocol",
    "training.sentences",
    "training.splits",
}
# Code that is saved with a model: it names its neighbours relatively, and loads without Podium.
SAVED = [
    ROOT / "training" / "backbones" / name
    for name in (
        "embedder.py",
        "features.py",
        "pooled.py",
        "rewardmodel.py",
        "rnn.py",
        "scorer.py",
        "textfeatures.py",
        "transformer.py",
    )
]
# Commands that compute: each is a process of its own, on a machine that trains.
COMPUTING = {"measure_agreement", "measure_review"}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path in SAVED, f"{path} imports relatively"
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def modules_after(statement: str) -> set[str]:
    """The modules that a fresh process holds after a statement."""
    program = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def broken_by(path: Path, forbidden: set[str]) -> list[str]:
    return [name for name in imports(path) if name.split(".")[0] in forbidden]


@pytest.mark.parametrize("path", sources("training"), ids=lambda p: str(p.relative_to(ROOT)))
def test_training_never_imports_django_or_the_pages(path: Path) -> None:
    assert broken_by(path, {"django", "labelapp"}) == []


def test_the_wall_test_sees_a_broken_wall(tmp_path: Path) -> None:
    guilty = tmp_path / "guilty.py"
    guilty.write_text("def f():\n    from labelapp.models import Prompt\n    import torch.nn\n")
    assert broken_by(guilty, {"django", "labelapp"}) == [
        "labelapp.models",
        "labelapp.models.Prompt",
    ]
    assert broken_by(guilty, {"torch"}) == ["torch.nn"]


@pytest.mark.parametrize("path", SAVED, ids=lambda p: p.name)
def test_code_that_is_saved_with_a_model_needs_nothing_else_of_ours(path: Path) -> None:
    found = {name.split(".")[0] for name in imports(path) if not name.startswith(".")}
    # numpy and tokenizers come with transformers.
    assert found - sys.stdlib_module_names <= {"torch", "transformers", "numpy", "tokenizers"}
    beside = {name.split(".")[1] for name in imports(path) if name.startswith(".")}
    assert beside <= {saved.stem for saved in SAVED}


def test_training_runs_without_django() -> None:
    loaded = modules_after("import training.programs.train, training.programs.score")
    assert "torch" in loaded
    assert not {name for name in loaded if name.split(".")[0] in {"django", "labelapp"}}


@pytest.mark.parametrize("path", sources("labelapp"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_pages_import_of_training_only_what_needs_no_torch(path: Path) -> None:
    assert broken_by(path, {"torch", "transformers", "sqlalchemy", "pandas", "tensorboard"}) == []
    trained = {name for name in imports(path) if name.startswith("training.")}
    assert not {name for name in trained if not allowed(name)}


def allowed(name: str) -> bool:
    """Return whether the web may import a module, or a name from it: `training.config.option`."""
    rooms = {module.rpartition(".")[0] for module in SHARED}
    return name in SHARED | rooms or name.rpartition(".")[0] in SHARED


def test_the_web_process_never_loads_torch() -> None:
    loaded = modules_after(
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'\n"
        "import labelapp.wsgi, labelapp.urls, labelapp.tasks\n"
        "from django.core.management import get_commands, load_command_class\n"
        "[load_command_class('labelapp', c) for c, a in get_commands().items()"
        f" if a == 'labelapp' and c not in {COMPUTING}]"
    )
    assert "labelapp.runs.views" in loaded
    heavy = {"torch", "transformers", "sqlalchemy", "pandas", "tensorboard", "numpy"}
    assert not loaded & heavy


@pytest.mark.parametrize("module", sorted(SHARED))
def test_what_both_sides_import_needs_the_standard_library_alone(module: str) -> None:
    loaded = {name.split(".")[0] for name in modules_after(f"import {module}")}
    before = {name.split(".")[0] for name in modules_after("pass")}
    assert loaded - before <= sys.stdlib_module_names | {"training"}


@pytest.mark.parametrize("path", sources("labelapp"), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_reaches_for_what_another_keeps_to_itself(path: Path) -> None:
    """Names that begin with an underscore stay in their file."""
    for name in imports(path):
        assert not any(re.match("_[a-z]", part) for part in name.split(".")), name


@pytest.mark.parametrize(
    "path", sources("training") + sources("labelapp"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_nothing_imports_inside_a_function(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert inner == [], f"{path}:{node.lineno}"


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_packages_hand_names_on_and_nothing_else() -> None:
    for path in [*sources("training"), *sources("labelapp")]:
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            rest = body[1:] if body and is_docstring(body[0]) else body
            handing_on = ast.Import | ast.ImportFrom | ast.Assign
            assert all(isinstance(node, handing_on) for node in rest), path
