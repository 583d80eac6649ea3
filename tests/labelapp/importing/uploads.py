"""What the tests of uploading share: files to send, and the page to send them to."""

import json
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labelapp.importing import uploads
from labelapp.models import Upload

URL = "/projects/kitchen/uploads/"
GROUPS = [["a"], ["b", "c"], ["d"]]


def line(number: int, **fields: Any) -> dict[str, Any]:
    """A good line: a prompt whose four responses somebody ranked."""
    responses = [{"id": id_, "text": f"{id_} to {number}"} for id_ in "abcd"]
    return {"prompt": f"Why {number}?", "responses": responses, "ranking": GROUPS} | fields


def lines(*found: Any) -> bytes:
    return b"".join(
        (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in found
    )


def send(client: Client, content: bytes, name: str = "rankings.jsonl") -> Upload:
    """Upload a file in the page; the upload that comes of it."""
    response = client.post(URL, {"file": SimpleUploadedFile(name, content)})
    assert response.status_code == 302, response.content.decode()
    return Upload.objects.get(pk=int(response["Location"].split("/")[-2]))


def page_of(client: Client, upload: Upload, query: str = "") -> str:
    response = client.get(f"{URL}{upload.pk}/{query}")
    assert response.status_code == 200
    return response.content.decode()


def confirm(client: Client, upload: Upload, **fields: str) -> Upload:
    """Confirm how the file is read, and have the import done."""
    data = {"format": upload.format, "rankings": "yes", "import": "all"} | fields
    response = client.post(f"{URL}{upload.pk}/", data)
    assert response.status_code == 302, response.content.decode()
    return work(upload)


def work(upload: Upload) -> Upload:
    """Do what the task worker does."""
    upload.refresh_from_db()
    uploads.execute(upload)
    upload.refresh_from_db()
    return upload
