"""The pages to sign in, and to change one's password."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from labelapp.models import User
from labelapp.projects.forms.accounts import PasswordForm, SignInForm
from labelapp.web.access import signed_in
from labelapp.web.sessions import note_use


def ask_to_wait(response: HttpResponse, seconds: int) -> HttpResponse:
    """Say in the head of a response when another attempt is accepted."""
    response.status_code = 429
    response["Retry-After"] = str(seconds)
    return response


class SignIn(LoginView):
    template_name = "projects/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        note_use(self.request.session)
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
        raise PermissionDenied("Only an administrator can open this page.")
    return redirect(target)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
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
    response = render(request, "projects/account.html", {"form": form})
    if form.wait:
        return ask_to_wait(response, form.wait)
    response.status_code = 422 if request.method == "POST" else 200
    return response
