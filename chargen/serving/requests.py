"""What a server can be asked for: records that JSON is checked against, and described by."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PROMPTS, COUNT, STOPS, TOLD = 16, 16, 4, 5
"""Prompts in a request; texts after each; texts that end a text; likeliest characters told."""

SEEDS = 1 << 53
"""Seeds lie below it: JSON's numbers are exact up to there."""

LONGEST_STOP, LONGEST_PATTERN = 100, 200
"""Characters of a stop text, and of a regular expression: longer ones take too long."""

Stop = Annotated[str, Meta(max_length=LONGEST_STOP)]
Text = Annotated[str, Meta(description="A text.")]
Name = Annotated[str, Meta(description="The name of a model, as in /v1/models.")]


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every request names."""

    model: Name


class Completion(Asked, kw_only=True):
    """OpenAI's request for a completion, and chargen's additions.

    What chargen does not do may be given with the value that changes nothing.
    """

    prompt: Annotated[
        str | Annotated[list[str], Meta(min_length=1, max_length=PROMPTS)] | None,
        Meta(description="The text to go on from, or several."),
    ] = None
    suffix: Annotated[
        str | None, Meta(description="What follows the gap to fill; for a bidirectional model.")
    ] = None
    max_tokens: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Characters to write, at most.")
    ] = None
    temperature: Annotated[
        Annotated[float, Meta(ge=0, le=2)] | None, Meta(description="0 takes the likeliest.")
    ] = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=COUNT)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: Annotated[int, Meta(ge=0, le=TOLD)] | None = None
    echo: bool | None = None
    stop: Annotated[
        Stop | Annotated[list[Stop], Meta(max_length=STOPS)] | None,
        Meta(description="Texts that end a text; they are not part of it."),
    ] = None
    seed: Annotated[int, Meta(gt=-SEEDS, lt=SEEDS)] | None = None
    user: Annotated[str | None, Meta(description="Not used.")] = None
    best_of: Annotated[int | None, Meta(description="Only as n, or null.")] = None
    frequency_penalty: Annotated[float | None, Meta(description="Only 0.")] = None
    presence_penalty: Annotated[float | None, Meta(description="Only 0.")] = None
    logit_bias: Annotated[dict[str, float] | None, Meta(description="Only {}.")] = None

    top_k: Annotated[int, Meta(ge=1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    label: Annotated[str | None, Meta(description="For a model of labelled texts.")] = None
    unknown: Annotated[
        Literal["error", "skip", "replace"],
        Meta(description="What to do with characters of a prompt that the model does not know."),
    ] = "error"
    match: Annotated[
        Annotated[str, Meta(max_length=LONGEST_PATTERN)] | None,
        Meta(description="A regular expression that the whole text matches."),
    ] = None
    each_line: Annotated[bool, Meta(description="`match` is for each line.")] = False
    must: Annotated[
        Annotated[list[str], Meta(max_length=STOPS)], Meta(description="What the text contains.")
    ] = []
    forbid: Annotated[str, Meta(description="Characters that it does not contain.")] = ""
    start: str = ""
    end: str = ""
    min_length: Annotated[int, Meta(ge=0)] = 0
    max_copy: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Characters of the longest run that it shares with the corpus."),
    ] = None


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a stream says besides."""

    include_usage: bool | None = None
    include_obfuscation: Annotated[bool | None, Meta(description="Not used.")] = None


class OneText(Asked, kw_only=True):
    """A text to measure."""

    text: Text
    label: str | None = None


class Surprise(OneText, kw_only=True):
    """A text, and in what units to measure it."""

    per: Annotated[str, Meta(description="char, word, sentence, line or document.")] = "char"


class Damaged(Asked, kw_only=True):
    """A text with gaps."""

    text: Annotated[Text, Meta(description="With [...], [?] or [5] for gaps.")]
    n: Annotated[int, Meta(ge=1, le=COUNT)] = 1
    gap: Annotated[str | None, Meta(description="Another mark of a gap.")] = None


class Texts(Asked, kw_only=True):
    """Several texts."""

    texts: Annotated[list[Text], Meta(min_length=1, max_length=256)]


class Labelled(Texts, kw_only=True):
    """Texts to classify."""

    others: Annotated[
        list[Name],
        Meta(max_length=PROMPTS, description="Models of the other labels, for one without labels."),
    ] = []


class Sources(Texts, kw_only=True):
    """Texts to translate, or to mend."""

    n: Annotated[int, Meta(ge=1, le=COUNT)] = 1
    features: str = ""


def size(request: Asked) -> int:
    """Return how many characters of text a request has."""
    values = [getattr(request, name) for name in request.__struct_fields__]
    texts = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return sum(len(one) for one in texts if isinstance(one, str))
