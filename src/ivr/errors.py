"""The one kind of error that is meant for the person at the keyboard."""


class UserError(Exception):
    """Bad input: the message names the key, the value, what is allowed and what to do.

    The entry points print it alone, without a traceback, and exit with a status other than 0.
    """
