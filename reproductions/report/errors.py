"""What the report says when it cannot be made."""


class ReportError(ValueError):
    """The input or the place of an output is wrong; the message is one sentence for the user."""
