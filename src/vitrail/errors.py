"""The one exception that a user is meant to read."""


class VitrailError(Exception):
    """Bad input, said in one sentence.

    The sentence names the file, the row or the key, what was found there and what is wanted.
    Jobs print it without a stack trace.
    """
