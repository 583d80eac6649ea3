"""The pages of uploads: send a file, preview it, import it and see its bad lines."""

from typing import Any, cast

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.importing import bad_lines, tasks, upload_file, upload_handler, uploads
from labelapp.importing.forms import OptionsForm, ReadingForm, UploadForm
from labelapp.importing.how_read import translated_reading
from labelapp.jobs import files
from labelapp.models import Member, Role, State, Upload
from labelapp.web.access import member_view, signed_in
from labelapp.web.middleware import PageRequest

PAGE_SIZE = 20


def index_response(request: PageRequest, member: Member, form: UploadForm) -> HttpResponse:
    files.mark_lost(member.project.uploads.all())
    listed = member.project.uploads.select_related("created_by")
    context = {
        "form": form,
        "uploads": Paginator(listed, PAGE_SIZE).get_page(request.GET.get("page")),
        "most": settings.MAX_UPLOAD_BYTES,
        "kept_for": uploads.KEPT_FOR.days,
    }
    status = 422 if form.errors else 200
    return render(request, "importing/index.html", context, status=status)


# The CSRF check reads the whole file, so it runs after the check of the sender's role.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def index(request: PageRequest, member: Member) -> HttpResponse:
    request.upload_handlers = [upload_handler.DiskUploadHandler(request)]
    return list_or_receive(request, member)


@csrf_protect
def list_or_receive(request: PageRequest, member: Member) -> HttpResponse:
    if request.method != "POST":
        return index_response(request, member, UploadForm())
    form = UploadForm(request.POST, request.FILES)
    if refusal := upload_handler.refusal(request):
        form.errors.clear()
        form.add_error("file", refusal)
    if form.is_valid():
        file = cast(TemporaryUploadedFile, form.cleaned_data["file"])
        try:
            upload = uploads.receive(project=member.project, user=signed_in(request), file=file)
        except OSError as error:
            form.add_error("file", upload_handler.storage_problem(error))
        else:
            return redirect("upload", member.project.slug, upload.pk)
    return index_response(request, member, form)


def upload_of(member: Member, pk: int) -> Upload:
    with_creator = Upload.objects.select_related("created_by")
    upload = get_object_or_404(with_creator, pk=pk, project=member.project)
    upload.project = member.project
    return upload


def upload_context(request: PageRequest, upload: Upload) -> dict[str, Any]:
    files.read_progress(upload)
    context = {
        "upload": upload,
        "good_lines": uploads.count_good_lines(upload),
        "how_read": uploads.how_read(upload),
    }
    if upload.state == State.DRAFT:
        preview = upload_file.preview(upload)
        context |= {
            "form": ReadingForm(upload=upload, preview=preview),
            "preview": preview,
            "how_read": translated_reading(preview.reading),
        }
    elif uploads.count(upload, "bad_lines"):
        # Only the lines of one page are read, so the paginator gets a range of the same length.
        listed = uploads.count(upload, "bad_lines_listed") or uploads.count(upload, "bad_lines")
        numbers = range(listed)
        page = Paginator(numbers, bad_lines.PAGE).get_page(request.GET.get("page"))
        lines = bad_lines.read_page(uploads.bad_lines_path(upload), page.number)
        context |= {"bad_page": page, "bad_lines": lines}
    return context


@require_http_methods(["GET", "HEAD", "POST"])
@member_view(Role.MANAGER)
def detail(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    files.mark_lost(member.project.uploads.all())
    upload = upload_of(member, pk)
    if request.method == "POST":
        return set_reading(request, member, upload)
    context = upload_context(request, upload)
    return render(request, "importing/detail.html", context)


def set_reading(request: PageRequest, member: Member, upload: Upload) -> HttpResponse:
    """Store the options for reading the file, then preview or import it."""
    form = OptionsForm(request.POST)
    fragment = request.htmx and "import" not in request.POST
    template = "importing/_reading.html" if fragment else "importing/detail.html"
    if not form.is_valid():
        preview = upload_file.preview(upload)
        shown = ReadingForm(upload=upload, preview=preview, data=request.POST)
        context = upload_context(request, upload) | {"form": shown}
        return render(request, template, context, status=422)
    uploads.set_format(upload=upload, options=form.options)
    uploads.forget_missing_columns(upload)
    if "import" in request.POST:
        return start(request, member, upload)
    if fragment:
        return render(request, template, upload_context(request, upload))
    return redirect("upload", member.project.slug, upload.pk)


def start(request: PageRequest, member: Member, upload: Upload) -> HttpResponse:
    skip = request.POST.get("import") == "others"
    try:
        uploads.start(upload=upload, enqueue=tasks.import_upload.enqueue, skip_bad_lines=skip)
    except uploads.CannotImportError as error:
        context = upload_context(request, upload) | {"refused": str(error)}
        return render(request, "importing/detail.html", context, status=422)
    return redirect("upload", member.project.slug, upload.pk)


@require_POST
@member_view(Role.MANAGER)
def import_again(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    """Import a file again after a refusal or failure: only its good lines, or all of them."""
    return start(request, member, upload_of(member, pk))


@require_POST
@member_view(Role.MANAGER)
def back_to_preview(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    """Return an upload to its preview, to change how the file is read."""
    upload = upload_of(member, pk)
    uploads.set_format(upload=upload, options=upload.options)
    return redirect("upload", member.project.slug, upload.pk)


@require_safe
@member_view(Role.MANAGER)
def progress(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    files.mark_lost(member.project.uploads.all())
    context = upload_context(request, upload_of(member, pk))
    return render(request, "importing/_state.html", context)


@require_POST
@member_view(Role.MANAGER)
def stop(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    upload = upload_of(member, pk)
    files.request_stop(upload)
    return redirect("upload", member.project.slug, upload.pk)


@require_POST
@member_view(Role.MANAGER)
def discard(request: PageRequest, member: Member, pk: int) -> HttpResponse:
    upload = upload_of(member, pk)
    if not uploads.discard(upload):
        return redirect("upload", member.project.slug, upload.pk)
    return redirect("uploads", member.project.slug)


@require_safe
@member_view(Role.MANAGER)
def bad_lines_csv(request: PageRequest, member: Member, pk: int) -> HttpResponseBase:
    """Download every bad line with its reason as CSV."""
    path = uploads.bad_lines_path(upload_of(member, pk))
    if not path.is_file():
        raise Http404
    return StreamingHttpResponse(
        bad_lines.read_csv(path, get_language() or settings.LANGUAGE_CODE),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="bad-lines-{pk}.csv"'},
    )
