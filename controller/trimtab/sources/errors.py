"""What is particular to Git among the errors: each says whether waiting, a person or a change of input helps."""

from __future__ import annotations

from trimtab.errors import ApprovalNeeded, UserError


class InvalidUrl(UserError):
    """A repository's address is not one we would hand to Git."""

    default_code = "TT0600"


class InvalidRef(UserError):
    """A target revision is neither a ref name, a semver range nor a commit."""

    default_code = "TT0601"


class RefMissing(UserError):
    """The branch, tag or commit is not in the repository (any more); what runs is held."""

    default_code = "TT0602"


class QuotaExceeded(UserError):
    """A repository or an object in it is larger than the limits allow."""

    default_code = "TT0603"


class MalformedObject(UserError):
    """A Git object is not what Git would have written."""

    default_code = "TT0604"


class RevertConflict(UserError):
    """The changes cannot be taken back: later commits changed the same lines."""

    default_code = "TT0605"

    def __init__(self, message: str, *, paths: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.paths = paths


class PushRejected(UserError):
    """The repository took the connection and refused the commit."""

    default_code = "TT0606"


class HistoryRewritten(ApprovalNeeded):
    """The branch was force-pushed: ``old``, which was followed, is no ancestor of ``new``."""

    default_code = "TT3210"

    def __init__(self, message: str, *, old: str, new: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.old = old
        self.new = new
