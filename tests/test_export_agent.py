"""The champion as an agent for Harbor: the exported folder works with a stand-in for Harbor, and with the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evolve import cli
from evolve.core.errors import BadInput
from evolve.export.agent_folder import export_agent
from tests.adopted import FIRST, RUN, SCAFFOLD, THIRD, commit_repository, play

HARBOR = os.environ.get("EVOLVE_HARBOR", "")
# What the agent uses of Harbor and LiteLLM.
STAND_IN = {
    "harbor/__init__.py": "",
    "harbor/agents/__init__.py": "",
    "harbor/agents/base.py": "class BaseAgent:\n    def __init__(self, logs_dir, model_name=None, **kwargs):\n"
    "        assert not kwargs, kwargs\n        self.logs_dir, self.model_name = logs_dir, model_name\n",
    "harbor/environments/__init__.py": "",
    "harbor/environments/base.py": "class BaseEnvironment: pass\n",
    "harbor/models/__init__.py": "",
    "harbor/models/agent/__init__.py": "",
    "harbor/models/agent/context.py": "class AgentContext:\n    metadata = None\n",
    "litellm/__init__.py": "class exceptions:\n    class BadRequestError(Exception): pass\n"
    "    class ContextWindowExceededError(BadRequestError): pass\n"
    "    class UnprocessableEntityError(Exception): pass\n",
}
DRIVER = """
import asyncio, json, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import litellm
from evolved_agent import EvolvedAgent
from harbor.agents.base import BaseAgent
from harbor.models.agent.context import AgentContext
work, logs, options = Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
asked = []

class Answer:
    def model_dump(self, mode):
        message = {"role": "assistant", "content": "42"}
        usage = {"prompt_tokens": 10, "completion_tokens": 2}
        return {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}

def completion(**request):
    asked.append(request)
    if request["messages"][0]["content"] == "long":
        raise litellm.exceptions.BadRequestError("too long", "m", "p")
    if request["messages"][0]["content"] == "down":
        raise ConnectionError("the endpoint is down")
    return Answer()

litellm.completion, litellm.completion_cost = completion, lambda answer: 0.25

class Done:
    def __init__(self, done):
        self.stdout, self.stderr, self.return_code = done.stdout, done.stderr, done.returncode

class Environment:
    async def exec(self, command, timeout_sec=None, **_):
        def run():
            options = {"cwd": work, "capture_output": True, "text": True, "timeout": timeout_sec}
            return subprocess.run(["bash", "-c", command], **options)
        try:
            return Done(await asyncio.to_thread(run))
        except subprocess.TimeoutExpired:
            raise RuntimeError("the command timed out")

async def main():
    agent, context = EvolvedAgent(logs_dir=logs, **options), AgentContext()
    assert isinstance(agent, BaseAgent)
    await agent.setup(Environment())
    try:
        await agent.run("Mend it.", Environment(), context)
        error = ""
    except RuntimeError as failed:
        error = str(failed)
    print(json.dumps({
        "name": agent.name(), "version": agent.version(), "model": agent.model_name, "asked": asked, "error": error,
        "tokens": [context.n_input_tokens, context.n_output_tokens, context.cost_usd], "metadata": context.metadata,
    }))

asyncio.run(main())
"""
WORK = """import json, os, sys
import evolve_door as door
from words import GREETING

def refusal(call, *args):
    try:
        call(*args)
    except door.DoorError as error:
        return [error.status, error.code]

task = door.task()
door.write("in/a.txt", "one\\ntwo\\u00e9\\n")
door.replace("in/a.txt", "two", "three")
done = door.run("cat in/a.txt; echo bad >&2; exit 3")
message = door.chat([{"role": "user", "content": "hi"}], temperature=0.5, seed=1)
with open("/dev/stdout", "w"):
    print(json.dumps({
        "greeting": GREETING, "task": task["instruction"], "workdir": task["workdir"], "text": door.read("in/a.txt"),
        "run": [done.exit_code, done.stdout, done.stderr], "answer": message["content"],
        "slow": door.run("sleep 30", timeout=1).timed_out,
        "refused": [
            refusal(door.read, "gone"), refusal(door.read, "big"), refusal(door.read, "latin"),
            refusal(door.replace, "in/a.txt", "x", "y"), refusal(door.chat, [{"role": "user", "content": "long"}]),
            refusal(door._call, "POST", "/evolve/nothing", {}),
        ],
        "left": door.budget(),
        "secrets": [value for name, value in os.environ.items() if "sk-secret" in value],
    }))
"""


def export(tmp_path: Path, main: str) -> Path:
    home = commit_repository(tmp_path / "home", files={**SCAFFOLD, "main.py": main})
    play(home, patches=[THIRD], stacked=[("more", [("words.py", "GREETING = 'not yet'\n")])])
    export_agent(home.runs, RUN, tmp_path / "agent")
    return tmp_path / "agent"


def drive(tmp_path: Path, agent: Path, python: str = "", **options: object) -> dict[str, object]:
    """Run the exported agent on a folder; with a stand-in for Harbor unless a Python with Harbor is given."""
    stand_in = tmp_path / "stand-in"
    for path, text in STAND_IN.items() if not python else ():
        (stand_in / path).parent.mkdir(parents=True, exist_ok=True)
        (stand_in / path).write_text(text)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    (work / "big").write_bytes(b"x" * 60_001)
    (work / "latin").write_bytes(b"\xe9")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OPENAI_API_KEY": "sk-secret"}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True"} if python else {"PYTHONPATH": str(stand_in)}
    words = [python or sys.executable, "-W", "ignore", "-c", DRIVER, str(agent), str(work), str(tmp_path / "logs")]
    words.append(json.dumps({"sandbox": "none", **options}))
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(answer, dict)
    return answer


def check_works(tmp_path: Path, python: str = "", sandbox: str = "none") -> None:
    answer = drive(tmp_path, export(tmp_path, WORK), python, calls=2, sandbox=sandbox)
    printed = json.loads((tmp_path / "logs" / "scaffold.log").read_text())
    assert (printed["greeting"], printed["task"], printed["answer"]) == ("hello there", "Mend it.", "42")
    assert Path(printed["workdir"]).resolve() == (tmp_path / "work").resolve()
    assert printed["text"] == "one\nthreeé\n" and printed["run"] == [3, "one\nthreeé\n", "bad\n"] and printed["slow"]
    assert printed["refused"] == [
        [404, "not_found"], [413, "too_large"], [400, "not_text"], [400, "no_match"], [400, "invalid_request"],
        [404, "not_found"],
    ]  # fmt: skip
    assert printed["left"]["calls"] == 0 and printed["secrets"] == []
    assert answer["tokens"] == [10, 2, 0.25] and answer["error"] == "" and answer["name"] == "evolved-greeter"
    asked = answer["asked"]
    assert isinstance(asked, list)
    assert asked[0]["temperature"] == 0.5 and "seed" not in asked[0] and asked[0]["model"] == answer["model"]
    assert answer["model"] == "openai/scripted"


def test_the_exported_agent_works_without_evolve(tmp_path: Path) -> None:
    check_works(tmp_path)


@pytest.mark.docker
@pytest.mark.usefixtures("task_images")
@pytest.mark.skipif(not shutil.which("docker"), reason="the command `docker` is missing")
def test_its_scaffold_works_in_a_container(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    check_works(tmp_path, sandbox="docker")


def test_a_fault_of_the_endpoint_is_no_work_of_the_agent(tmp_path: Path) -> None:
    code = (
        "import evolve_door as door\ntry:\n    door.chat([{'role': 'user', 'content': 'down'}])\n"
        "except door.DoorError as error:\n    print(error.status)\n"
    )
    assert "the endpoint is down" in str(drive(tmp_path, export(tmp_path, code))["error"])
    assert (tmp_path / "logs" / "scaffold.log").read_text() == "503\n"


def test_a_scaffold_that_runs_too_long_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    code = "import subprocess, time\nsubprocess.Popen(['sleep', '4711'])\nprint('on', flush=True)\ntime.sleep(60)\n"
    answer = drive(tmp_path, export(tmp_path, code), seconds=2)
    assert answer["metadata"] == {"calls": 0, "commands": 0, "failures": [], "exit_status": None}
    assert subprocess.run(["pgrep", "-f", "sleep 4711"], check=False, capture_output=True).stdout == b""


def test_what_is_exported_is_the_champion_or_a_round(tmp_path: Path) -> None:
    home = commit_repository(tmp_path / "home")
    play(home, patches=[FIRST], stacked=[THIRD])
    done = export_agent(home.runs, RUN, tmp_path / "champion")
    assert (done.round, done.confirmed) == (1, True)
    assert "LEVEL = 2" in (tmp_path / "champion/scaffold/main.py").read_text()
    assert not export_agent(home.runs, RUN, tmp_path / "tip", 2).confirmed
    assert "there" in (tmp_path / "tip/scaffold/words.py").read_text()
    assert "not the run's champion" in (tmp_path / "tip/README.md").read_text()
    with pytest.raises(BadInput, match="already exists"):
        export_agent(home.runs, RUN, tmp_path / "champion")
    with pytest.raises(BadInput, match="no candidate"):
        export_agent(home.runs, RUN, tmp_path / "other", 9)
    assert str(tmp_path) not in "".join(p.read_text("latin-1") for p in (tmp_path / "tip").rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("image", "files", "wanted"),
    [
        ('{ name = "mine:1" }', {}, ("mine:1", None)),
        ('"mine:1"', {}, ("mine:1", None)),
        ('{ build = "place/Dockerfile" }', {"place/Dockerfile": "FROM x\n"}, (None, "scaffold/place/Dockerfile")),
        ('{ build = "Dockerfile" }', {"Dockerfile": "FROM x\n"}, (None, "image/Dockerfile")),
        ('{ requirements = "needs/a.txt" }', {"needs/a.txt": "six\n"}, (None, "image/Dockerfile")),
    ],
)
def test_the_scaffolds_own_image_comes_along(
    tmp_path: Path, image: str, files: dict[str, str], wanted: tuple[str | None, str | None]
) -> None:
    toml = SCAFFOLD["scaffold.toml"] + f"image = {image}\n"
    home = commit_repository(tmp_path / "home", files={**SCAFFOLD, **files, "scaffold.toml": toml})
    play(home)
    export_agent(home.runs, RUN, tmp_path / "agent")
    facts = json.loads((tmp_path / "agent" / "agent.json").read_text())
    assert (facts["image"], facts["dockerfile"]) == wanted
    if wanted[1] is not None:
        text = (tmp_path / "agent" / wanted[1]).read_text()
        assert text == "FROM x\n" or "pip install" in text
    copied = tmp_path / "agent" / "image" / "requirements.txt"
    assert copied.exists() == ("requirements" in image)


def test_the_command_says_how_to_run_it_and_refuses_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = commit_repository(tmp_path / "home")
    play(home)
    words = ["export", RUN, "--format", "harbor-agent", "--to", str(tmp_path / "out"), "--runs", str(home.runs)]
    for more, status in ((["--split", "train"], 2), ([], 0)):
        monkeypatch.setattr(sys, "argv", ["evolve", *words, *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert (ended.value.code or 0) == status
    assert "harbor run --agent-import-path evolved_agent:EvolvedAgent -m openai/scripted" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"README.md", "agent.json", "door", "door_server.py", "edits.py", "evolved_agent.py", "scaffold"}


@pytest.mark.skipif(not HARBOR, reason="EVOLVE_HARBOR names no Python with Harbor")
def test_harbor_makes_and_runs_the_agent(tmp_path: Path) -> None:
    check_works(tmp_path, HARBOR)
    code = "from harbor.agents.factory import AgentFactory\nfrom pathlib import Path\n"
    code += "agent = AgentFactory.create_agent_from_import_path('evolved_agent:EvolvedAgent', logs_dir=Path('.'), "
    code += "model_name='openai/x')\nprint(agent.to_agent_info().model_dump_json())"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "agent")}
    env["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    done = subprocess.run([HARBOR, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["name"] == "evolved-greeter", done.stderr
