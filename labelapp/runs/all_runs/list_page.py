"""The contents of the list of runs, for a query string."""

from django.core.paginator import Paginator
from django.http import HttpRequest

from labelapp.jobs import jobs
from labelapp.models import Member, State
from labelapp.runs.aliases import aliases_of
from labelapp.runs.all_runs import listing, run_rows

RUNS_PER_PAGE = 20


def list_context(request: HttpRequest, member: Member) -> dict[str, object]:
    """Return a page of the runs that the query string selects."""
    jobs.mark_lost(member.project.runs.all())
    selection = listing.Selection.of(request.GET)
    entries = listing.entries_of(member.project)
    arranged = selection.arrange(entries)
    page = Paginator(arranged, RUNS_PER_PAGE).get_page(request.GET.get("page"))
    of_page = list(page.object_list)
    found = member.project.runs.select_related("created_by").in_bulk([one.pk for one in of_page])
    of_page = [one for one in of_page if one.pk in found]  # not deleted since
    runs = [found[one.pk] for one in of_page]
    axis = run_rows.common_axis(runs)
    query = selection.query()
    return {
        "selection": selection,
        "sections": run_rows.sections(selection, of_page, runs, aliases_of(member.project), axis),
        "ticks": run_rows.axis_ticks(axis),
        "headings": headings(selection),
        "different_comparisons": any(one.letter for one in of_page),
        "has_runs": bool(entries),
        "count": len(arranged),
        "states": listing.STATES,
        "tags": listing.tags_of(entries),
        "page": page,
        "page_query": f"{query}&" if query else "",
        "query": request.GET.urlencode(),
        "chosen": set(selection.run),
        "can_compare": sum(one.state == State.DONE for one in entries) > 1,
    }


def headings(selection: listing.Selection) -> list[dict[str, str]]:
    """Return the headings of the columns, each with the query that sorts by it."""
    found = []
    for name, column in listing.COLUMNS.items():
        first = f"-{name}" if column.is_descending else name
        other = name if column.is_descending else f"-{name}"
        is_sorted = selection.sort in (first, other)
        descends = selection.sort.startswith("-")
        found.append(
            {
                "name": name,
                "heading": column.heading,
                "query": selection.query(sort=other if selection.sort == first else first),
                "order": ("descending" if descends else "ascending") if is_sorted else "",
            }
        )
    return found
