"""A scaffold's description of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.launch import Launch, Place
from evolve.suite.scaffold import check_folder, read

GOOD = 'name = "one"\nentry = "agent.py"\nevolvable = ["*.py"]\n'


def write(folder: Path, text: str | bytes) -> Path:
    (folder / "agent.py").write_text("")
    (folder / "scaffold.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_a_description_is_read() -> None:
    spec = read("abc", {"scaffold.toml": GOOD + 'image = "python:3"\n', "agent.py": ""})
    assert (spec.name, spec.entry, spec.evolvable, spec.image) == ("one", "agent.py", ("*.py",), "python:3")


def test_the_image_is_optional(tmp_path: Path) -> None:
    assert check_folder(write(tmp_path, GOOD)).image is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name = ", "is not valid TOML"),
        (b"name = '\xff'", "is not UTF-8 text"),
        (GOOD.replace("entry", "entri"), "key `entri`: there is no such key"),
        (GOOD.replace('"agent.py"', "3"), "key `entry`"),
        (GOOD.replace('"agent.py"', '"gone.py"'), "entry point `gone.py` does not exist"),
        (GOOD.replace('["*.py"]', "[]"), "key `evolvable`"),
        (GOOD + "extra = 1\n", "key `extra`"),
    ],
)
def test_errors_are_named_with_their_file(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_folder(write(tmp_path, text))
    assert caught.value.where == str(tmp_path / "scaffold.toml")
    assert problem in caught.value.problem
    assert caught.value.fix


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"scaffold\.toml: this file is missing"):
        check_folder(tmp_path)
    with pytest.raises(BadInput, match="no such folder"):
        check_folder(tmp_path / "gone")
    with pytest.raises(BadInput, match="this file is missing"):
        read("abc", {"scaffold.toml": b"\xff", "agent.py": ""})


def test_an_entry_that_is_a_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(BadInput, match="entry point `sub` does not exist"):
        check_folder(write(tmp_path, GOOD.replace("agent.py", "sub")))


def test_a_dockerfile_lies_in_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path, f'{GOOD}\ndockerfile = "image/Dockerfile"\n')
    with pytest.raises(BadInput, match=r"`image/Dockerfile` does not exist"):
        check_folder(folder)
    (folder / "image").mkdir()
    (folder / "image" / "Dockerfile").write_text("FROM x\n")
    assert check_folder(folder).dockerfile == "image/Dockerfile"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('dockerfile = "Dockerfile"', "must lie in a folder of its own"),
        ('dockerfile = "../x/Dockerfile"', "must lie in a folder of its own"),
        ('dockerfile = "/x/Dockerfile"', "must lie in a folder of its own"),
        ('dockerfile = "image/Dockerfile"\nimage = "x"', "not both"),
    ],
)
def test_an_unusable_dockerfile_is_refused(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        check_folder(write(tmp_path, f"{GOOD}\n{line}\n"))


COMMAND = 'name = "one"\nplace = "task"\nevolvable = ["*.md"]\n'


def test_a_command_in_the_tasks_container_is_read(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    text = COMMAND + (
        'command = ["/opt/agent/bin/run", "{instruction}"]\nstdin = true\n'
        '[env]\nMAX_TOKENS = "5"\n[image]\nbuild = "Dockerfile"\ntools = "/opt/mine"\n'
    )
    spec = check_folder(write(tmp_path, text))
    assert spec.launch == Launch(
        Place.TASK, ("/opt/agent/bin/run", "{instruction}"), True, (("MAX_TOKENS", "5"),), "/opt/mine"
    )
    assert (spec.build_file, spec.image_name) == ("Dockerfile", None)


def test_earlier_keys_mean_what_they_meant(tmp_path: Path) -> None:
    spec = check_folder(write(tmp_path, GOOD + 'image = "python:3"\n'))
    assert (spec.launch, spec.image_name, spec.build_file) == (Launch(), "python:3", None)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('entry = "agent.py"\ncommand = ["x"]', "exactly one of them"),
        ("", "exactly one of them"),
        ("command = []", "exactly one of them"),
        ('command = [""]', "must begin with a program"),
        ('command = ["x", "a\\u0000b"]', "can't hold a zero character"),
        ('entry = "agent.py"\nstdin = true', "`stdin` is for a `command`"),
        ('command = ["x"]\nstdin = 3', "key `stdin`"),
        ('command = ["x"]\n[env]\nOPENAI_BASE_URL = "http://x"', "Evolve sets OPENAI_BASE_URL"),
        ('command = ["x"]\n[env]\nANTHROPIC_API_KEY = "x"', "Evolve sets ANTHROPIC_API_KEY"),
        ('command = ["x"]\n[env]\nGITHUB_TOKEN = "x"', "looks like a secret"),
        ('command = ["x"]\n[env]\nMY_API_KEY = "x"', "looks like a secret"),
        ('command = ["x"]\n[env]\ndb_password = "x"', "looks like a secret"),
        ('command = ["x"]\n[env]\nA = "${HOME}/x"', "names another variable"),
        ('command = ["x"]\n[env]\n"A=B" = "x"', "can't be a variable"),
        ('command = ["x"]\n[env]\nA = 1', "key `env"),
        ('command = ["x"]\n[image]\nname = "a"\nbuild = "Dockerfile"', "exactly one of `name`, `build`"),
        ('command = ["x"]\n[image]\nbuild = "../Dockerfile"', "path of a file in the scaffold's folder"),
        ('command = ["x"]\n[image]\nbuild = "agent.py"', "must name a Dockerfile"),
        ('command = ["x"]\n[image]\nbuild = "Dockerfile"', "`Dockerfile` does not exist"),
        ('command = ["x"]\n[image]\nname = "a"\ntools = "/"', "below the top"),
        ('command = ["x"]\n[image]\nname = "a"\ntools = "opt/x"', "absolute path"),
        ('command = ["x"]\n[image]\nrequirements = "agent.py"', "installs for `place = "),
        ('command = ["x"]\n[image]\nnames = "a"', r"key `image.names`"),
        ('command = ["x"]\nimage = 3', "key `image`"),
    ],
)
def test_keys_that_contradict_are_refused(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as caught:
        check_folder(write(tmp_path, COMMAND + lines + "\n"))
    assert caught.value.where == str(tmp_path / "scaffold.toml") and "\n" not in str(caught.value)
