"""What an endpoint refuses of a request: the text of its error, and the parameter that it names. Pure.

Servers have no common form: an `error` object or text, a list of errors, pydantic's `detail` lists, an error of another
server as JSON text. The tests hold a table of real ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

MAX_TEXT = 2_000
MAX_LEVELS = 8
MAX_CODE = 200
# How much of a web page is searched for its title.
MAX_PAGE = 10_000
# How much of an error is searched for a name: what follows may quote the request, which the scaffold controls.
NAMED_WITHIN = 400
PARAMETER_STATUSES = (400, 404, 405, 422, 501)
TEXT_KEYS = ("message", "msg", "error", "errors", "detail", "raw", "metadata", "error_msg", "status_msg", "title")

PAGE = re.compile(r"\s*<(!doctype|html|head|body)\b", re.IGNORECASE)
TITLE = re.compile(r"<title>(.+?)</title>", re.IGNORECASE | re.DOTALL)
TAG = re.compile(r"<[^>]*>")

# Names of one parameter, in lower case and without punctuation, and our name for it.
OTHER_NAMES = {
    "maxcompletiontokens": "max_tokens", "maxoutputtokens": "max_tokens", "maxnewtokens": "max_tokens",
    "numpredict": "max_tokens", "randomseed": "seed", "reasoning": "reasoning_effort",
    "outputconfigeffort": "reasoning_effort", "repeatpenalty": "repetition_penalty", "stopsequences": "stop",
    "stoptokens": "stop",
}  # fmt: skip
NAMES = (
    "model", "max_tokens", "seed", "stream", "stream_options", "reasoning_effort", "temperature", "top_p", "top_k",
    "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs",
    "stop", "n", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "user",
)  # fmt: skip
# They are words too, so they are names only in quotes, in front of a colon or after "parameter".
WORDS = frozenset({"model", "stream", "stop", "n", "functions", "user", "reasoning", "seed"})

TOOLS_REFUSED = re.compile(
    r"--enable-auto-tool-choice|--tool-call-parser|tools param requires --jinja|unsupported param: tools"
    r"|does ?n[o']t support (tools|tool (use|calling)|function calling)|no endpoints found that support tool use"
    r"|(tools?|tool (use|calling|calls?)|function calling)[`'\"]? (is|are) not (supported|enabled)",
    re.IGNORECASE,
)
REASONING_WANTED = re.compile(
    r"missing `?reasoning_content|reasoning_content`? is missing|reasoning_content`? in the thinking mode must be",
    re.IGNORECASE,
)
REASONING_UNWANTED = re.compile(
    r"\bmessages\W{1,4}\d.{0,200}?\breasoning(_content|_details)?\b\W{0,4}(is )?"
    r"(unsupported|not supported|extra inputs)",
    re.IGNORECASE | re.DOTALL,
)
STREAM_REFUSED = re.compile(r"must be verified to stream|streaming is not (supported|allowed)", re.IGNORECASE)
MODEL_UNKNOWN = re.compile(
    r"\bmodel\b.{0,120}(does not exist|doesn't exist|not exist|not found|unavailable|is not available)"
    r"|(invalid|unknown) model|model_not_found|not a valid model",
    re.IGNORECASE | re.DOTALL,
)
# The refusal concerns a field inside of a message or a tool, which are the caller's.
NESTED = re.compile(
    r"\b(messages|tools|contents?|functions|function_declarations)\W{1,4}\d|\b(function|tool) [`'\"]|\bschema\b",
    re.IGNORECASE,
)
REFUSING = re.compile(
    r"unsupported|not support|n't support|no endpoints found|unknown|unrecogni[sz]ed|unexpected|not permitted"
    r"|not allowed|deprecated|invalid|cannot|must be|should be|too (large|big|high)|only |extra |range|maximum"
    r"|exceeds|disabled|\d+ > \d+",
    re.IGNORECASE,
)
# The rest of a sentence that names what to use in place of the refused parameter.
ADVICE = re.compile(r"(?<=[.,;])\s*(please )?(use|did you mean|try|to use|instead)\b.*|\bconsider\b.*", re.IGNORECASE)
NAME = re.compile(r"(?P<mark>[Pp]aram(eter)?s?:? |supplied: |[`'\"“]|^(?=\w+:)|-> )?(?P<name>[A-Za-z][\w.-]*\w|\bn\b)")


def refused_parameter(
    status: int, code: str | None, param: str | None, message: str, more: Collection[str] = ()
) -> str | None:
    """Return our name for the parameter that an endpoint refuses, or None if its error names none.

    `tools`: it offers no tool calling. `keep_reasoning`: it wants the model's earlier reasoning back, or does not take
    it. `stream`: it does not stream, or not for this organisation.

    Args:
        status: The HTTP status.
        code: The error's code.
        param: The field that the error names, in the form of the API.
        message: All texts of the error, see `error_text`.
        more: Further fields of the request, such as those of `extra_body`, and names of headers.
    """
    if (status >= 500 or status in PARAMETER_STATUSES) and TOOLS_REFUSED.search(message[:NAMED_WITHIN]):
        return "tools"
    if status not in PARAMETER_STATUSES:
        return None
    if special := _special_refusal(code, message[:NAMED_WITHIN]):
        return special
    if param and NESTED.search(param.replace("[", ".")):
        return None
    if name := canonical_name(param or "", more):
        return name
    return next(_named_parameters(message[:NAMED_WITHIN], more), None)


def _special_refusal(code: str | None, text: str) -> str | None:
    if REASONING_WANTED.search(text) or REASONING_UNWANTED.search(text):
        return "keep_reasoning"
    if STREAM_REFUSED.search(text):
        return "stream"
    return "model" if code == "model_not_found" or MODEL_UNKNOWN.search(text) else None


def _named_parameters(text: str, more: Collection[str]) -> Iterator[str]:
    """Yield the parameters that the lines of an error refuse by name."""
    for line in re.sub(r"\n\s+", " ", text).splitlines():
        sentence = ADVICE.sub("", line)
        if NESTED.search(sentence) or not REFUSING.search(sentence):
            continue
        for match in NAME.finditer(sentence):
            name = canonical_name(match["name"], more)
            if name and (match["mark"] is not None or match["name"].lower() not in WORDS):
                yield name


def canonical_name(name: str, more: Collection[str] = ()) -> str | None:
    """Return our name for a field of a request as an endpoint spells it (`presencePenalty`), None if it is unknown."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("body."))
    known = {**OTHER_NAMES, **{re.sub(r"[^a-z0-9]", "", other.lower()): other for other in more}}
    return known.get(plain) or next((own for own in NAMES if own.replace("_", "") == plain), None)


def error_text(body: Any) -> str:
    """Return the texts of an error's body, one a line: of an object, a list, JSON in a text, or a plain text."""
    lines = dict.fromkeys(line.strip() for line in _texts(body, MAX_LEVELS) if line.strip())
    return "\n".join(lines)[:MAX_TEXT]


def code_text(code: object) -> str:
    """Return the code or the type that an error has, which may be a number; "" for anything else."""
    return str(code)[:MAX_CODE] if isinstance(code, str | int) and not isinstance(code, bool) else ""


def _texts(value: Any, levels: int) -> Iterator[str]:
    if levels == 0 or value is None:
        return
    if isinstance(value, str):
        inner = _json_in(value)
        yield from [_page_text(value)] if inner is None else _texts(inner, levels - 1)
    elif isinstance(value, list):
        for item in value[:MAX_LEVELS]:
            yield from _texts(item, levels - 1)
    elif isinstance(value, Mapping) and isinstance(value.get("loc"), list | tuple):
        path = ".".join(code_text(step) for step in value["loc"][:MAX_LEVELS]).removeprefix("body.")
        yield f"{path}: {text if isinstance(text := value.get('msg'), str) else ''}"
    elif isinstance(value, Mapping):
        for key in TEXT_KEYS:
            yield from _texts(value.get(key), levels - 1)


def _page_text(text: str) -> str:
    """Return a text; of a web page, such as a proxy's, its title or what is left without its tags."""
    if not PAGE.match(text):
        return text
    beginning = text[:MAX_PAGE]
    title = TITLE.search(beginning)
    return " ".join((title[1] if title else TAG.sub(" ", beginning)).split())


def _json_in(text: str) -> Any:
    """Return the object or list that a text consists of, None if it is no JSON."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def error_fields(body: Any) -> Mapping[str, Any]:
    """Return the object in an error's body that has its `code`, `type` and `param`; empty if there is none."""
    if isinstance(body, list):
        body = body[0] if body else None
    inner = body.get("error") if isinstance(body, Mapping) else None
    found = inner if isinstance(inner, Mapping) else body
    return found if isinstance(found, Mapping) else {}
