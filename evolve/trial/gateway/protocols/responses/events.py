"""Stream an answer as the events of the Responses API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from evolve.trial.gateway.protocols.protocol import Reply, named_event
from evolve.trial.gateway.protocols.responses.answer import response_of, unfinished_response
from evolve.trial.gateway.wire import Body, Refusal

OPENING = ("response.created", "response.in_progress")


def events_of(reply: Reply) -> Iterator[str]:
    """Yield the events of an answer."""
    whole = response_of(reply)
    steps: list[Body] = [*_opening_steps(reply.asked)]
    for index, item in enumerate(whole["output"]):
        place = {"output_index": index}
        steps.append({"type": "response.output_item.added", **place, "item": _empty(item)})
        steps += [{**step, **place, "item_id": item["id"]} for step in _item_steps(item)]
        steps.append({"type": "response.output_item.done", **place, "item": item})
    steps.append({"type": f"response.{whole['status']}", "response": whole})
    yield from _numbered(steps)


def opening(asked: Body) -> str:
    """Return the events that come before the answer is known."""
    return "".join(_numbered(_opening_steps(asked)))


def failure(asked: Body, refusal: Refusal) -> str:
    """Return the events that end a stream which has begun."""
    error = {"code": refusal.code, "message": refusal.message}
    failed = {**unfinished_response(asked), "status": "failed", "error": error}
    steps = [*_opening_steps(asked), {"type": "response.failed", "response": failed}]
    return "".join(islice(_numbered(steps), len(OPENING), None))


def _opening_steps(asked: Body) -> list[Body]:
    opened = unfinished_response(asked)
    return [{"type": kind, "response": opened} for kind in OPENING]


def _numbered(steps: Iterable[Body]) -> Iterator[str]:
    for number, step in enumerate(steps):
        yield named_event({**step, "sequence_number": number})


def _empty(item: Body) -> Body:
    """Return an item as it begins."""
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "reasoning":
            return {**item, "summary": []}
        case "custom_tool_call":
            return {**item, "status": "in_progress", "input": ""}
    return {**item, "status": "in_progress", "arguments": ""}


def _item_steps(item: Body) -> Iterator[Body]:
    match item["type"]:
        case "message":
            for number, part in enumerate(item["content"]):
                yield from ({**step, "content_index": number} for step in _part_steps(part))
        case "reasoning":
            for number, part in enumerate(item["summary"]):
                yield from ({**step, "summary_index": number} for step in _summary_steps(part))
        case "custom_tool_call":
            yield {"type": "response.custom_tool_call_input.delta", "delta": item["input"]}
            yield {"type": "response.custom_tool_call_input.done", "input": item["input"]}
        case _:
            yield {"type": "response.function_call_arguments.delta", "delta": item["arguments"]}
            done = {"arguments": item["arguments"], "name": item["name"]}
            yield {"type": "response.function_call_arguments.done", **done}


def _part_steps(part: Body) -> Iterator[Body]:
    field = "text" if part["type"] == "output_text" else "refusal"
    more: Body = {"logprobs": []} if field == "text" else {}
    yield {"type": "response.content_part.added", "part": {**part, field: ""}}
    if part[field]:
        yield {"type": f"response.{part['type']}.delta", "delta": part[field], **more}
    yield {"type": f"response.{part['type']}.done", field: part[field], **more}
    yield {"type": "response.content_part.done", "part": part}


def _summary_steps(part: Body) -> Iterator[Body]:
    yield {"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""}}
    yield {"type": "response.reasoning_summary_text.delta", "delta": part["text"]}
    yield {"type": "response.reasoning_summary_text.done", "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", "part": part}
