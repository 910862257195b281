"""What a model of another API wants back survives the way through the gateway, whatever client a scaffold uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evolve.llm import open_model
from tests.test_gateway import TOOL, USER, client, scaffold, serving
from tests.upstream import Answer, Upstream
from tests.vendors import function_call, message, reasoning, replies, responds, text, thinking, tool_use

RESULT: Any = {"role": "tool", "tool_call_id": "call_1", "content": "seen"}
ITEMS = [
    reasoning("rs_1", "AAA"),
    message("msg_1", "Looking.", phase="commentary"),
    function_call("call_1", "look", "{}"),
]
BLOCKS = [thinking("hm", "AAA"), {"type": "text", "text": "Looking."}, tool_use("call_1", "look", {})]
DOOR = f"""
messages = [{USER}]
messages.append(door.chat(messages, [{TOOL}]))
door.chat([*messages, {RESULT}], [{TOOL}])
"""


def script(api: str) -> tuple[Answer, Answer]:
    """An answer that thinks and calls, and one that ends the conversation."""
    if api == "responses":
        return responds(*ITEMS), responds(message("msg_2", "Done."))
    return replies(*BLOCKS, stop_reason="tool_use"), replies(text("Done."))


def sent_back(upstream: Upstream, api: str) -> list[dict[str, Any]]:
    """What the second request has between the question and the tool's answer."""
    _, second = upstream.bodies()
    items: list[dict[str, Any]] = second["input"][1:-1] if api == "responses" else second["messages"][1]["content"]
    return items


@pytest.mark.parametrize("way", ["door", "client", "streaming client"])
@pytest.mark.parametrize("api", ["responses", "messages"])
def test_reasoning_comes_back_through_the_gateway(upstream: Upstream, tmp_path: Path, api: str, way: str) -> None:
    upstream.script(*script(api))
    with serving(tmp_path, usd=100) as served, client(served) as openai_client:
        served.model = open_model(upstream.spec(api=api))
        chat = openai_client.chat.completions
        if way == "door":
            scaffold(served, DOOR)
        elif way == "client":
            said = chat.create(model="any", messages=[USER], tools=[TOOL]).choices[0].message
            chat.create(model="any", messages=[USER, said, RESULT], tools=[TOOL])
        else:
            with chat.stream(model="any", messages=[USER], tools=[TOOL]) as stream:
                said = stream.get_final_completion().choices[0].message
            chat.create(model="any", messages=[USER, said.model_dump(exclude_none=True), RESULT], tools=[TOOL])
    assert sent_back(upstream, api) == (ITEMS if api == "responses" else BLOCKS)
