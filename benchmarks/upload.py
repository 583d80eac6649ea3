"""Upload a file of 100,000 lines, 1 % of them bad, through the pages, and import the others.

    .venv/bin/python benchmarks/upload.py [--lines 100000] [--postgresql]

The file is sent over HTTP to `manage.py serve` on a temporary installation, as a browser does it.
The benchmark fails if a bad line and its reason are missing in the pages or in the downloaded list.
During the import, the progress page is requested twice per second, and the slowest response is
reported.
"""

import argparse
import csv
import http.client
import io
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.installation import CSRF, Installation, embedded_postgresql, new_database

URL = "/projects/bench/uploads/"
BOUNDARY = "a-boundary-that-no-line-has"
BAD_LINE_INTERVAL = 100
WORDS = "a response of some sixty words, which says what it says and then says it again " * 4


def good(number: int) -> bytes:
    responses = [{"id": id_, "text": f"{id_} {number}: {WORDS}"} for id_ in "abcdef"]
    ranking = [["a"], ["c", "b"], ["d"], ["f"], ["e"]]
    found = {"prompt": f"Question {number}?", "responses": responses, "ranking": ranking}
    return json.dumps(found | {"labeller": f"labeller {number % 20}"}).encode() + b"\n"


def bad(number: int) -> tuple[bytes, str]:
    """Return a bad line and the expected reason."""
    found = json.loads(good(number))
    kind = number // BAD_LINE_INTERVAL % 4
    if kind == 0:
        return good(number)[:-20] + b"\n", "is not JSON"
    if kind == 1:
        found["responses"][2]["text"] = " "
        return json.dumps(found).encode() + b"\n", "has an empty response: 'c'"
    if kind == 2:
        found["ranking"] = [["a"], ["b"]]
        return json.dumps(found).encode() + b"\n", "has no rank for the response 'c'"
    first = json.loads(good(number - 50))  # found only in the database
    first["ranking"] = first["ranking"][::-1]
    return json.dumps(first).encode() + b"\n", "is a second, different ranking"


def write_file(path: Path, count: int) -> dict[int, str]:
    """Write the file, and return the reasons of its bad lines by their numbers."""
    reasons = {}
    with path.open("wb") as file:
        for number in range(1, count + 1):
            if number % BAD_LINE_INTERVAL:
                file.write(good(number))
            else:
                line, reasons[number] = bad(number)
                file.write(line)
    return reasons


class Browser:
    def __init__(self, port: int, session: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.headers = {"Cookie": f"sessionid={session}; csrftoken={CSRF}", "X-CSRFToken": CSRF}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[str, bytes]:
        """Send a request, and return the Location header and the body of its response."""
        if self.connection.sock is None:
            self.connection.connect()
        self.connection.request(method, path, body, self.headers | headers)
        answer = self.connection.getresponse()
        found = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status}\n{found.decode()[:2000]}")
        return answer.headers.get("Location", ""), found

    def post(self, path: str, **fields: str) -> str:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields), **form)[0]

    def send(self, path: Path) -> str:
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{path.name}"\r\n\r\n'
        ).encode()
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        with path.open("rb") as file:
            length = len(head) + path.stat().st_size + len(tail)
            return self.ask(
                "POST",
                URL,
                body(head, file, tail),
                **{
                    "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
                    "Content-Length": str(length),
                },
            )[0]


def body(head: bytes, file: IO[bytes], tail: bytes) -> Any:
    yield head
    while chunk := file.read(1 << 16):
        yield chunk
    yield tail


def finished(browser: Browser, upload: str) -> tuple[str, float]:
    """Wait until an import ends; return its state and the slowest response in seconds."""
    slowest = 0.0
    while True:
        before = time.monotonic()
        page = browser.ask("GET", f"{upload}progress/")[1].decode()
        slowest = max(slowest, time.monotonic() - before)
        state = re.findall(r'id="progress" data-state="(\w+)"', page)[0]
        if state not in ("queued", "running"):
            return state, slowest
        time.sleep(0.5)


def bad_lines_in_pages(browser: Browser, upload: str) -> tuple[dict[int, str], float]:
    """Return the bad lines of all pages, and the slowest response in seconds."""
    found: dict[int, str] = {}
    slowest, pages = 0.0, 1
    number = 0
    while number < pages:
        number += 1
        before = time.monotonic()
        page = browser.ask("GET", f"{upload}?page={number}")[1].decode()
        slowest = max(slowest, time.monotonic() - before)
        rows = re.findall(r'class="number">(\d+)</th><td class="reason">(.*?)</td>', page)
        found |= {int(line): reason.replace("&#x27;", "'") for line, reason in rows}
        counted = re.search(r"Page \d+ of (\d+)", page)
        pages = int(counted[1]) if counted else 1
    return found, slowest


def bad_lines_in_list(browser: Browser, upload: str) -> dict[int, str]:
    text = browser.ask("GET", f"{upload}bad-lines.csv")[1].decode()
    return {int(line): reason for line, reason in list(csv.reader(io.StringIO(text)))[1:]}


def check(found: dict[int, str], wanted: dict[int, str]) -> None:
    if list(found) != list(wanted):
        raise SystemExit(f"{len(found):,} of {len(wanted):,} bad lines were listed")
    for number, reason in wanted.items():
        if not found[number].startswith(reason):
            raise SystemExit(f"line {number}: expected {reason!r}, not {found[number]!r}")


def run(installation: Installation, path: Path, wanted: dict[int, str]) -> None:
    [session] = installation.fill(prompts=0, labellers=1)
    database = installation.database()
    before = database.rows("SELECT count(*) FROM labelapp_prompt")
    database.rows("UPDATE labelapp_member SET role = 'manager'")
    installation.start()
    browser = Browser(installation.port, session)

    def timed(what: str, since: float) -> None:
        print(f"  {what}: {time.monotonic() - since:.1f} s")

    start = time.monotonic()
    upload = browser.send(path)
    timed("uploaded", start)
    start = time.monotonic()
    browser.ask("GET", upload)
    timed("first lines shown", start)
    start = time.monotonic()
    browser.post(upload, format="jsonl", rankings="yes", **{"import": "all"})
    state, slowest = finished(browser, upload)
    if state != "refused" or database.rows("SELECT count(*) FROM labelapp_prompt") != before:
        raise SystemExit(f"the import should have been refused, but ended as {state}")
    timed(f"checked and refused (progress page within {1000 * slowest:.0f} ms)", start)
    found, slowest = bad_lines_in_pages(browser, upload)
    check(found, wanted)
    print(f"  all {len(wanted):,} bad lines listed, each page within {1000 * slowest:.0f} ms")
    check(bad_lines_in_list(browser, upload), wanted)
    start = time.monotonic()
    browser.post(f"{upload}import/", **{"import": "others"})
    state, slowest = finished(browser, upload)
    [(rankings,)] = database.rows("SELECT count(*) FROM labelapp_ranking")
    timed(f"{state}, {rankings:,} rankings (progress page within {1000 * slowest:.0f} ms)", start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--postgresql", action="store_true", help="default: SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rankings.jsonl"
        wanted = write_file(path, options.lines)
        size = path.stat().st_size / 2**20
        print(f"{options.lines:,} lines, {len(wanted):,} of them bad, {size:.0f} MiB")
        url = ""
        if options.postgresql:
            url = new_database(embedded_postgresql(Path(folder)), "bench")
        data = Path(folder) / "data"
        data.mkdir()
        with Installation(data, url) as installation:
            run(installation, path, wanted)


if __name__ == "__main__":
    main()
