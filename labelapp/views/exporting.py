"""A project's rankings as a download, which begins at once and takes no memory."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labelapp.access import member_view
from labelapp.exportfiles import export_lines
from labelapp.forms.exporting import ExportForm
from labelapp.models import Member, Role


def form_response(request: HttpRequest, member: Member, form: ExportForm) -> HttpResponse:
    context = {"member": member, "project": member.project, "form": form}
    status = 422 if form.errors else 200
    return render(request, "exporting/index.html", context, status=status)


@require_safe
@never_cache
@member_view(Role.MANAGER)
def index(request: HttpRequest, member: Member) -> HttpResponse:
    return form_response(request, member, ExportForm())


@require_safe
@never_cache
@member_view(Role.MANAGER)
def file(request: HttpRequest, member: Member) -> HttpResponseBase:
    form = ExportForm(request.GET)
    if not form.is_valid():
        return form_response(request, member, form)
    format_, every = form.cleaned_data["format"], form.cleaned_data["all_versions"]
    verdicts = form.cleaned_data["verdicts"]
    kind, suffix = ("text/csv", "csv") if format_ == "csv" else ("application/x-ndjson", "jsonl")
    name = member.project.slug if suffix == format_ else f"{member.project.slug}.{format_}"
    return StreamingHttpResponse(
        export_lines(member.project, format_, all_versions=every, verdicts=verdicts),
        content_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.{suffix}"'},
    )
