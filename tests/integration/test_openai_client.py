"""The `openai` package as it is, in a scaffold's image of its own: streaming, tools, parallel and async calls."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

from evolve.core.records import Limits, Outcome
from evolve.sandbox import engine
from evolve.trial import trajectory
from evolve.trial.run import run_trial

from .conftest import Trials

pytestmark = pytest.mark.docker

SITE = f"/usr/local/lib/python{sys.version_info.major}.{sys.version_info.minor}/dist-packages"
SCAFFOLD = """
import asyncio, sys
from concurrent.futures import ThreadPoolExecutor
import openai
import evolve_door as door

api = openai.OpenAI()
text = {"role": "user", "content": 'Mend it. <file path="a.py">\\ndef f(a):\\n    return a + 1\\n</file>'}
tool = {"type": "function", "function": {"name": "run_tests", "parameters": {"type": "object", "properties": {}}}}
ask = dict(model="anything", messages=[text], tools=[tool], reasoning_effort="high", n=4)

called = ""
for chunk in api.chat.completions.create(stream=True, **ask):
    for call in chunk.choices[0].delta.tool_calls or []:
        called += call.function.name or ""
print("STREAM", called)

first = api.chat.completions.create(**ask)
message = first.choices[0].message
turns = [text, message.model_dump(exclude_none=True)]
for call in message.tool_calls:
    result = door.run("echo Ran 1 test; echo OK")
    turns.append({"role": "tool", "tool_call_id": call.id, "content": result.stdout})
again = api.chat.completions.create(model="anything", messages=turns, tools=[tool])
print("TOOLS", message.tool_calls[0].function.name, len(again.choices), again.model)

with ThreadPoolExecutor(4) as pool:
    print("PARALLEL", sum(len(a.choices) for a in pool.map(lambda _: api.chat.completions.create(**ask), range(4))))

async def side_by_side():
    async with openai.AsyncOpenAI() as own:
        return await asyncio.gather(*(own.chat.completions.create(**ask) for _ in range(3)))

print("ASYNC", len(asyncio.run(side_by_side())), "MODELS", [m.id for m in api.models.list()])
try:
    api.with_options(max_retries=0).chat.completions.create(**ask)
    print("NOT REFUSED")
except openai.PermissionDeniedError as error:
    print("REFUSED", error.code)
sys.exit(4)
"""


def needed(name: str, found: dict[str, Distribution]) -> dict[str, Distribution]:
    """The installed distributions that one needs, itself among them."""
    try:
        found[name] = distribution(name)
    except PackageNotFoundError:
        return found
    for line in found[name].requires or ():
        other = re.split(r"[^A-Za-z0-9._-]", line)[0]
        if "extra ==" not in line and other not in found:
            needed(other, found)
    return found


@pytest.fixture(scope="module")
def image(base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base image with this environment's own `openai` and what it needs; built without a network."""
    folder = tmp_path_factory.mktemp("image")
    for dist in needed("openai", {}).values():
        for file in dist.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = folder / "site" / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path(str(dist.locate_file(file))), target)
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY site {SITE}\n")
    client = engine.connect()
    made, _ = client.images.build(path=str(folder), rm=True, labels={"evolve.test": "openai"})
    version = client.containers.run(made.id, ["python3", "-c", "import sys; print(sys.version_info[:2])"], remove=True)
    if version.decode().strip() != str(sys.version_info[:2]):
        pytest.skip("the base image has another Python than this environment, whose packages it would need")
    yield str(made.id)
    client.images.remove(made.id, force=True)


def test_the_openai_package_works_unmodified(trials: Trials, image: str) -> None:
    spec = trials.spec(SCAFFOLD, Limits(calls=10, seconds=120))
    result = run_trial(replace(spec, scaffold=replace(spec.scaffold, image=image)))
    assert result.outcome is Outcome.BUDGET and result.trajectory, result.detail
    document = trajectory.load(trials.folder / result.trajectory.path)[0]
    log = document["extra"]["log"]
    for line in ("STREAM run_tests", "TOOLS run_tests 1 embedded", "PARALLEL 4", "ASYNC 3 MODELS ['embedded']"):
        assert line in log, log
    assert "REFUSED budget" in log and "NOT REFUSED" not in log
    assert result.usage.calls == 10 and result.usage.commands == 1
