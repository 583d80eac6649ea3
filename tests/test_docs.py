"""The documentation names everything that there is, and nothing that there is not."""

import argparse
import ast
import dataclasses
import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from training.config import TrainConfig, option

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)
PACKAGES = ("labelapp", "training")
OURS = sorted(name for name, app in get_commands().items() if app == "labelapp")
EVERYWHERE = {"--help", "--version", "--settings", "--pythonpath", "--traceback", "--no-color",
              "--force-color", "--skip-checks", "--verbosity", "-v", "-h"}  # fmt: skip


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def documentation() -> str:
    return "\n".join(read(str(path)) for path in sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_its_options_are_documented(name: str) -> None:
    docs = documentation()
    assert f"manage.py {name}" in docs
    parser = load_command_class("labelapp", name).create_parser("manage.py", name)
    settings = {option(field.name) for field in dataclasses.fields(TrainConfig)}
    told = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    options = {o for action in told for o in action.option_strings}
    for flag in options - EVERYWHERE - (settings if name == "train_reward" else set()):
        assert flag in docs, flag


def test_every_training_setting_is_documented() -> None:
    page = read("docs/training.md")
    for field in dataclasses.fields(TrainConfig):
        assert f"`{option(field.name)}`" in page or f"`{field.name}`" in page, field.name


def test_every_environment_variable_is_documented_and_read() -> None:
    page = read("docs/configuration.md")
    named = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    source = read("labelapp/settings.py")
    used = set(re.findall(r'(?:environ\.get|switch|words|whole_number)\(\s*"([A-Z_]+)"', source))
    assert named == used


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = read("Makefile")
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"(?:`|^ *)make ([a-z]+)", read(page), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize(
    "page", ["README.md", "docs/configuration.md", "docs/data-format.md", "docs/sampling.md"]
)
def test_every_command_in_the_pages_parses(page: str) -> None:
    """Each `manage.py ...` line of a code block is accepted by the command that it names."""
    lines = re.findall(
        r"^(?:    |\.)[^\n`]*manage\.py ([a-z_]+) ?([^\n]*)$", read(page), re.MULTILINE
    )
    assert lines or page == "docs/configuration.md"
    for name, arguments in lines:
        if name in OURS:
            parser = load_command_class("labelapp", name).create_parser("manage.py", name)
            words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', arguments)]
            assert isinstance(parser.parse_args(words), argparse.Namespace)


def test_every_link_between_pages_leads_somewhere() -> None:
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "examples").glob("*.md"),
    ]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_architecture_names_functions_that_exist() -> None:
    page = read("docs/architecture.md")
    named = re.findall(r"`((?:labelapp|training)(?:\.\w+)+)`", page)
    assert named
    for name in named:
        module, _, last = name.rpartition(".")
        file = ROOT / f"{module.replace('.', '/')}.py"
        if file.exists():
            body = ast.parse(file.read_text(encoding="utf-8")).body
            defined = {node.name for node in body if isinstance(node, DEFINITIONS)}
            assert last in defined, name
        else:
            assert (ROOT / f"{name.replace('.', '/')}.py").exists(), name
    for path in re.findall(r"`((?:labelapp|training)/[\w/.]+)`", page):
        assert (ROOT / path).exists(), path


def test_the_file_map_names_every_file_of_the_application() -> None:
    named = set(re.findall(r"`([\w./-]+)`", read("README.md").split("## File map")[1]))
    framework = {"settings.py", "urls.py", "wsgi.py", "asgi.py", "admin.py", "__init__.py"}
    for room in PACKAGES:
        files = {path.name for path in (ROOT / room).glob("*.py")} - framework
        assert {f"{room}/{name}" for name in files} <= named
    rooms = {path.parent for package in PACKAGES for path in (ROOT / package).glob("*/__init__.py")}
    assert {f"{path.relative_to(ROOT)}/" for path in rooms} <= named
    for name in named:
        assert (ROOT / name).exists(), name
