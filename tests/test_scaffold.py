"""A scaffold's description of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve.core.errors import BadInput
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
        (GOOD.replace("entry", "entri"), "key `entry`"),
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
