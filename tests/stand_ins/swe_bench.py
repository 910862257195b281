"""Images of SWE-bench's instances from copies of their repositories, with packages as old as the instance."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError

from evolve.project.importers.swe_bench import Instance
from evolve.sandbox import engine
from tests.stand_ins import IMAGE

# What tests need beside the package itself.
PACKAGES = {
    "pallets/flask": "pytest asgiref python-dotenv blinker",
    "pytest-dev/pytest": "setuptools",
    "sympy/sympy": "mpmath",
}
DOCKERFILE = """FROM {image}
RUN python3 -m venv /opt/miniconda3
ENV UV_PYTHON=/opt/miniconda3/bin/python SETUPTOOLS_SCM_PRETEND_VERSION={version}.0
RUN uv pip install 'setuptools<70' 'setuptools-scm<8' wheel
COPY testbed /testbed
WORKDIR /testbed
RUN uv pip install --no-build-isolation --exclude-newer {date} -e '/testbed[testing]' {packages}
"""


def rows(file: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in file.read_text().splitlines() if line.strip())


def build_images(file: Path, repositories: Path, folder: Path) -> dict[str, str]:
    """Build an image for each row whose repository is there, and return why there is none for the others.

    Args:
        file: Rows as SWE-bench publishes them.
        repositories: Holds a copy of each repository with its history, named as in `pallets__flask`.
        folder: An empty one, for the images' files.
    """
    lacking = {}
    for row in rows(file):
        instance = Instance.model_validate(row)
        repository = repositories / instance.repo.replace("/", "__")
        if not repository.is_dir():
            lacking[instance.instance_id] = f"no image {instance.image}, and no copy of {instance.repo}"
            continue
        place = folder / instance.instance_id
        _write(place, instance, row, repository)
        engine.connect().images.build(path=str(place), tag=instance.image, rm=True, forcerm=True)
    return lacking


def remove_images(file: Path) -> None:
    """Remove what `build_images` made."""
    for row in rows(file):
        with contextlib.suppress(APIError):
            engine.connect().api.remove_image(Instance.model_validate(row).image)


def _write(place: Path, instance: Instance, row: Mapping[str, Any], repository: Path) -> None:
    place.mkdir(parents=True)
    clone = ["git", "clone", "-q", "--no-local", str(repository), str(place / "testbed")]
    subprocess.run(clone, check=True, capture_output=True)
    checkout = ["git", "-C", str(place / "testbed"), "checkout", "-q", instance.base_commit]
    subprocess.run(checkout, check=True, capture_output=True)
    text = DOCKERFILE.format(
        image=IMAGE,
        version=instance.version,
        date=row["created_at"][:10],
        packages=PACKAGES.get(instance.repo, "pytest"),
    )
    (place / "Dockerfile").write_text(text)
