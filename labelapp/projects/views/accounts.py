"""The pages to sign in, and of one's own account: its password, its sessions, its data."""

from tempfile import TemporaryFile
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, PasswordResetConfirmView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.models import Ranking, User
from labelapp.projects import anonymisation, password_reset, personal_data
from labelapp.projects.forms.accounts import NewPasswordForm, PasswordForm, SignInForm
from labelapp.projects.forms.confirm import ConfirmForm
from labelapp.projects.overview import first_page
from labelapp.web.access import require_administrator, signed_in
from labelapp.web.sessions import begin, end_others, open_sessions


@require_safe
def download(request: HttpRequest) -> FileResponse:
    """Send everything that is stored about the user."""
    user = signed_in(request)
    file = TemporaryFile("w+b")  # noqa: SIM115 - closed with the response
    for piece in personal_data.export(personal_data.person_of(user)):
        file.write(piece.encode())
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"podium-{user.username}.json")


@require_http_methods(["GET", "HEAD", "POST"])
def anonymise(request: HttpRequest, pk: int) -> HttpResponse:
    """Erase who a person was. Their name has to be typed."""
    administrator = require_administrator(request, _("Only an administrator can anonymise people."))
    user = get_object_or_404(User, pk=pk)
    person, name = personal_data.person_of(user), user.username
    form = ConfirmForm(name, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            replaced = anonymisation.anonymise(person, by=administrator.username)
        except anonymisation.CannotAnonymiseError as error:
            form.add_error(None, str(error))
        else:
            if user == administrator:
                logout(request)
            messages.success(
                request, _("%(name)s is now %(replaced)s.") % {"name": name, "replaced": replaced}
            )
            return redirect("projects")
    context = {
        "person": user,
        "form": form,
        "rankings": Ranking.objects.filter(member__user=user).count(),
        "same_name": anonymisation.same_name(person),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "projects/members/anonymise.html", context, status=status)


def ask_to_wait(response: HttpResponse, seconds: int) -> HttpResponse:
    """Say in the head of a response when another attempt is accepted."""
    response.status_code = 429
    response["Retry-After"] = str(seconds)
    return response


class SignIn(LoginView):
    template_name = "projects/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_success_url(self) -> str:
        asked = self.get_redirect_url()
        # The list of projects is what somebody asks for who has entered the address of the site.
        if asked and asked != reverse("projects"):
            return asked
        return first_page(signed_in(self.request))

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        begin(self.request)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_invalid(form)
        wait = getattr(form, "wait", 0)
        return ask_to_wait(response, wait) if wait else response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"nobody_yet": not User.objects.exists()}


@login_not_required
@never_cache
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Send people to the page where everybody signs in, and from there back to the admin site."""
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect_to_login(target)
    if not admin.site.has_permission(request):
        raise PermissionDenied(_("Only an administrator can open this page."))
    return redirect(target)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("old_password", "new_password1", "new_password2")
def account(request: HttpRequest) -> HttpResponse:
    """Change one's own password, which signs the account out in every other browser."""
    form = PasswordForm(request, signed_in(request), request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, form.user)
        messages.success(
            request, _("Your password is changed. You are signed out everywhere else.")
        )
        return redirect("account")
    user, here = signed_in(request), request.session.session_key
    context = {"form": form, "sessions": open_sessions(user, here)}
    response = render(request, "projects/account.html", context)
    if form.wait:
        return ask_to_wait(response, form.wait)
    response.status_code = 422 if request.method == "POST" else 200
    return response


@require_POST
def sign_out_others(request: HttpRequest) -> HttpResponse:
    """Sign the user out in every other browser."""
    ended = end_others(signed_in(request), request.session.session_key)
    messages.success(
        request,
        ngettext(
            "You are signed out in %(browsers)s other browser.",
            "You are signed out in %(browsers)s other browsers.",
            ended,
        )
        % {"browsers": ended},
    )
    return redirect("account")


class ResetPassword(PasswordResetConfirmView):
    """Set a new password by the link that a manager has made."""

    template_name = "projects/reset_password.html"
    form_class = NewPasswordForm
    token_generator = password_reset.tokens
    success_url = reverse_lazy("login")

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        password_reset.note_used(form.user)
        messages.success(self.request, _("Your new password is set. Sign in with it."))
        return response
