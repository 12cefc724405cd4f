"""The one exception that tools print as a line instead of a traceback."""


class UserError(Exception):
    """Something that the user can put right; its text says what is wrong, where, and what to do, in one line."""
