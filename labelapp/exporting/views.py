"""The page of exports: files are prepared in the background, then downloaded."""

from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.exporting import exports, tasks
from labelapp.exporting.forms import ExportForm
from labelapp.jobs import files
from labelapp.models import Exclusion, Export, Member, State
from labelapp.web.access import signed_in, trainer_view, when_archived


def prepared_context(member: Member) -> dict[str, Any]:
    listed = exports.listed(member.project)
    return {
        "exports": listed,
        "is_active": any(export.is_active for export in listed),
        "kept": exports.KEPT,
    }


@require_http_methods(["GET", "HEAD", "POST"])
@trainer_view
@when_archived
def index(request: HttpRequest, member: Member) -> HttpResponse:
    form = ExportForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        exports.start(
            project=member.project,
            user=signed_in(request),
            file_format=form.cleaned_data["format"],
            options=form.options,
            zipped=form.cleaned_data["zipped"],
            enqueue=tasks.write_export.enqueue,
        )
        return redirect("export", member.project.slug)
    left_out = Exclusion.objects.holding(member.project)
    context = prepared_context(member) | {"form": form, "left_out": left_out}
    status = 422 if request.method == "POST" else 200
    return render(request, "exporting/index.html", context, status=status)


@require_safe
@trainer_view
def prepared(request: HttpRequest, member: Member) -> HttpResponse:
    """Return the list of files, which refreshes itself while one is being written."""
    return render(request, "exporting/_prepared.html", prepared_context(member))


@require_safe
@trainer_view
def file(request: HttpRequest, member: Member, pk: int) -> HttpResponseBase:
    export = get_object_or_404(Export, pk=pk, project=member.project, state=State.DONE)
    path = exports.file_path(export)
    if "manifest" in request.GET:
        path = exports.manifest_path(export)
    try:
        return FileResponse(path.open("rb"), as_attachment=True, filename=path.name)
    except FileNotFoundError as error:
        raise Http404("The file no longer exists. Prepare it again.") from error


@require_POST
@trainer_view
@when_archived
def stop(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    files.request_stop(get_object_or_404(Export, pk=pk, project=member.project))
    return redirect("export", member.project.slug)


@require_POST
@trainer_view
@when_archived
def remove(request: HttpRequest, member: Member, pk: int) -> HttpResponse:
    exports.remove(get_object_or_404(Export, pk=pk, project=member.project))
    return redirect("export", member.project.slug)
