"""Helpers of the tests of uploads: lines of files, and the steps on the page."""

import json
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labelapp.importing import uploads
from labelapp.models import Upload

URL = "/projects/kitchen/uploads/"
GROUPS = [["a"], ["b", "c"], ["d"]]


def line(number: int, **fields: Any) -> dict[str, Any]:
    """Return a good line: a prompt with four ranked responses."""
    responses = [{"id": id_, "text": f"{id_} to {number}"} for id_ in "abcd"]
    return {"prompt": f"Why {number}?", "responses": responses, "ranking": GROUPS} | fields


def lines(*found: Any) -> bytes:
    return b"".join(
        (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in found
    )


def send(client: Client, content: bytes, name: str = "rankings.jsonl") -> Upload:
    """Upload a file on the page, and return the upload."""
    response = client.post(URL, {"file": SimpleUploadedFile(name, content)})
    assert response.status_code == 302, response.content.decode()
    return Upload.objects.get(pk=int(response["Location"].split("/")[-2]))


def page_of(client: Client, upload: Upload, query: str = "") -> str:
    response = client.get(f"{URL}{upload.pk}/{query}")
    assert response.status_code == 200
    return response.content.decode()


def confirm(client: Client, upload: Upload, **fields: str) -> Upload:
    """Confirm the preview, and run the import."""
    data = {"format": upload.format, "rankings": "yes", "import": "all"} | fields
    response = client.post(f"{URL}{upload.pk}/", data)
    assert response.status_code == 302, response.content.decode()
    return work(upload)


def work(upload: Upload) -> Upload:
    """Run the import like the task worker."""
    upload.refresh_from_db()
    uploads.execute(upload)
    upload.refresh_from_db()
    return upload


def numbers_on(page: str) -> list[int]:
    rows = page.split('<th scope="row" class="number">')[1:]
    return [int(row.split("<")[0]) for row in rows]
