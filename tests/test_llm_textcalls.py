"""Tools told in text: what is rendered is read back exactly, and what models make of it is read with patience."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evolve.core.records import FileEdit
from evolve.llm import open_model
from evolve.llm.textcalls import TextToolsModel, format_calls, parse_calls, tools_as_text
from evolve.loop.propose import direct
from tests.fakes import ScriptedModel, completion, tool_call
from tests.test_propose import brief
from tests.upstream import Upstream, says

LOOK = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}
RUN = {"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}
USER = {"role": "user", "content": "hi"}
BODY = {"model": "m", "messages": [USER], "tools": [LOOK, RUN], "temperature": 0.5}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
texts = st.text() | st.sampled_from(["</tool_call>", "<tool_call>", "```", "<think>", "\n", '"', "{", "}"]).flatmap(
    lambda odd: st.tuples(st.text(), st.just(odd), st.text()).map("".join)
)
arguments = st.dictionaries(texts, values | texts, max_size=3).map(lambda made: json.dumps(made, ensure_ascii=False))
calls = st.lists(st.tuples(st.text(min_size=1), arguments | texts), min_size=1, max_size=4)


@given(calls)
@example([("a", "</tool_call>")])
@example([("a", '{"a":1}'), ("b", "")])
@example([("a", "{}"), ("a", "{}")])
def test_formatted_calls_are_parsed_back_exactly(made: list[tuple[str, str]]) -> None:
    assert parse_calls(format_calls(made), set()) == ("\n" * (len(made) - 1), made)


@given(texts, calls)
def test_text_around_calls_is_kept(words: str, made: list[tuple[str, str]]) -> None:
    words = words.replace("<", "(")
    said, found = parse_calls(f"{words}\n{format_calls(made)}", set())
    assert (said.rstrip(), found) == (words.rstrip(), made)


@given(texts)
def test_any_text_can_be_parsed(text: str) -> None:
    said, found = parse_calls(text, {"look"})
    assert found or said == text


@pytest.mark.parametrize(
    ("text", "said", "found"),
    [
        ('<tool_call>{"name": "look", "arguments": {"a": 1}}</tool_call>', "", [("look", '{"a": 1}')]),
        ('I look.\n<tool_call>\n{"name":"look"}\n</tool_call>\n', "I look.", [("look", "{}")]),
        ('<tool_call>{"name": "look", "arguments": {"a": 1}}', "", [("look", '{"a": 1}')]),
        ('<tool_call>{"name": "look"}<tool_call>{"name": "run"}', "", [("look", "{}"), ("run", "{}")]),
        ('```xml\n<tool_call>\n{"name": "look"}\n</tool_call>\n```', "", [("look", "{}")]),
        ('<tool_call>\n```json\n{"name": "look"}\n```\n</tool_call>', "", [("look", "{}")]),
        ('<tool_call>{"name": "look", "parameters": {"a": 1}}</tool_call>', "", [("look", '{"a": 1}')]),
        ('<tool_call>{"name": "look", "arguments": "{\\"a\\": 1}"}</tool_call>', "", [("look", '{"a": 1}')]),
        ('<tool_call>{"name": "look", "arguments": {"a": "1\n2"}}</tool_call>', "", [("look", '{"a": "1\\n2"}')]),
        ('{"name": "look", "arguments": {"a": 1}}', "", [("look", '{"a": 1}')]),
        ('```json\n{"name": "look", "arguments": {}}\n```', "", [("look", "{}")]),
        ('{"name": "unknown", "arguments": {}}', '{"name": "unknown", "arguments": {}}', []),
        ('<tool_call>{"name": "look", "arguments": {"a": </tool_call>', "",
         [("look", '{"name": "look", "arguments": {"a":')]),
        ('<tool_call>{"name": "look", "argum', "", [("look", '{"name": "look", "argum')]),
        ("<tool_call>look</tool_call>", "<tool_call>look</tool_call>", []),
        ('<tool_call>{"name": 3}</tool_call>', '<tool_call>{"name": 3}</tool_call>', []),
        ('<tool_call>{"name": </tool_call><tool_call>{"name": "run"}</tool_call>', '<tool_call>{"name": </tool_call>',
         [("run", "{}")]),
        ('<think>maybe <tool_call>{"name": "look"}</tool_call></think>no', "<think>maybe <tool_call>"
         '{"name": "look"}</tool_call></think>no', []),
        ("<tool_call>", "<tool_call>", []),
        ("", "", []),
    ],
)  # fmt: skip
def test_variants_that_models_write_are_parsed(text: str, said: str, found: list[tuple[str, str]]) -> None:
    answer = TextToolsModel(ScriptedModel(completion(text))).complete(BODY)
    message, reason = answer["choices"][0]["message"], answer["choices"][0]["finish_reason"]
    made = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])]
    assert ((message["content"] or ""), made) == (said, found)
    assert reason == ("tool_calls" if found else "stop")


def test_a_call_that_was_cut_off_is_malformed() -> None:
    cut = completion('<tool_call>{"name": "look", "arguments": {"a": "b')
    cut["choices"][0]["finish_reason"] = "length"
    choice = TextToolsModel(ScriptedModel(cut)).complete(BODY)["choices"][0]
    assert choice["finish_reason"] == "length"
    with pytest.raises(ValueError, match=r"delimiter|Unterminated"):
        json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])


def test_a_conversation_with_tools_reaches_the_model_as_text(upstream: Upstream) -> None:
    block = '<tool_call>\n{"name": "look", "arguments": {"at": "a.py"}}\n</tool_call>'
    upstream.script(says(f"<think>hm</think>I look.\n{block}\n{block}"), says("done"))
    model = open_model(upstream.spec(text_tools=True, stream=True))
    reply = model.complete({**BODY, "messages": [{"role": "system", "content": "Mend."}, USER]})["choices"][0][
        "message"
    ]
    first, second = reply["tool_calls"]
    assert first["id"] != second["id"] and first["function"] == {"name": "look", "arguments": '{"at": "a.py"}'}
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"seen {n}"} for n, call in enumerate((first, second))
    ]
    answer = model.complete({**BODY, "messages": [USER, reply, *results, USER]})["choices"][0]
    assert (answer["message"]["content"], answer["finish_reason"]) == ("done", "stop")
    asked, again = upstream.bodies()
    assert "tools" not in asked and asked["temperature"] == 0.5
    system = asked["messages"][0]["content"]
    assert system.startswith("Mend.\n\n") and '"description": "Look."' in system and "`auto`" in system
    assert [message["role"] for message in again["messages"]] == ["system", "user", "assistant", "user", "user"]
    assert again["messages"][2] == {"role": "assistant", "content": f"I look.\n\n{block}\n{block}"}
    told = '<tool_result name="look">\nseen 0\n</tool_result>\n<tool_result name="look">\nseen 1\n</tool_result>'
    assert again["messages"][3]["content"] == told


@pytest.mark.parametrize(
    ("choice", "word"),
    [(None, "auto"), ("required", "required"), ({"type": "function", "function": {"name": "run"}}, "run")],
)
def test_the_tool_choice_is_in_the_prompt(choice: Any, word: str) -> None:
    model = ScriptedModel()
    TextToolsModel(model).complete({**BODY, "tool_choice": choice, "parallel_tool_calls": False})
    sent = model.requests[0]
    assert f"is: `{word}`." in sent["messages"][0]["content"]
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sent)


def test_without_callable_tools_none_is_described_or_parsed() -> None:
    text = '<tool_call>{"name": "look"}</tool_call>'
    for body in ({**BODY, "tool_choice": "none"}, {**BODY, "tools": []}, {"model": "m", "messages": [USER]}):
        model = ScriptedModel(completion(text))
        message = TextToolsModel(model).complete(body)["choices"][0]["message"]
        assert message == {"role": "assistant", "content": text}
        assert model.requests[0]["messages"] == [USER]


def test_ids_depend_on_the_conversation_alone() -> None:
    def ids(*messages: Any) -> list[str]:
        answer = completion(format_calls([("look", "{}"), ("look", "{}")]))
        made = TextToolsModel(ScriptedModel(answer)).complete({**BODY, "messages": [*messages]})
        return [call["id"] for call in made["choices"][0]["message"]["tool_calls"]]

    assert ids(USER) == ids(USER)
    assert len({*ids(USER), *ids(USER, USER)}) == 4


@pytest.mark.parametrize("messages", ["no list", [3, None], [{"role": "assistant", "tool_calls": [3, {"id": "a"}]}]])
def test_odd_messages_go_through(messages: Any) -> None:
    assert tools_as_text({**BODY, "messages": messages}, [])["messages"] == messages


def test_content_in_parts_keeps_its_parts() -> None:
    part = {"type": "text", "text": "Mend."}
    asked = [{"role": "system", "content": [part]}, {"role": "tool", "tool_call_id": "?", "content": [part]}]
    model = ScriptedModel()
    TextToolsModel(model).complete({**BODY, "messages": asked})
    system, result = model.requests[0]["messages"]
    assert system["content"][0] == part and "Look." in system["content"][1]["text"]
    assert result == {"role": "user", "content": '<tool_result name="">\nMend.\n</tool_result>'}


def test_a_proposer_does_not_notice(upstream: Upstream) -> None:
    edit = {"path": "agent.py", "old": "", "new": 'print("</tool_call>")\n'}
    call = tool_call("propose", {"hypothesis": "h", "prediction": "p", "edits": [edit]})["function"]
    upstream.script(says("<think>hm</think>" + format_calls([(call["name"], call["arguments"])])))
    spec = upstream.spec(text_tools=True)
    made = direct(open_model(spec), spec, brief({"agent.py": "x"}), 1, lambda proposal: None).proposal
    assert (made.hypothesis, made.edits) == ("h", (FileEdit("agent.py", 'print("</tool_call>")\n'),))
