"""The one exception that a user meets: what is wrong, where, and what to do next."""


class MisalignError(Exception):
    """
    A condition the user can mend; printed as one line, never as a traceback.

    `what` says what happened and names the thing and its value; `remedy` says what to do.
    """

    exit_code = 2

    def __init__(self, what: str, remedy: str = '') -> None:
        """Join `what` and `remedy` into the one line that is printed."""
        self.what = ' '.join(what.split())
        self.remedy = ' '.join(remedy.split())
        super().__init__(f'{self.what}. {self.remedy}' if remedy else self.what)


class DatasetError(MisalignError):
    """A dataset is missing, incomplete, inconsistent or unreadable."""


class ConfigurationError(MisalignError):
    """A parameter has a wrong name, type or value."""


class ModelError(MisalignError):
    """A model cannot be found, loaded or mapped onto the classes."""


class RecordError(MisalignError):
    """A record, bag or run folder cannot be written or read."""
