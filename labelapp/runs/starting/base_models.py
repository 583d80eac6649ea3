"""The pretrained models that a run may begin with.

A manager chooses from this list, and does not name folders of the server or models of the hub.
"""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from labelapp.models import Project, State
from labelapp.runs.process import run_folder

RUNS = 20  # of a project, the newest ones
DEPTH = 2  # folders below settings.MODELS_DIR: name, or organisation/name


def base_models(project: Project) -> list[tuple[str, str]]:
    """Return what a run can be given as `model`, each with its label."""
    names = [(name, name) for name in settings.MODELS]
    folders = [(str(path), str(path.relative_to(settings.MODELS_DIR))) for path in model_folders()]
    return [*names, *folders, *trained_models(project)]


def model_folders() -> Iterator[Path]:
    """Yield the folders of models in settings.MODELS_DIR, in the order of their names."""
    for depth in range(1, DEPTH + 1):
        pattern = "/".join(["*"] * depth + ["config.json"])
        yield from sorted(path.parent for path in settings.MODELS_DIR.glob(pattern))


def trained_models(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the models of a project's finished runs that began with a pretrained one."""
    done = project.runs.filter(state=State.DONE, config__backbone="pretrained").order_by("-pk")
    for run in done[:RUNS]:
        folder = run_folder(run)
        if (folder.model / "config.json").is_file():
            yield (
                str(folder.model),
                _("Run %(number)s, from %(model)s")
                % {
                    "number": run.pk,
                    "model": run.config.get("model", ""),
                },
            )
