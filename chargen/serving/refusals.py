"""What goes wrong in a request: errors with a status, as OpenAI's clients read them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chargen.errors import ChargenError, CheckpointError

PLACE = re.compile(r" - at `\$\.?(?:key in )?([^`\[.]*)")
UNKNOWN = re.compile(r"unknown field `(.+?)`")


class RefusalError(Exception):
    """An answer that is an error.

    Args:
        status: of HTTP.
        message: for people, with a next step.
        code: for programs.
        param: the field that is wrong.
    """

    def __init__(self, status: int, message: str, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    def json(self) -> dict[str, Any]:
        """Return it as OpenAI's API has it."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def refusal(error: Exception) -> RefusalError:
    """Return what to answer to an error that a request brought about."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, msgspec.MsgspecError):
        said = str(error)
        found = UNKNOWN.search(said) or PLACE.search(said)
        code = "unsupported_parameter" if UNKNOWN.search(said) else "invalid_value"
        return RefusalError(400, said, code, found[1] if found else None)
    if isinstance(error, UnicodeDecodeError | RecursionError):
        return RefusalError(400, "the request is no JSON in UTF-8, or too deep", "invalid_value")
    if isinstance(error, CheckpointError):
        # What is wrong with a file of the server is told in its log.
        return RefusalError(500, "the server cannot read what this needs", "internal_error")
    if isinstance(error, ChargenError):
        return RefusalError(400, str(error), "invalid_value")
    return RefusalError(500, "internal error; the server's log says more", "internal_error")
