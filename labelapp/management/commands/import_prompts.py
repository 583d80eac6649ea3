"""`manage.py import_prompts FILE --project SLUG`: prompts with responses, to be labelled here."""

from labelapp.management.commands import import_rankings


class Command(import_rankings.Command):
    help = (
        "Import prompts with 4 or more responses (JSONL, gzip or not) to be labelled in a project. "
        "Rankings in the file are not read. "
        "With a bad line nothing is imported, unless --skip-bad-lines is given."
    )
    rankings = False
