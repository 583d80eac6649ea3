"""The counts of what an import read and added."""

from dataclasses import dataclass

from training.sentences import counted


class ImportRefusedError(Exception):
    """The file has bad lines, so nothing was imported."""

    def __init__(self, summary: "Summary") -> None:
        super().__init__(f"{counted(summary.bad_lines, 'bad line')}; nothing was imported")
        self.summary = summary


@dataclass
class Summary:
    """Counts of what an import read and added."""

    lines: int = 0
    bad_lines: int = 0
    prompts: int = 0
    responses: int = 0
    name_themselves: int = 0  # responses that reveal the model that wrote them
    rankings: int = 0
    queued: int = 0  # prompts that the import added to the queue
    already_there: int = 0  # lines that added nothing
    ids_left: int = 0  # ids of records whose prompt has another id already
    unseen: int = 0  # responses of which nothing can be seen
    alike: int = 0  # responses that look like another one of their line
    rankings_left: int = 0  # rankings ignored because only prompts were imported
