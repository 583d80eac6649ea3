"""The page of the command palette, and what it finds as a part of the dialog."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe

from labelapp.models import Member
from labelapp.palette import finding
from labelapp.web.access import member_view, signed_in
from labelapp.web.middleware import PageRequest, translated
from labelapp.web.query import text_of


def context(request: PageRequest, member: Member) -> dict[str, Any]:
    search = text_of(request.GET, "q", finding.MAX_SEARCH)
    return {
        "search": search,
        "sections": finding.find(member, signed_in(request), search),
    }


@translated
@require_safe
@member_view()
def index(request: PageRequest, member: Member) -> HttpResponse:
    """Show the palette as a page, for browsers without scripts."""
    return render(request, "palette/index.html", context(request, member))


@require_safe
@member_view()
def found(request: PageRequest, member: Member) -> HttpResponse:
    """Return the contents of the dialog, in the language of the page that opened it."""
    language = request.LANGUAGE_CODE if "translated" in request.GET else settings.LANGUAGE_CODE
    with translation.override(language):
        shown = context(request, member) | {"in_dialog": True}
        return render(request, "palette/_found.html", shown)
