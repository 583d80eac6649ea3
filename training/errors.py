"""What the commands refuse to do, or cannot go on doing."""


class UserError(ValueError):
    """Something that the user can mend. The message is one line, and says what to do about it."""


class StoppedError(Exception):
    """A signal asked the program to stop."""

    def __init__(self, signal_name: str, exit_code: int) -> None:
        super().__init__(f"stopped by {signal_name}")
        self.exit_code = exit_code
