"""A plugin for ``llm``: ``llm -m chargen/NAME "prompt" -o temperature 0.8``.

Every run here is a model for it, and so is the starter model; one that cannot continue texts says
so when it is asked. A conversation goes on with the text of its prompts and answers so far, because
these models know no turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import llm
from pydantic import Field

from chargen import runs
from chargen.errors import ChargenError
from chargen.names import STARTER

LENGTH = 300
"""Characters that are written if nobody says how many."""


@llm.hookimpl
def register_models(register: Callable[[llm.Model], None]) -> None:
    """Register each run of the usual folder, and the starter model."""
    names = [STARTER]
    # A folder that cannot be read must not stop requests for other models.
    with suppress(OSError):
        names = [*(run.name for run in runs.runs(runs.default_out())), STARTER]
    for name in names:
        register(Chargen(name))


class Chargen(llm.Model):
    """A model of chargen; it is loaded when it is first asked.

    Args:
        name: of its run.
    """

    can_stream = True

    class Options(llm.Options):
        """How to write; see `chargen.tasks.sampling.How`."""

        max_tokens: int = Field(LENGTH, ge=0, description="Characters to write, at most")
        temperature: float | None = Field(
            None, ge=0, description="0 takes the likeliest character, 1 is the model's own"
        )
        top_k: int | None = Field(None, ge=1, description="Draw from this many likeliest only")
        top_p: float | None = Field(
            None, gt=0, le=1, description="Draw from the likeliest that sum to this share"
        )
        min_p: float | None = Field(
            None, ge=0, le=1, description="Draw from those at least so likely as the likeliest"
        )
        seed: int | None = Field(None, ge=0, description="For the same text again")
        stop: str | None = Field(None, description="End before this text")
        label: str | None = Field(None, description="For a model of labelled texts")
        unknown: str = Field(
            "error", description="Characters that the model does not know: error, skip or replace"
        )

    def __init__(self, name: str) -> None:
        self.name = name
        self.model_id = f"chargen/{name}"

    def __str__(self) -> str:
        return f"chargen: {self.name}"

    def execute(
        self,
        prompt: llm.Prompt,
        stream: bool,  # noqa: ARG002 - the text comes in pieces either way
        response: llm.Response,
        conversation: llm.Conversation | None,
    ) -> Iterator[str]:
        """Yield the text as it is drawn.

        Raises:
            llm.ModelError: what is asked for cannot be done; it says why.
        """
        if prompt.system:
            raise llm.ModelError("a model of characters has no system prompt. Leave it out.")
        from chargen.model import load

        before: list[Any] = list(conversation.responses) if conversation is not None else []
        text = "".join(f"{one.prompt.prompt or ''}{one.text()}" for one in before)
        text += prompt.prompt or ""
        how = prompt.options.model_dump(exclude_none=True)
        length = how.pop("max_tokens")
        how["temp"] = how.pop("temperature", 1.0)
        written = 0
        try:
            for piece in load(self.name).stream(length, prime=text, **how):
                written += len(piece)
                yield piece
        except ChargenError as error:
            raise llm.ModelError(str(error)) from error
        response.set_usage(input=len(text), output=written)
