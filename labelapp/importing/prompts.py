"""Look up the prompts and responses that a batch of lines is about."""

from collections.abc import Collection, Iterable, Mapping

from django.db.models import Q

from labelapp.importing.entries import Entry
from labelapp.models import Project, Prompt, Response
from training.formats.archive_keys import PromptState
from training.sentences import sentence


class KnownIds:
    """The external ids of prompts, stored or in earlier lines, and the prompts that they name."""

    def __init__(self, projects: Collection[Project], entries: Iterable[Entry]) -> None:
        ids = {entry.external_id for entry in entries} - {None}
        hashes = {entry.content_hash for entry in entries}
        self.hash_of: dict[str | None, str] = {}
        if ids:
            prompts = Prompt.objects.filter(project__in=projects, external_id__isnull=False)
            for some in (Q(external_id__in=ids), Q(content_hash__in=hashes)):  # each uses an index
                self.hash_of |= dict(
                    prompts.filter(some).values_list("external_id", "content_hash")
                )
        self.id_of = {content_hash: id_ for id_, content_hash in self.hash_of.items()}

    def contradiction(self, entry: Entry) -> str:
        """Return why an entry's id and prompt contradict what is known, or ""."""
        id_, content_hash = entry.external_id, entry.content_hash
        if id_ is None:
            return ""
        if self.hash_of.get(id_, content_hash) != content_hash:
            return sentence("has the id %(id)s of another prompt", id=repr(id_))
        first = self.id_of.get(content_hash, id_)
        if first == id_ or not entry.line.is_row_id:
            self.hash_of[id_] = content_hash
        if first != id_:
            return sentence(
                "has the id %(id)s, but its prompt has the id %(first)s already",
                id=repr(id_),
                first=repr(first),
            )
        self.id_of[content_hash] = id_
        return ""


def prompts_by_hash(
    project: Project, staging: Project, hashes: Collection[str]
) -> tuple[dict[str, int], dict[str, int], dict[str, str | None]]:
    """Return the rows of the project, the staged rows, and their ids, by content hash."""
    stored: dict[str, int] = {}
    staged: dict[str, int] = {}
    ids: dict[str, str | None] = {}
    rows = Prompt.objects.filter(project__in={project, staging}, content_hash__in=hashes)
    for project_id, content_hash, pk, external_id in rows.values_list(
        "project", "content_hash", "pk", "external_id"
    ):
        if project_id == project.pk:
            stored[content_hash] = pk
        if project_id == staging.pk:
            staged[content_hash] = pk
        ids[content_hash] = ids.get(content_hash) or external_id
    return stored, staged, ids


def set_state(prompt: Prompt, state: PromptState) -> None:
    """Set the fields of a new prompt to what its line says."""
    wanted = state.wanted or 0
    prompt.priority = state.priority
    prompt.rankings_wanted = state.slots if state.taken_out else wanted
    prompt.rankings_needed = 0 if state.taken_out else wanted - state.slots
    prompt.taken_out = state.taken_out
    prompt.reserved = state.reserved and bool(state.assigned)
    prompt.metadata = dict(state.metadata) if state.metadata else None
    prompt.created_at = state.created_at or prompt.created_at


def response_ids(prompts: Mapping[int, str]) -> dict[tuple[str, str], int]:
    """Return the rows of some prompts' responses by the content hashes of both."""
    rows = Response.objects.filter(prompt_id__in=prompts)
    return {
        (prompts[prompt_id], content_hash): pk
        for prompt_id, content_hash, pk in rows.values_list("prompt_id", "content_hash", "pk")
    }
