"""Options that several commands share: --project, and those that say how a file is read."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any, get_args

from django.core.management.base import CommandError

from labelapp.models import Project, User
from labelapp.projects.personal_data import Person, person_of
from training.formats.opening import ENCODINGS
from training.formats.ranking_file import Format, RankingFileError, ReadOptions
from training.formats.reading import Reading, sentences


def add_project_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", required=True, metavar="SLUG", help="slug of the project")


def get_project(slug: str) -> Project:
    """Return a project. Raises CommandError if there is none with this slug."""
    project = Project.objects.not_deleted().filter(slug=slug).first()
    if project is None:
        raise CommandError(
            f"there is no project {slug!r}; create it with manage.py create_project {slug}"
        )
    return project


def get_open_project(slug: str) -> Project:
    """Return a project that may be changed. Raises CommandError for an archived one as well."""
    project = get_project(slug)
    if project.is_archived:
        raise CommandError(
            f"the project {slug} is archived; restore it on its pages before you change it"
        )
    return project


def add_person_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", help="the name with which the person signs in")
    parser.add_argument(
        "--project",
        metavar="SLUG",
        help="the project of a labeller who came with an import and has no account",
    )


def get_person(options: dict[str, Any]) -> Person:
    """Return the person of add_person_options. Raises CommandError if there is none."""
    name = options["username"]
    if options["project"]:
        project = get_project(options["project"])
        members = project.members.filter(user=None, name=name)
        if members.exists():
            return Person(None, members)
        raise CommandError(f"{project.slug} has no labeller {name!r} without an account")
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"there is no account {name!r}")
    return person_of(user)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a file is read."""
    group = parser.add_argument_group("how the file is read", "by default found by its beginning")
    group.add_argument(
        "--format", choices=(*get_args(Format), "parquet"), help="shape of its records"
    )
    group.add_argument(
        "--delimiter",
        type=lambda text: "\t" if text in ("\\t", "tab") else text,
        help="separator of the columns of a table",
    )
    group.add_argument("--encoding", choices=ENCODINGS, metavar="NAME", help=", ".join(ENCODINGS))
    group.add_argument(
        "--no-header",
        action="store_true",
        help="the first row of a table holds data; its columns are called 'column 1' and so on",
    )
    group.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="the column or key of a field, such as response=answer; FIELD= ignores a field. Can "
        "be repeated",
    )
    group.add_argument(
        "--lower-is-better",
        dest="higher_is_better",
        action="store_false",
        help="of scores, the lowest is the best; default: --higher-is-better",
    )
    group.add_argument(
        "--higher-is-better", action="store_true", default=True, help=argparse.SUPPRESS
    )
    group.add_argument(
        "--verdict",
        action="append",
        default=[],
        metavar="VALUE=MEANING",
        help="what a verdict's value means: a response's key, letter or number, tie, or both_bad; "
        "VALUE may be positive or negative. Can be repeated",
    )
    group.add_argument(
        "--ranking-is",
        choices=("ranks", "order"),
        help="whether a list of numbers holds the rank of each response, or their order",
    )


def reading_options(options: dict[str, Any]) -> ReadOptions:
    """Return how a file is to be read, as the options of a command say."""
    if options["delimiter"] is not None and len(options["delimiter"]) != 1:
        raise CommandError("--delimiter takes one character")
    try:
        return ReadOptions(
            format=options["format"],
            delimiter=options["delimiter"],
            encoding=options["encoding"],
            header=not options["no_header"],
            columns=pairs("--column", "FIELD=COLUMN", options["column"]),
            higher_is_better=options["higher_is_better"],
            verdicts=pairs("--verdict", "VALUE=MEANING", options["verdict"]),
            ranking_is=options["ranking_is"],
        )
    except RankingFileError as error:
        raise CommandError(str(error)) from error


def pairs(option: str, form: str, given: list[str]) -> dict[str, str]:
    """Return the values of an option such as FIELD=COLUMN. Raises CommandError."""
    for pair in given:
        if "=" not in pair:
            raise CommandError(f"{option} takes {form}, not {pair!r}")
    return dict(pair.split("=", 1) for pair in given)


def lines_of(reading: Reading) -> Iterator[str]:
    """Yield how a file was read, a line for each statement."""
    for heading, text in sentences(reading.as_dict()):
        yield f"  {heading}: {text}"


def add_yes_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask, for scripts")


def confirm(name: str, options: dict[str, Any]) -> None:
    """Have the user type a name to confirm, unless --yes is given. Raises CommandError."""
    if options["yes"]:
        return
    if not sys.stdin.isatty():
        raise CommandError("add --yes to do this without being asked; nothing was changed")
    if input(f"This cannot be undone. Type {name} to confirm: ").strip() != name:
        raise CommandError(f"that is not {name}; nothing was changed")
