"""How a scaffold is started: placeholders, and the variables that name the gateway."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evolve.core.launch import GATEWAY_PORT, Launch, gateway_variables
from evolve.sandbox.resources import FILES


def test_placeholders_are_filled_wherever_they_stand() -> None:
    launch = Launch(command=("run", "--task={instruction}!", '{"a": {url}}'), env=(("A", "{model} {other}"),))
    filled = launch.filled({"instruction": "do it", "url": "http://x", "model": "m"})
    assert filled.command == ("run", "--task=do it!", '{"a": http://x}')
    assert filled.env == (("A", "m {other}"),)


@given(st.text(), st.text())
def test_values_are_taken_as_they_are(instruction: str, url: str) -> None:
    values = {"instruction": f"{instruction}{{url}}", "url": url}
    filled = Launch(command=("{instruction}|{url}",)).filled(values)
    assert filled.command == (f"{instruction}{{url}}|{url}",)


def test_clients_of_each_protocol_find_the_gateway() -> None:
    variables = gateway_variables("http://127.0.0.1:1")
    assert variables["OPENAI_BASE_URL"] == variables["OPENAI_API_BASE"] == "http://127.0.0.1:1/v1"
    assert variables["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert "127.0.0.1" in variables["NO_PROXY"] and variables["OPENAI_API_KEY"] == "none"


def test_the_launcher_listens_where_agents_are_sent() -> None:
    assert f"\nPORT = {GATEWAY_PORT}\n" in (FILES / "launch.py").read_text()
