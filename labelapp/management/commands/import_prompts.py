"""`manage.py import_prompts FILE --project SLUG`: import prompts to be labelled."""

from labelapp.management.commands import import_rankings


class Command(import_rankings.Command):
    help = (
        "Import prompts with at least 4 responses to be labelled in a project. "
        "Rankings in the file are ignored. "
        "If a line is bad, nothing is imported, unless --skip-bad-lines is given."
    )
    rankings = False
