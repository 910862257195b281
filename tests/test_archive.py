"""What goes into containers: regular files, with the executable bit and nothing else of the host."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from evolve.sandbox.archive import pack


def test_a_folder_is_packed_without_links_and_caches(tmp_path: Path) -> None:
    for name in ("run.sh", ".hidden", "a/b.py", "a/__pycache__/b.pyc", "__pycache__/c.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "run.sh").chmod(0o700)
    (tmp_path / "link").symlink_to("run.sh")
    with tarfile.open(fileobj=io.BytesIO(pack(tmp_path))) as archive:
        assert {member.name: (member.mode, member.uid) for member in archive} == {
            ".hidden": (0o644, 0),
            "a/b.py": (0o644, 0),
            "run.sh": (0o755, 0),
        }
