"""`manage.py add_member NAME --project SLUG --role ROLE`: a person with a login in a project."""

import argparse
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from labelapp.models import Member, Project, Role, User
from labelapp.projects import members as people


class Command(BaseCommand):
    help = (
        "Add a person to a project, give them another role there, or bring them back. A login that "
        "is not there yet is made with a random password, which is printed this once."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument(
            "--role", choices=Role.values, help="default: the role they have, else labeller"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"there is no project {options['project']!r}")
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            user = User.objects.filter(username=username).first()
            new = user is None
            if user is None:
                try:
                    User(username=username, password=password).full_clean()
                except ValidationError as error:
                    raise CommandError(" ".join(error.messages)) from error
                user = User.objects.create_user(username, password=password)
            members = Member.objects.select_related("project")
            member = members.filter(project=project, user=user).first()
            role = options["role"] or (member.role if member is not None else Role.LABELLER)
            if member is None and project.members.filter(name=username).exists():
                raise CommandError(
                    f"somebody named {username!r} made rankings that were imported into "
                    f"{project.slug}; choose another name"
                )
            if member is None:
                Member.objects.create(project=project, user=user, name=username, role=role)
        if member is not None:
            self.change(member, role)
        elif new:
            self.stdout.write(f"{role:9} sign in as {username}, password {password}")
        else:
            self.stdout.write(f"{username} is now a {role} of {project.slug}.")

    def change(self, member: Member, role: str) -> None:
        name, slug, before = member.name, member.project.slug, member.role
        if member.is_active and before == role:
            self.stdout.write(f"{name} is in {slug} already, as {role}.")
            return
        back = not member.is_active
        try:
            with transaction.atomic():
                people.bring_back(member=member)
                people.change_role(member=member, role=role)
        except people.LastManagerError as error:
            raise CommandError(str(error)) from error
        said = (
            f"is back in {slug}, as {role}." if back else f"was a {before} of {slug}, now a {role}."
        )
        self.stdout.write(f"{name} {said}")
