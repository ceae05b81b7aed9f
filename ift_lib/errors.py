"""The one exception for what a user can mend: a wrong file, value, name or place."""


class InputError(ValueError):
    """Bad input from outside: the message names the value, the rule and the way out.

    The command line shows it without a traceback and exits with code 2.
    """
