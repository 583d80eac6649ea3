"""`manage.py add_member NAME --project SLUG --role ROLE`: add a person to a project."""

import argparse
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from labelapp.management.options import add_project_option, get_project
from labelapp.models import Member, Role, User
from labelapp.projects import members as people
from labelapp.projects.accounts import is_taken


class Command(BaseCommand):
    help = (
        "Add a person to a project, change their role, or bring them back. If they have no account "
        "yet, one is created with a random password, which is printed only once."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("username", help="the name with which the person signs in")
        add_project_option(parser)
        parser.add_argument(
            "--role", choices=Role.values, help="default: their present role, otherwise labeller"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        project = get_project(options["project"])
        password = secrets.token_urlsafe(12)
        with transaction.atomic():
            user = User.objects.filter(username=username).first()
            new = user is None
            if user is None:
                try:
                    User(username=username, password=password).full_clean()
                except ValidationError as error:
                    raise CommandError(" ".join(error.messages)) from error
                if is_taken(username):
                    raise CommandError(
                        f"the name {username!r} looks like that of another account; choose another"
                    )
                user = User.objects.create_user(username, password=password)
            members = Member.objects.select_related("project")
            member = members.filter(project=project, user=user).first()
            role = options["role"] or (member.role if member is not None else Role.LABELLER)
            if member is None and project.members.filter(name=username).exists():
                raise CommandError(
                    f"the name {username!r} belongs to rankings that were imported into "
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
            self.stdout.write(f"{name} is already a {role} of {slug}.")
            return
        back = not member.is_active
        try:
            with transaction.atomic():
                people.bring_back(member=member)
                people.change_role(member=member, role=role)
        except people.LastManagerError as error:
            raise CommandError(str(error)) from error
        if back:
            self.stdout.write(f"{name} is back in {slug} as a {role}.")
        else:
            self.stdout.write(f"{name} was a {before} of {slug} and is now a {role}.")
