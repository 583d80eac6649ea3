"""Errors of the commands."""


class UserError(ValueError):
    """Raised for what the user can fix. The message is one line that says what to do about it."""


class StoppedError(Exception):
    """Raised where a signal asked the program to stop."""

    def __init__(self, signal_name: str, exit_code: int) -> None:
        super().__init__(f"stopped by {signal_name}")
        self.signal_name = signal_name
        self.exit_code = exit_code
