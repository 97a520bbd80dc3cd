"""What goes wrong at the command line, in one line that names the fix."""


class UserError(Exception):
    """Printed on stderr as one line; the command ends with `exit_code`. Do what the message says and call again."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
