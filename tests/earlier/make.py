"""Make the data that tests/test_takeover.py opens, with the version of Podium that it names.

Run it in a checkout of that version, and pack what it leaves:

    git worktree add ../earlier e5c7a6e
    cd ../earlier
    DATA_DIR=/tmp/earlier SECRET_KEY=$KEY python make.py
    tar -C /tmp --exclude static --exclude tensorboard -czf earlier.tar.gz earlier

where KEY is the one in the test.
"""

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

from labelapp import lending, preparing, runs, tasks, uploading  # noqa: E402
from labelapp.models import (  # noqa: E402
    Assignment,
    Export,
    Member,
    Project,
    TrainingRun,
    Upload,
    User,
)
from training.config import TrainConfig  # noqa: E402

DATA = Path(settings.DATA_DIR)
TIED = [["boil"], ["bake", "fry"], ["steam"]]
FAR = datetime(2100, 1, 1, tzinfo=UTC)
TINY = {
    "backbone": "transformer", "width": 8, "heads": 1, "vocabulary": 300, "rankings_per_step": 4,
    "held_out_fraction": 0.3, "device": "cpu", "precision": "float32",
}  # fmt: skip
settings.ALLOWED_HOSTS.append("testserver")


def fill() -> Project:
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    User.objects.create_superuser("manager", password="earlier-manager")
    for name in ("ann", "ben"):
        User.objects.create_user(name, password=f"earlier-{name}")
    call_command("create_project", "kitchen", name="Kitchen questions")
    for name, role in (("manager", "manager"), ("ann", "labeller"), ("ben", "labeller")):
        call_command("add_member", name, project="kitchen", role=role)
    words = ("boil", "fry", "bake", "steam")
    lines = [
        {
            "prompt": f"How do I cook dish {n}?",
            "responses": [
                {
                    "id": word,
                    "text": f"Dish {n}: {word} it, then {word} it again.",
                    "source": f"model-{word}",
                }
                for word in words
            ],
            "ranking": ranking,
            "labeller": labeller,
        }
        for n in range(16)
        for labeller, ranking in (
            ("cora", [[word] for word in words]),
            (
                "dan",
                [["boil"], ["bake", "fry"], ["steam"]] if n % 3 else [[w] for w in words[::-1]],
            ),
        )
    ]
    file = DATA / "kitchen.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    call_command("import_rankings", str(file), project="kitchen")
    Project.objects.update(rating_scale=5)
    return Project.objects.get(slug="kitchen")


def rank(name: str) -> Client:
    """Rank one prompt, skip one, and begin another, through the page."""
    member = Member.objects.select_related("project", "user").get(name=name)
    client = Client(HTTP_HOST="testserver")
    client.force_login(member.user)
    for prompt in member.project.prompts.all()[:4]:
        prompt.rankings_wanted = prompt.rankings_needed = 1
        prompt.save()
    page = "/projects/kitchen/labelling/"
    for what in ("submit", "skip", "draft"):
        client.get(page)
        assignment = lending.current_task(member)
        ranks = {f"rank-{letter}": place for place, letter in enumerate("ABCD", 1)}
        posted = {"assignment": assignment.token, **ranks, "seconds": 30}
        if what == "submit":
            found = client.post(page, {**posted, "note": "The first is best."})
        elif what == "skip":
            found = client.post(f"{page}skip/", {**posted, "reason": "other"})
        else:
            found = client.post(f"{page}draft/", posted)
        assert found.status_code < 400, (what, found.status_code, found.content)
        print(what, found.status_code)
    return client


def train(project: Project) -> None:
    """One run that is done, and one that was stopped after a checkpoint."""
    runs.execute(runs.start(project=project, config=TrainConfig(**TINY, epochs=2)))
    config = TrainConfig(**TINY, epochs=60, checkpoint_minutes=0.001)
    run = runs.start(project=project, config=config)

    def stop() -> None:
        while not list(DATA.glob(f"{run.folder}/checkpoints/step-*")):
            time.sleep(0.2)
        time.sleep(0.1)
        runs.request_stop(run)
        connection.close()

    stopping = threading.Thread(target=stop)
    stopping.start()
    runs.execute(run)
    stopping.join()
    print([(r.state, r.step, r.reason, r.folder) for r in TrainingRun.objects.all()])


def move_files(client: Client) -> None:
    """Leave an upload that is done, one whose preview nobody confirmed, and an export."""
    line = {"prompt": "What is left?", "responses": [{"id": i, "text": i * 3} for i in "abcd"]}
    for name in ("imported", "waiting"):
        file = SimpleUploadedFile(f"{name}.jsonl", (json.dumps(line) + "\n").encode())
        assert client.post("/projects/kitchen/uploads/", {"file": file}).status_code == 302
    upload, waiting = Upload.objects.order_by("pk")
    uploading.start(upload=upload, enqueue=lambda pk: None)
    uploading.execute(upload)
    client.post("/projects/kitchen/export/", {"format": "csv"})
    preparing.execute(Export.objects.get())
    print(upload.state, waiting.state, Export.objects.get().state)


def main() -> None:
    project = fill()
    clients = {name: rank(name) for name in ("ann",)}
    manager = Client(HTTP_HOST="testserver")
    manager.force_login(User.objects.get(username="manager"))
    clients["manager"] = manager
    move_files(manager)
    train(project)
    call_command("measure_agreement", project="kitchen")
    tasks.measure_agreement.enqueue(project.pk)  # waits for a worker of the next version
    call_command(
        "export_rankings", "kitchen", str(DATA / "kitchen-archive.jsonl.gz"), all_versions=True
    )
    # Whenever the test runs, these have not run out.
    Assignment.objects.filter(submitted_at=None).update(expires_at=FAR)
    Session.objects.update(expire_date=FAR)
    sessions = {name: client.cookies["sessionid"].value for name, client in clients.items()}
    (DATA / "sessions.json").write_text(json.dumps(sessions))


main()
