"""`manage.py sample_responses --project SLUG --model NAME`: sample responses to be ranked."""

import argparse
import signal
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from tqdm import tqdm

from labelapp.importing.importer import import_prompts_to_fill
from labelapp.importing.sampling import Sampled, fill
from labelapp.importing.sampling_jobs import Settings, count_lacking
from labelapp.management.errors import import_errors
from labelapp.management.options import add_project_option, get_open_project
from labelapp.models import MAX_RESPONSES, MIN_RESPONSES, Project
from training.formats.prompt_file import read_prompts
from training.sampling.protocol import SamplingError
from training.sentences import counted


class Command(BaseCommand):
    help = (
        "Sample responses to a project's prompts from a local model or an OpenAI-compatible "
        "endpoint, and queue the prompts to be labelled. If it is stopped, run it again to "
        "continue. docs/sampling.md explains the settings."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_project_option(parser)
        parser.add_argument(
            "--model",
            required=True,
            nargs="+",
            metavar="NAME",
            help="name or folder of a Hugging Face model, or a model of the endpoint; several "
            "models take turns",
        )
        parser.add_argument(
            "--endpoint",
            metavar="URL",
            help="URL of an endpoint to use instead of a local model, such as http://localhost:8000/v1",
        )
        parser.add_argument(
            "--key-variable",
            default="OPENAI_API_KEY",
            metavar="NAME",
            help="environment variable with the API key of the endpoint; default %(default)s",
        )
        parser.add_argument(
            "--prompts", metavar="FILE", help="import these prompts first; - for standard input"
        )
        parser.add_argument(
            "--skip-bad-lines", action="store_true", help="skip bad lines of that file"
        )
        parser.add_argument(
            "--responses",
            type=int,
            metavar="K",
            help="responses per prompt, 4 to 9; default: the project's responses per ranking",
        )
        parser.add_argument(
            "--limit",
            type=int,
            metavar="N",
            help="fill at most N prompts that lack responses",
        )
        add_sampling_arguments(parser)
        add_machine_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        project = get_open_project(options["project"])
        settings = settings_of(project, options)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C
        start = time.monotonic()
        done = Sampled()
        try:
            if options["prompts"]:
                self.import_prompts(project, settings, options)
            with tqdm(
                total=count_lacking(project, settings),
                unit=" responses",
                disable=None,
                desc=project.slug,
            ) as bar:
                fill(project, settings, done=done, progress=bar.update)
        except SamplingError as error:
            raise CommandError(f"{error}. {how_to_continue(done)}") from error
        except OperationalError as error:
            reason = " ".join(str(error).split())
            raise CommandError(
                f"the database is unavailable or busy: {reason}. {how_to_continue(done)}"
            ) from error
        except KeyboardInterrupt:
            raise CommandError(f"stopped. {how_to_continue(done)}") from None
        self.stdout.write(describe(done, settings, time.monotonic() - start))

    def import_prompts(self, project: Project, settings: Settings, options: dict[str, Any]) -> None:
        with import_errors(options["prompts"]):
            summary = import_prompts_to_fill(
                project,
                read_prompts(options["prompts"]),
                report=lambda bad: self.stderr.write(str(bad)),
                skip_bad_lines=options["skip_bad_lines"],
            )
        self.stdout.write(
            f"{counted(summary.lines, 'line')}: added {counted(summary.prompts, 'prompt')}; "
            f"{summary.already_there:,} had already been imported."
        )


def add_sampling_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--temperature",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="T",
        help="sampling temperature, 0 to 2; several take turns; default 1.0",
    )
    parser.add_argument(
        "--top-p", type=float, default=1.0, metavar="P", help="nucleus sampling; default 1.0"
    )
    parser.add_argument(
        "--max-new-tokens", type=int, default=512, metavar="N", help="per response; default 512"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed; default 0")
    parser.add_argument(
        "--tries",
        type=int,
        default=5,
        metavar="N",
        help="attempts to sample a response that differs from the others; default 5",
    )


def add_machine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch-size",
        type=int,
        default=16,
        metavar="N",
        help="responses that a local model generates at once; default 16",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=8,
        metavar="N",
        help="parallel requests to an endpoint; default 8",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="timeout of a request to an endpoint; default 120",
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=6,
        metavar="N",
        help="retries of a request to an endpoint that is busy or unavailable; default 6",
    )


def settings_of(project: Project, options: dict[str, Any]) -> Settings:
    """Return the settings. Raises CommandError for an invalid one."""
    responses = options["responses"]
    if responses is None:
        responses = project.responses_per_ranking
    if not MIN_RESPONSES <= responses <= MAX_RESPONSES:
        raise CommandError(f"--responses takes {MIN_RESPONSES} to {MAX_RESPONSES}")
    if not all(0 <= temperature <= 2 for temperature in options["temperature"]):
        raise CommandError("--temperature takes numbers from 0 to 2")
    if not 0 < options["top_p"] <= 1:
        raise CommandError("--top-p takes a number above 0, at most 1")
    for name in ("limit", "max_new_tokens", "tries", "batch_size", "concurrency", "timeout"):
        if options[name] is not None and not options[name] > 0:  # also false for NaN
            raise CommandError(f"--{name.replace('_', '-')} takes a number above 0")
    if options["retries"] < 0:
        raise CommandError("--retries takes a number from 0")
    if not any(options["temperature"]) and responses > len(options["model"]):
        raise CommandError(
            "at temperature 0 a model always gives the same response: add a higher --temperature"
        )
    names = [model_name(model, options["endpoint"]) for model in options["model"]]
    if len(set(names)) < len(names):
        raise CommandError("two models have the same name; their responses could not be told apart")
    arguments = [model_arguments(model, options) for model in options["model"]]
    return Settings(
        responses=responses,
        program="endpoint" if options["endpoint"] else "local_model",
        models=tuple(zip(names, arguments, strict=True)),
        temperatures=tuple(dict.fromkeys(options["temperature"])),
        rows=0 if options["endpoint"] else options["batch_size"],
        requests=options["concurrency"] if options["endpoint"] else 2,
        tries=options["tries"],
        seed=options["seed"],
        limit=options["limit"],
    )


def model_name(model: str, endpoint: str | None) -> str:
    """Return the source of the responses: the name of a model, or of its folder."""
    return model if endpoint or not Path(model).is_dir() else Path(model).resolve().name


def model_arguments(model: str, options: dict[str, Any]) -> tuple[str, ...]:
    """Return the arguments of the sampling program."""
    shared = ["--max-new-tokens", str(options["max_new_tokens"]), "--top-p", str(options["top_p"])]
    if not options["endpoint"]:
        where = str(Path(model).resolve()) if Path(model).is_dir() else model
        return ("--model", where, *shared)
    names = ("endpoint", "key_variable", "concurrency", "timeout", "retries")
    own = [word for name in names for word in (f"--{name.replace('_', '-')}", str(options[name]))]
    return ("--model", model, *shared, *own)


def how_to_continue(done: Sampled) -> str:
    stored = counted(done.responses, "response is", "responses are")
    return f"{stored} stored; run the command again to continue"


def describe(done: Sampled, settings: Settings, seconds: float) -> str:
    """Return a summary of the sampling."""
    parts = [
        f"{counted(done.responses, 'response')} to {counted(len(done.prompts), 'prompt')}",
        f"in {seconds:.1f} s;",
        f"{counted(done.queued, 'prompt now waits', 'prompts now wait')} for labellers.",
    ]
    if done.repeated:
        parts.append(f"{counted(done.repeated, 'text was', 'texts were')} empty or repeated.")
    if done.cut:
        parts.append(
            f"{counted(done.cut, 'response was', 'responses were')} cut at --max-new-tokens."
        )
    if done.refusals:
        refused = counted(done.refusals, "request was refused", "requests were refused, the first")
        parts.append(f"{refused} because: {done.refused}.")
    if done.short:
        parts.append(
            f"{counted(done.short, 'prompt still has', 'prompts still have')} fewer than "
            f"{settings.responses} responses: not queued. Try a higher --temperature, another "
            "--seed or another model."
        )
    return " ".join(parts)
