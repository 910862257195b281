"""Whole runs with endpoints that refuse requests: what the host added is corrected first, or the run does not start.

`make long` adds the endpoints of the catalogue that are named like real ones, and more rounds.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest

from tests.imitated.probed import WINDOW_BYTES
from tests.probes.conftest import Probe
from tests.probes.probing import IS_LONG, Played

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("task_images")]
REACHED = """select count(*) from trial where outcome in ('passed', 'failed', 'budget') and calls > 2"""
NAMED = ("openai-gpt5", "deepseek", "kimi", "gemini", "mistral", "tgi", "openrouter-claude", "claude", "xai")


def assert_stopped_at_once(played: Played, *words: str) -> None:
    """Exit status 2, one line with these words, and nothing written."""
    assert played.status == 2, played.text
    errors = [line for line in played.text.splitlines() if line.startswith("error: ")]
    assert errors == [played.last_line] and "Traceback" not in played.text
    assert all(word in played.last_line for word in words), played.last_line
    branches = subprocess.run(["git", "branch"], cwd=played.home, capture_output=True, text=True, check=True).stdout
    assert not played.has_results and "evolve/" not in branches


def test_refused_parameters_change_nothing(probe: Probe, plain: Played) -> None:
    played = probe("picky")
    assert played.status == 0 and played.course() == plain.course() and plain.course()["lessons"], played.text
    assert played.refused == {"unsupported_parameter": 1, "temperature": 1, "top_p": 1, "top_k": 1}


def test_a_refused_seed_changes_nothing_but_luck(probe: Probe) -> None:
    without, refused = probe("deaf"), probe("no-seed")
    assert without.status == refused.status == 0, refused.text
    assert refused.course() == without.course() and refused.refused == {"seed": 1}


@pytest.mark.parametrize(
    ("name", "flag"), [("vllm-no-parser", "--enable-auto-tool-choice"), ("llamacpp-no-jinja", "--jinja")]
)
def test_refused_tools_are_one_line_before_the_first_trial(probe: Probe, name: str, flag: str) -> None:
    played = probe(name)
    assert_stopped_at_once(played, flag, "tool_calls = false")
    assert played.seconds < 60


@pytest.mark.parametrize("name", ["strict", "strict-objects"])
def test_a_strict_history_is_never_refused(probe: Probe, name: str) -> None:
    played = probe(name)
    assert played.status == 0 and not played.refused, played.text
    assert played.value(REACHED)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_opaque_fields_come_back(probe: Probe, stream: bool) -> None:
    played = probe("opaque", stream=stream)
    assert played.status == 0 and played.refused == {"invalid_request_error": 1}, played.text
    assert played.value(REACHED)


@pytest.mark.parametrize("name", NAMED if IS_LONG else NAMED[:1])
def test_endpoints_that_are_named_like_real_ones(probe: Probe, name: str) -> None:
    played = probe(name)
    assert played.status == 0 and played.value(REACHED), played.text
    learned = json.loads(played.value("select report from preflight"))["refused"]
    assert sum(played.refused.values()) - played.refused.get("extra_stream_options", 0) == len(learned)


def test_a_window_that_is_cut_in_silence_is_one_line(probe: Probe) -> None:
    assert_stopped_at_once(probe("ollama"), "cuts prompts in silence", "OLLAMA_CONTEXT_LENGTH")


def test_proposals_fit_a_small_window(probe: Probe) -> None:
    tables = "\n".join(f"WEIGHT_{number} = {number * 37 % 101}" for number in range(WINDOW_BYTES // 10))
    played = probe("narrow", files={"scaffolds/single/tables.py": tables})
    assert played.status == 0 and played.refused == {"context_length_exceeded": 1}, played.text
    proposals = Counter(bool(edits) for (edits,) in played.rows("select edits from proposal where round > 0"))
    assert proposals[True] and not proposals[False]
