"""Local images in the place of published ones, for tests of other people's tasks where no registry answers."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from docker.errors import APIError, ImageNotFound

from evolve.sandbox import engine
from evolve.sandbox.task_build import REGISTRY_BASE

HERE = Path(__file__).parent
IMAGE = "evolve-test/stand-in"
# What this machine trusts in addition, where package registries are reached by way of a proxy.
CERTIFICATES = Path("/usr/local/share/ca-certificates")
FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE | re.MULTILINE)
DOCKER_IMAGE = re.compile(r"^\s*docker_image\s*=.*\n", re.MULTILINE)


def bases(folder: Path) -> set[str]:
    """The images from a registry on which the Dockerfiles in a folder build."""
    texts = [file.read_text(errors="replace") for file in folder.rglob("*Dockerfile*") if file.is_file()]
    found = [match for text in texts for match in FROM.finditer(text)]
    names = {match["image"] for match in found} - {match["stage"] for match in found}
    return {name for name in names if "$" not in name and name not in ("scratch", REGISTRY_BASE)}


def without_published_images(folder: Path) -> None:
    """Let the tasks in a folder that name a published image beside their Dockerfile be built from it."""
    for file in folder.rglob("task.toml"):
        if (file.parent / "environment" / "Dockerfile").is_file():
            file.write_text(DOCKER_IMAGE.sub("", file.read_text()))


def build_stand_in(folder: Path) -> str:
    """Build the image from packages of Debian and PyPI, and return its name. `folder`: an empty one, for its files."""
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    shutil.copytree(CERTIFICATES, folder / "certificates") if CERTIFICATES.is_dir() else (
        folder / "certificates"
    ).mkdir()
    engine.connect().images.build(path=str(folder), tag=IMAGE, rm=True, forcerm=True)
    return IMAGE


@contextlib.contextmanager
def stand_ins(image: str, names: Iterable[str]) -> Iterator[None]:
    """Give a local image these names, but for those that an image has here; afterwards they are gone again."""
    api, given = engine.connect().api, []
    try:
        for name in sorted(names):
            if "@" not in name and not _is_here(name):
                api.tag(image, *_repository_and_tag(name))
                given.append(name)
        yield
    finally:
        for name in given:
            with contextlib.suppress(APIError):
                api.remove_image(name, noprune=True)


def _repository_and_tag(name: str) -> tuple[str, str]:
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _is_here(name: str) -> bool:
    try:
        engine.connect().api.inspect_image(name)
    except ImageNotFound:
        return False
    return True
