"""Read what a page draws: the data and the table of each chart."""

import html
import json
import re
from typing import Any

FIGURE = re.compile(r'<figure class="chart[^"]*" id="([^"]+)".*?</figure>', re.DOTALL)
DATA = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)
ROW = re.compile(r"<tr[^>]*>(.*?)</tr>", re.DOTALL)
CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)


def charts(page: str) -> dict[str, dict[str, Any]]:
    """Return the data of the charts of a page by their keys."""
    found = {}
    for figure in FIGURE.finditer(page):
        data = DATA.search(figure.group())
        assert data is not None
        found[figure.group(1)] = json.loads(data.group(1))
    return found


def table(page: str, key: str) -> list[list[str]]:
    """Return the rows of the table of a chart, or of a section of charts, below its head."""
    begin = page.index(f'id="{key}-values"') if f'id="{key}-values"' in page else 0
    begin = begin or page.index(f'id="{key}"')
    body = page[page.index("<tbody>", begin) : page.index("</tbody>", begin)]
    return [[words(cell) for cell in CELL.findall(row)] for row in ROW.findall(body)]


def words(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())
