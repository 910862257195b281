"""`evolve export`: what is written, what never is, and that nothing is written by halves."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.core.config import LicenceStatement, ModelTerms, RunConfig
from evolve.core.errors import BadInput, DiskFull
from evolve.core.records import Decision, ModelSpec, Split, Usage, Verdict
from evolve.export import run as run_module
from evolve.export.atif import problem_of
from evolve.export.documents import Documents, completed
from evolve.export.formats import Format
from evolve.export.licences import task_licences
from evolve.export.otel import Tracer
from evolve.export.recorded import is_event
from evolve.export.redaction import Redactor, json_line
from evolve.export.run import Exported, export_run
from evolve.export.selection import SAFE_NAME, ExportedTrial, Selection, file_name
from evolve.host.temporary import process_mark
from evolve.runs.stored_config import stored_config
from evolve.store import Store
from evolve.suite.bundled import bundled_suite
from evolve.suite.tasks import load_suite, task_digest
from evolve.trial import trajectory
from evolve.trial.recording import TIME_FIELDS
from tests.atif import check_trajectory
from tests.exported import CONFIG, KEY, PATCH, RUN, TOOL, VERIFIER_OUTPUT, events, run_row, store_run
from tests.fakes import result, trial_spec
from tests.forked import forked
from tests.otlp import Span, spans_of
from tests.test_trajectory import EVENTS

JOB = f"{RUN}-round-0000"
# The Python of an environment with Harbor (3.12 or newer).
HARBOR = os.environ.get("EVOLVE_HARBOR", "")
WITH_HARBOR = Path(__file__).parent / "harbor_viewer.py"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    folder = tmp_path / "runs"
    folder.mkdir()
    store_run(folder)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def export(runs: Path, form: Format, *splits: Split, **options: Any) -> tuple[Exported, Path]:
    target = runs.parent / "out"
    return export_run(runs, None, form, target, splits=splits, **options), target


def without_recordings(runs: Path, kind: str = "recording") -> None:
    for path in (runs / RUN / "trials").glob(f"*.{kind}.gz"):
        path.unlink()


# What leaves


def test_each_round_is_a_job_with_a_folder_for_each_trial(runs: Path) -> None:
    done, target = export(runs, Format.ATIF)
    assert dict(done.trials) == {Split.TRAIN: 4, Split.VALIDATION: 1} and not done.left_out
    parts = ("agent/trajectory.json", "config.json", "result.json", "verifier/reward.json")
    trials = {"0000": ("alpha", "beta", "gamma"), "0001": ("alpha", "beta")}
    expected = {f"{RUN}-round-{n}/{name}__0/{part}" for n, names in trials.items() for name in names for part in parts}
    expected |= {f"{RUN}-round-{n}/{part}" for n in trials for part in ("config.json", "result.json")}
    written = files_in(target)
    assert set(written) == expected
    for path in (path for path in written if path.endswith("trajectory.json")):
        document = json.loads(written[path])
        check_trajectory(document)
        assert document["agent"]["tool_definitions"] == [TOOL] and problem_of(document) == ""
        assert all("timestamp" in step for step in document["steps"])
        costs = [step["metrics"]["cost_usd"] for step in document["steps"] if "metrics" in step]
        assert costs == pytest.approx([3e-5, 3e-5])


def test_a_trials_result_says_how_it_ended(runs: Path) -> None:
    written = files_in(export(runs, Format.ATIF)[1])
    results = {
        path.split("/")[1]: json.loads(text) for path, text in written.items() if path.endswith("__0/result.json")
    }
    assert results["gamma__0"]["exception_info"]["exception_type"] == "TrialBudgetSpent"
    assert results["gamma__0"]["exception_info"]["exception_message"] == "it ended: [key]"
    alpha = json.loads(written[f"{JOB}/alpha__0/result.json"])
    assert alpha["verifier_result"] == {"rewards": {"reward": 1.0}} and "exception_info" not in alpha
    assert alpha["agent_result"]["cost_usd"] == 0.00006
    modes = [results[f"{name}__0"]["verifier_environment_mode"] for name in ("gamma", "beta")]
    assert modes == ["separate", "shared"]
    job = json.loads(written[f"{JOB}/result.json"])
    assert (job["n_total_trials"], job["stats"]["n_errored_trials"]) == (3, 2)
    train = job["stats"]["evals"]["evolve-scaffold__scripted__suite-train"]
    assert train["metrics"] == [{"mean": 0.5}] and train["reward_stats"]["reward"]["1.0"] == ["alpha__0"]


@pytest.mark.parametrize("form", Format)
def test_keys_tests_the_holdout_and_paths_of_this_machine_stay_here(runs: Path, form: Format) -> None:
    _, target = export(runs, form)
    text = b"".join(name.encode() + data for name, data in files_in(target).items()).decode()
    for secret in (KEY, KEY[4:14], VERIFIER_OUTPUT, "4711", "delta", str(runs), str(runs.parent)):
        assert secret not in text, secret
    assert "[key]" in text and text.isascii()


@pytest.mark.parametrize("form", Format)
def test_the_holdout_is_exported_if_it_is_named_without_the_verifiers_output(runs: Path, form: Format) -> None:
    done, target = export(runs, form, Split.HOLDOUT)
    text = b"".join(files_in(target).values()).decode()
    assert dict(done.trials) == {Split.HOLDOUT: 1}
    assert "delta" in text and VERIFIER_OUTPUT not in text and KEY not in text


def test_one_round_alone(runs: Path) -> None:
    done, target = export(runs, Format.ATIF, Split.TRAIN, round_number=1)
    assert done.trials == {Split.TRAIN: 2}
    assert [path.name for path in target.iterdir()] == [f"{RUN}-round-0001"]


def test_prices_that_are_unknown_are_no_cost_of_zero(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    store_run(tmp_path / "runs", replace_prices(CONFIG))
    for form in Format:
        export_run(tmp_path / "runs", None, form, tmp_path / form)
    texts = b"".join(data for form in Format for data in files_in(tmp_path / form).values()).decode()
    assert "cost" in texts and not re.search(r'cost_usd\\*": \\*"?0', texts) and "evolve.cost_usd" not in texts


def replace_prices(config: RunConfig) -> RunConfig:
    return config.model_copy(update={"prompt_price": None, "completion_price": None})


# Earlier versions


def test_documents_of_earlier_versions_get_their_costs_and_tools_from_their_recordings() -> None:
    recorded, spec = events(timed=False), trial_spec(model=CONFIG.model_spec)
    new = trajectory.build(spec, recorded, Usage(2, 20, 20, 0.00006), "")
    old = json.loads(json.dumps(new))
    del old["agent"]["tool_definitions"]
    for step in old["steps"]:
        step.get("metrics", {}).pop("cost_usd", None)
    assert completed(old, recorded, spec.model) == new
    assert completed(old, (), spec.model) == old


def test_an_earlier_document_without_prices_or_steps_becomes_valid() -> None:
    old = trajectory.build(trial_spec(), [], Usage(), "")
    old |= {"steps": [], "final_metrics": {**old["final_metrics"], "total_cost_usd": 0.0, "total_steps": 0}}
    check_trajectory(done := completed(old, (), ModelSpec("m")))
    assert "total_cost_usd" not in done["final_metrics"]


def test_trials_without_times_have_one_span_and_are_counted(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    store_run(tmp_path / "runs", timed=False)
    done, target = export(tmp_path / "runs", Format.OTEL)
    assert done.partial == {run_module.UNTIMED: 5}
    for line in (target / "traces.jsonl").read_bytes().splitlines():
        (root,) = spans_of(line)
        assert attributes(root)["evolve.calls_are_complete"] is False


# Traces


def attributes(span: Span) -> dict[str, Any]:
    return {one.key: next(iter(one.value.model_dump(exclude_none=True).values())) for one in span.attributes}


def test_a_trace_has_a_span_for_each_call_and_command(runs: Path) -> None:
    _, target = export(runs, Format.OTEL)
    traces = [spans_of(line) for line in (target / "traces.jsonl").read_bytes().splitlines()]
    assert len({trace[0].traceId for trace in traces}) == 5
    root, call, command, refused, last = traces[0]
    names = ["invoke_agent evolve-scaffold", "chat scripted", "execute_tool run", "chat scripted", "chat scripted"]
    assert [span.name for span in traces[0]] == names and [span.kind for span in traces[0]] == [1, 3, 1, 3, 3]
    assert int(call.endTimeUnixNano) - int(call.startTimeUnixNano) == 800_000_000
    assert call.startTimeUnixNano == "1795470240100000000"
    found = attributes(call)
    assert found["gen_ai.operation.name"] == "chat" and found["gen_ai.request.model"] == "scripted"
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.request.temperature"]) == ("10", 0.5)
    assert found["evolve.cost_usd"] == pytest.approx(3e-5)
    assert json.loads(attributes(command)["gen_ai.tool.call.arguments"]) == {"command": "echo [key]"}
    assert attributes(refused)["error.type"] == "too_long" and refused.status is not None and last.status is None
    assert (attributes(root)["evolve.outcome"], attributes(root)["evolve.reward"]) == ("passed", 1.0)


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.sampled_from(["chat", "messages"]), st.text(max_size=5))
def test_any_recording_becomes_a_valid_trace(recorded: list[dict[str, Any]], api: Any, task: str) -> None:
    config = CONFIG.model_copy(update={"facts": CONFIG.facts.model_copy(update={"api": api})})
    tracer = Tracer(Selection(run_row(Path()), config, Path(), (), (), ()), Redactor((KEY,)))
    trial = ExportedTrial(result(task, reward=0.0), 3, "")
    timed = [{**event, **dict(zip(TIME_FIELDS, sorted(at), strict=True))} for event in recorded if (at := times(event))]
    usable = [event for event in timed if is_event(event)]
    assert len(spans_of(json_line(tracer.trace(trial, usable)))) == 1 + len(usable)


def times(event: dict[str, Any]) -> list[str]:
    return [event[name] for name in TIME_FIELDS if name in event]


# Datasets


def test_a_dataset_has_rows_and_a_card_that_describes_them(runs: Path) -> None:
    _, target = export(runs, Format.DATASET)
    card = (target / "README.md").read_text()
    rows = [json.loads(line) for line in (target / "data/train.jsonl").read_text().splitlines()]
    assert [(row["round"], row["task"], row["outcome"]) for row in rows] == [
        (0, "alpha", "passed"), (0, "beta", "timeout"), (1, "alpha", "failed"), (1, "beta", "scaffold_error"),
    ]  # fmt: skip
    for row in rows:
        check_trajectory(json.loads(row["trajectory"]))
    assert len({tuple((key, type(value)) for key, value in row.items()) for row in rows}) == 1
    front = dict(line.split(": ", 1) for line in card.split("---\n")[1].splitlines())
    data = json.loads(front["configs"])[0]["data_files"]
    assert data == [{"split": name, "path": f"data/{name}.jsonl"} for name in ("train", "validation")]
    assert json.loads(front["license"]) == "unknown" and json.loads(front["size_categories"]) == ["n<1K"]
    for name in ("train", "validation"):
        assert hashlib.sha256((target / f"data/{name}.jsonl").read_bytes()).hexdigest() in card
    assert "| train | 2 | 4 | 25.0 % |" in card and "| alpha | train |" in card
    assert f"evolve export {RUN} --format dataset --split train --split validation --to FOLDER" in card
    assert "holdout's are not among them" in card


def test_the_card_counts_null_copies(runs: Path) -> None:
    assert "null copies" not in (export(runs, Format.DATASET)[1] / "README.md").read_text()
    shutil.rmtree(runs.parent / "out")
    with Store.open(runs / "evolve.db") as store:
        decision = Decision(Verdict.REVERT, "a copy", would_be=Verdict.STACK)
        store.add_decision(RUN, 1, decision, "2026-11-23T21:44:00+00:00")
    card = (export(runs, Format.DATASET)[1] / "README.md").read_text()
    assert "- 1 of the 2 rounds (2 trials) are null copies: unchanged copies of their parent" in card


def test_the_card_names_licences_where_they_are_known(tmp_path: Path) -> None:
    statement = LicenceStatement(licence="MIT")
    terms = ModelTerms(licence="MIT", commercial="allowed", source="https://x.test/a", statements=(statement,))
    (tmp_path / "runs").mkdir()
    store_run(tmp_path / "runs", CONFIG.model_copy(update={"terms": terms}))
    card = (export(tmp_path / "runs", Format.DATASET, Split.HOLDOUT)[1] / "README.md").read_text()
    assert "Licence: MIT; commercial use allowed (source: https://x.test/a, undated)" in card
    assert "unknown (1)" in card and "publishing it ends its use" in card


def licences(runs: Path, suite_digest: str = "", task_digest: str = "") -> dict[str, str]:
    with Store.open(runs / "evolve.db") as store:
        row, tasks = store.runs()[0], store.tasks(RUN)
    values = {**json.loads(row.config), "suite_digest": suite_digest}
    tasks = [replace(task, digest=task_digest or task.digest) for task in tasks]
    return task_licences(replace(row, config=json.dumps(values)), tasks, runs)


def test_tasks_of_the_bundled_suite_have_its_licence(runs: Path) -> None:
    assert licences(runs)["alpha"] == ""
    assert licences(runs, load_suite(bundled_suite()).digest)["alpha"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ('[metadata]\nlicense = "MIT"', "MIT"),
        ('[metadata]\nlicence = "CC0-1.0"', "CC0-1.0"),
        ("[metadata]\nlicense = 7", ""),
        ("metadata = 7", ""),
        ("[", ""),
        ("", ""),
    ],
)
def test_a_task_may_state_its_licence_while_its_files_are_those_of_the_run(runs: Path, text: str, licence: str) -> None:
    folder = runs / "suite" / "alpha"
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text(text)
    assert licences(runs, task_digest=task_digest(folder))["alpha"] == licence
    assert licences(runs, task_digest="0" * 64)["alpha"] == ""


# Nothing by halves, nothing overwritten


@pytest.mark.parametrize("form", Format)
def test_the_same_export_again_is_the_same_and_overwrites_nothing(runs: Path, form: Format) -> None:
    _, target = export(runs, form)
    before = files_in(target)
    with pytest.raises(BadInput, match="already exists, and nothing is overwritten"):
        export(runs, form)
    assert files_in(target) == before
    export_run(runs, RUN, form, runs.parent / "again")
    assert files_in(runs.parent / "again") == before


@pytest.mark.parametrize(
    ("make", "is_refused"),
    [
        (lambda path: path.mkdir(), False),
        (lambda path: (path.mkdir(), (path / "x").touch()), True),
        (lambda path: path.touch(), True),
        (lambda path: path.symlink_to("nowhere"), True),
        (lambda path: path.symlink_to("runs"), True),
    ],
    ids=["empty folder", "folder", "file", "broken link", "link"],
)
def test_only_an_empty_folder_is_taken(runs: Path, make: Callable[[Path], object], is_refused: bool) -> None:
    make(runs.parent / "out")
    before = sorted(runs.parent.rglob("*"))
    if is_refused:
        with pytest.raises(BadInput, match="already exists"):
            export(runs, Format.OTEL)
        assert sorted(runs.parent.rglob("*")) == before
    else:
        assert export(runs, Format.OTEL)[0].trials.total() == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nobody", "--format", "atif"), "run nobody: there is no such run"),
        ((RUN, "--format", "atif", "--round", "7"), "round 7"),
        ((RUN, "--format", "otel", "--round", "1", "--split", "holdout"), "no trials of holdout"),
        ((RUN, "--format", "csv"), "csv"),
        ((RUN, "--format", "atif", "--split", "test"), "test"),
    ],
)
def test_bad_input_is_one_line_with_nothing_written(runs: Path, words: tuple[str, ...], message: str) -> None:
    done = forked(runs.parent, "export", *words, "--to", "deep/out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr
    assert not (runs.parent / "deep").exists()


def test_the_command_says_what_it_wrote(runs: Path) -> None:
    (path,) = (runs / RUN / "trials").glob("ccc*-alpha-*.trajectory.gz")
    path.write_bytes(path.read_bytes() + b"\0")
    done = forked(runs.parent, "export", RUN, "--format", "atif", "--to", "deep/out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"run {RUN}: exported 4 trials (3 train, 1 validation) to deep/out\n"
        "  left out: 1 trials: its trajectory has changed since it was stored\n"
        "open it with: harbor view deep/out\n"
    )
    shown = forked(runs.parent, "export", "--format", "dataset", "--to", "two", "--json")
    assert json.loads(shown.stdout)[0]["trials"] == {"train": 3, "validation": 1}


@pytest.mark.parametrize(("form", "kind"), [(Format.ATIF, "trajectory"), (Format.OTEL, "recording")])
def test_a_run_without_files_is_refused_with_nothing_written(runs: Path, form: Format, kind: str) -> None:
    without_recordings(runs, kind)
    with pytest.raises(BadInput, match=f"no trial can be exported: its {kind} is missing"):
        export_run(runs, None, form, runs.parent / "a" / "b")
    assert sorted(path.name for path in runs.parent.iterdir()) == ["runs"]


def test_a_document_that_is_not_atif_is_left_out(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trajectory, "load", lambda path: [{"steps": [{"step_id": 1}]}])
    with pytest.raises(BadInput, match="its trajectory is not ATIF"):
        export(runs, Format.ATIF)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"kind": "chat"},
        {"kind": "chat", "request": {"messages": []}},
        {"kind": "chat", "request": {"messages": []}, "response": {"choices": []}},
        {"kind": "chat", "request": {"messages": []}, "response": {"choices": [1]}},
        {"kind": "chat", "request": {"messages": []}, "error": "x"},
        {"kind": "run", "started_at": "yesterday", "ended_at": "2026-11-23T21:44:00+00:00"},
        {"kind": "run", "started_at": "2026-11-23T21:44:00", "ended_at": "2026-11-23T21:44:00"},
        {"kind": "run", "started_at": 7, "ended_at": 8},
        {"kind": "run", "started_at": "2026-11-23T21:44:01+00:00", "ended_at": "2026-11-23T21:44:00+00:00"},
        {"kind": "run", "started_at": "9026-11-23T21:44:00+00:00", "ended_at": "9026-11-23T21:44:00+00:00"},
        {"kind": "run", "exit_code": "x"},
    ],
)
def test_a_recording_of_another_form_is_left_out(
    runs: Path, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any]
) -> None:
    monkeypatch.setattr(trajectory, "load", lambda path: [event])
    with pytest.raises(BadInput, match="its recording is not in the form of this version"):
        export(runs, Format.OTEL)


@pytest.mark.parametrize("name", ["file/out", "x" * 300, "loop/out"])
def test_a_folder_that_can_not_be_written_is_one_line(runs: Path, name: str) -> None:
    (runs.parent / "file").touch()
    (runs.parent / "loop").symlink_to("loop")
    before = sorted(runs.parent.rglob("*"))
    with pytest.raises(BadInput, match="can't be written"):
        export_run(runs, None, Format.OTEL, runs.parent / name)
    assert sorted(runs.parent.rglob("*")) == before


def test_the_current_folder_stays_the_same_folder(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (runs.parent / "here").mkdir()
    monkeypatch.chdir(runs.parent / "here")
    before = Path().stat().st_ino
    export_run(runs, None, Format.DATASET, Path())
    assert Path().stat().st_ino == before
    assert sorted(path.name for path in Path().iterdir()) == ["README.md", "data"]


def test_what_appears_meanwhile_is_not_overwritten(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = runs.parent / "out"

    def interfere(done: Exported) -> None:
        target.mkdir()
        (target / "README.md").write_text("mine")

    monkeypatch.setattr(run_module, "_refuse_nothing", interfere)
    with pytest.raises(BadInput, match="already exists"):
        export_run(runs, None, Format.DATASET, target)
    assert (target / "README.md").read_text() == "mine" and len(list(runs.parent.iterdir())) == 2


def test_a_full_disk_leaves_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_module, "json_line", fail)
    with pytest.raises(DiskFull):
        export(runs, Format.OTEL)
    assert sorted(path.name for path in runs.parent.iterdir()) == ["runs"]


def test_what_a_killed_export_left_is_removed_by_the_next_one(runs: Path) -> None:
    pid, start, machine = process_mark().split(".")
    left, of_another = (runs.parent / f".{name}.{pid}.{int(start) + 1}.{machine}.part" for name in ("out", "other"))
    inside = runs.parent / "out" / left.name
    for folder in (left, of_another, inside):
        (folder / "x").mkdir(parents=True)
    export(runs, Format.OTEL)
    assert of_another.exists() and [path.name for path in (runs.parent / "out").iterdir()] == ["traces.jsonl"]
    shutil.rmtree(runs.parent / "out")
    export(runs, Format.OTEL)
    assert not left.exists()


# Hostile values


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.sampled_from([CONFIG.model_spec, ModelSpec("m")]))
def test_every_exported_document_keeps_the_rules_of_the_format(
    recorded: list[dict[str, Any]], model: ModelSpec
) -> None:
    spec = trial_spec(model=model)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        document = trajectory.build(spec, recorded, Usage(), f"\ud800\0 {KEY}")
        files = [trajectory.store(root / name, root, lines) for name, lines in (("t", [document]), ("r", recorded))]
        stored = result(trajectory=files[0], recording=files[1])
        exported = Documents(root, model, Redactor((KEY,))).trajectory(stored)
    assert isinstance(exported, dict)
    check_trajectory(exported)
    assert problem_of(exported) == "" and KEY not in json_line(exported).decode()


@given(st.text(max_size=200) | st.sampled_from(["..", ".", "a/b", "-x", "a" * 101, "con\n", ".git"]))
def test_names_of_files_are_safe_and_tell_texts_apart(text: str) -> None:
    name = file_name(text)
    assert SAFE_NAME.fullmatch(name) and file_name(name) == name
    assert name == text or name != file_name(f"{text}x")


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.just(f"x{KEY}"),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text() | st.just(KEY), inner, max_size=3)),
    max_leaves=10,
)


@given(VALUES)
def test_any_value_becomes_json_without_the_key(value: Any) -> None:
    line = json_line(Redactor((KEY,)).value(value))
    assert KEY not in line.decode() and line.isascii() and line.count(b"\n") == 1
    json.loads(line, parse_constant=lambda name: pytest.fail(name))


VALID = trajectory.build(trial_spec(), events(), Usage(), "")
UNASKED = {"results": [{"source_call_id": "1"}]}


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"schema_version": "ATIF-v1.9"},
        {"steps": []},
        {"steps": [{"step_id": 2, "source": "user", "message": "x"}]},
        {"steps": [{"step_id": 1, "source": "user", "message": "x", "reasoning_content": "y"}]},
        {"steps": [{"step_id": 1, "source": "agent", "message": "x", "llm_call_count": 0, "metrics": {}}]},
        {"steps": [{"step_id": 1, "source": "agent", "message": "x", "timestamp": "yesterday"}]},
        {"steps": [{"step_id": 1, "source": "agent", "message": [{"type": "text", "source": None}]}]},
        {"steps": [{"step_id": 1, "source": "user", "message": "x", "observation": UNASKED}]},
        {"subagent_trajectories": [VALID]},
        {"agent": {"name": "x"}},
        {"final_metrics": {"total_cost_usd": float("nan")}},
    ],
)
def test_what_is_no_atif_is_named(change: dict[str, Any]) -> None:
    assert (
        problem_of(VALID) == ""
        and problem_of({**VALID, "subagent_trajectories": [{**VALID, "trajectory_id": "a"}]}) == ""
    )
    assert problem_of({**VALID, **change})


# Harbor itself


@pytest.mark.skipif(not HARBOR, reason="EVOLVE_HARBOR names no Python with Harbor")
def test_harbor_reads_every_file_and_its_viewer_shows_them(runs: Path) -> None:
    _, target = export(runs, Format.ATIF, *Split)
    done = subprocess.run([HARBOR, str(WITH_HARBOR), str(target)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {JOB: 4, f"{RUN}-round-0001": 2}


def test_the_stored_config_of_the_run_can_be_read(runs: Path) -> None:
    with Store.open(runs / "evolve.db") as store:
        assert stored_config(store.runs()[0]) == CONFIG and PATCH in store.candidates(RUN)
