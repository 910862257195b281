"""The tokens of a request or an answer, from its text: as a likely figure, and as one that is never exceeded."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from evolve.core.records import ModelSpec
from evolve.llm.images import image_tokens, is_image, most_image_tokens
from evolve.llm.model import Body

# What becomes part of the prompt.
PROMPT_FIELDS = ("messages", "tools", "functions", "response_format")
BYTES_PER_TOKEN = 4
# Room for what endpoints add to a prompt themselves, such as their instructions for calling tools.
ADDED_TOKENS = 1024
# Assumed length of an answer, in tokens, whose length neither the request nor the endpoint limits.
DEFAULT_ANSWER_TOKENS = 4096


def estimate_prompt_tokens(request: Body) -> int:
    """Estimate the number of tokens in a request's prompt; at least 1."""
    texts, images = _prompt(request)
    return estimate_tokens(texts) + sum(image_tokens(image) for image in images)


def most_prompt_tokens(request: Body, model: str) -> int:
    """The most tokens that a request's prompt can have: one for each byte of all that is sent, and what endpoints add.

    A token is at least one byte of text: the vocabularies of today's models begin with the single bytes, and digits and
    rare characters do become one token per byte. The JSON around a text is longer than the marks that a chat template
    puts there. model: the model's name, for images.
    """
    messages = request.get("messages")
    listed = messages if isinstance(messages, list) else [messages]
    others = {key: value for key, value in request.items() if key != "messages"}
    return ADDED_TOKENS + most_text_tokens(others) + sum(most_message_tokens(message, model) for message in listed)


def most_message_tokens(message: Any, model: str) -> int:
    """The most tokens that one message can have. model: the model's name, for images."""
    images = [part for part in _parts(message) if is_image(part)]
    return most_text_tokens(_without_images(message)) + sum(most_image_tokens(image, model) for image in images)


def most_text_tokens(value: Any) -> int:
    """The bytes of a value's JSON, also in the longer forms that tokenisers give to some characters first."""
    text = _json(value)
    if text.isascii():
        return len(text)
    forms = (text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFKC", text))
    return max(len(form.encode("utf-8", "surrogatepass")) for form in forms)


def most_answer_tokens(request: Body, spec: ModelSpec) -> int:
    """The most tokens that the answer to a request can have, as far as it is known."""
    asked = request.get("max_tokens")
    if _takes_length(spec) and isinstance(asked, int) and not isinstance(asked, bool):
        return max(asked, 0)
    return spec.answer_tokens or DEFAULT_ANSWER_TOKENS


def required_answer_tokens(request: Body, spec: ModelSpec) -> int:
    """The tokens that must be free for the answer: 1 if its length can be limited to what is left, otherwise all."""
    return 1 if _takes_length(spec) else most_answer_tokens(request, spec)


def _takes_length(spec: ModelSpec) -> bool:
    """Whether requests to the endpoint limit the length of the answer."""
    return dict(spec.parameters).get("max_tokens") != ""


def estimate_tokens(values: Iterable[Any]) -> int:
    """Estimate the number of tokens in these values, from the bytes of their JSON; at least 1."""
    return max(1, -(-_size(values) // BYTES_PER_TOKEN))


def _size(values: Iterable[Any]) -> int:
    """The bytes of the values' JSON."""
    return sum(len(_json(value).encode("utf-8", "surrogatepass")) for value in values)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _prompt(request: Body) -> tuple[list[Any], list[Mapping[str, Any]]]:
    """What a prompt is made of: values of text, and images."""
    texts = [request[key] for key in PROMPT_FIELDS if request.get(key) and key != "messages"]
    messages = request.get("messages")
    if not isinstance(messages, list):
        return ([*texts, messages] if messages else texts), []
    images = [part for message in messages for part in _parts(message) if is_image(part)]
    return ([*texts, [_without_images(message) for message in messages]] if messages else texts), images


def _parts(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, Mapping) else None
    return content if isinstance(content, list) else []


def _without_images(message: Any) -> Any:
    """The message without the data of its images; what else such a part holds may be read as text."""
    parts = _parts(message)
    if not any(is_image(part) for part in parts):
        return message
    return {**message, "content": [_without_data(part) if is_image(part) else part for part in parts]}


def _without_data(part: Mapping[str, Any]) -> dict[str, Any]:
    reference = part.get("image_url")
    kept = {key: value for key, value in reference.items() if key != "url"} if isinstance(reference, Mapping) else {}
    return {**part, "image_url": kept}
