"""Uploads with a preview and prepared exports in the browser."""

from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from labelapp.exporting.tasks import write_export
from labelapp.importing.tasks import import_upload
from labelapp.models import Export, Member, Prompt, Ranking, Upload
from tests.browser.conftest import As, from_menu
from tests.labelapp.importing.uploads import line, lines

pytestmark = pytest.mark.django_db(transaction=True)


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


@pytest.fixture
def page(page: Page, sign_in_as: As, manager: Member, live_server: Any) -> Page:
    sign_in_as(manager)
    page.goto(f"{live_server.url}/projects/kitchen/")
    return page


def work() -> None:
    """Run the queued tasks like the task worker."""
    for upload in Upload.objects.active():
        import_upload.call(upload.pk)
    for export in Export.objects.active():
        write_export.call(export.pk)


def test_a_file_with_bad_lines_is_looked_at_checked_and_the_others_imported(page: Page) -> None:
    page.get_by_role("link", name="Upload a file").click()
    content = lines(line(1), b"{", line(2, ranking=[["a"]]), line(3))
    page.get_by_label("File").set_input_files(file("rankings.jsonl", content))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="rankings.jsonl")).to_be_visible()
    expect(page.get_by_text("All lines")).to_be_visible()
    expect(page.get_by_text("a to 1")).to_be_visible()
    page.get_by_role("button", name="Check and import").click()
    expect(page.get_by_role("heading", name="Waiting for a task worker")).to_be_visible()
    work()
    expect(page.get_by_role("heading", name="2 of 4 lines have errors")).to_be_visible()
    expect(page.get_by_role("row", name="2 is not JSON")).to_be_visible()
    expect(page.get_by_role("row", name="3 has no rank for")).to_be_visible()
    assert not Prompt.objects.exists()
    page.get_by_role("button", name="Import the other 2 lines").click()
    work()
    expect(page.get_by_role("heading", name="Imported")).to_be_visible()
    expect(page.get_by_text("2 bad lines were left out.")).to_be_visible()
    assert Ranking.objects.count() == 2
    page.get_by_role("link", name="See the prompts").click()
    expect(page.get_by_role("link", name="Why 1?")).to_be_visible()


def test_a_dropped_table_is_read_anew_as_columns_are_named(page: Page, live_server: Any) -> None:
    page.goto(f"{live_server.url}/projects/kitchen/uploads/")
    page.evaluate(
        """() => {
          const given = new DataTransfer();
          const table = "question,reply,place\\nWhy?,Scattering.,2\\nWhy?,Paint.,1\\n";
          given.items.add(new File([table], "answers.csv"));
          const drop = new DragEvent("drop", { dataTransfer: given, bubbles: true });
          document.querySelector(".drop").dispatchEvent(drop);
        }"""
    )
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="answers.csv")).to_be_visible()
    expect(page.get_by_text("one response per row", exact=True)).to_be_visible()
    expect(page.get_by_text("The file has no rankings")).to_be_visible()
    page.wait_for_load_state()  # its scripts run
    page.get_by_text("Change the format").click()
    page.get_by_label("Rank (the lowest is the best)").select_option("place")
    expect(page.get_by_text("The file has no rankings")).to_have_count(0)
    expect(page.get_by_role("listitem").filter(has_text="Paint.").last).to_contain_text("Rank 1")
    page.get_by_role("button", name="Check and import").click()
    work()
    expect(page.get_by_role("heading", name="Imported")).to_be_visible()
    best = Ranking.objects.get().placements.get(rank=1)
    assert best.response.text == "Paint."


def test_an_export_is_prepared_and_downloaded(page: Page, prompt: Prompt) -> None:
    page.reload()
    from_menu(page, "Data", "Export").click()
    page.get_by_role("button", name="Prepare the file").click()
    expect(page.get_by_text("waiting")).to_be_visible()
    work()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download kitchen.jsonl").click()
    assert download.value.suggested_filename == "kitchen.jsonl"
    assert "Why is the sky blue?" in download.value.path().read_text()
    page.get_by_role("button", name="Remove kitchen.jsonl").click()
    expect(page.get_by_text("Prepared files")).not_to_be_visible()
    assert not Export.objects.exists()
