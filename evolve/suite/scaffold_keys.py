"""The keys of `scaffold.toml`, and which of them belong together."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evolve.core.launch import TOOLS, Launch, Place, gateway_variables

# Of variables that hold a secret, as people name them.
SECRET = re.compile(r"(^|_)(API_?KEY|KEYS?|TOKEN|SECRETS?|PASSWORD|PASSWD|CREDENTIALS?|AUTH)$", re.IGNORECASE)
TEMPLATE = re.compile(r"\$\{?[A-Za-z_]")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What Evolve sets beside the addresses of the gateway.
RESERVED = ("EVOLVE_SOCKET", "EVOLVE_URL", "PYTHONHASHSEED")
# The table `image` as a key of its own, beside the earlier key `image`.
TABLE = "[image]"
STRICT = ConfigDict(extra="forbid", frozen=True)


class ScaffoldImage(BaseModel):
    """The scaffold's own image: exactly one of `name`, `build` (a Dockerfile) and `requirements` (of pip).

    tools: with `place = "task"`, the folder that is copied into the task's image.
    """

    model_config = STRICT
    name: str | None = Field(None, min_length=1)
    build: str | None = None
    requirements: str | None = None
    tools: str = TOOLS

    @model_validator(mode="after")
    def _check(self) -> ScaffoldImage:
        if sum(value is not None for value in (self.name, self.build, self.requirements)) != 1:
            raise ValueError("give exactly one of `name`, `build` and `requirements`")
        for key, path in (("build", self.build), ("requirements", self.requirements)):
            if path is not None and not _is_inside(path):
                raise ValueError(f"`{key}` must be the path of a file in the scaffold's folder")
        if self.build is not None and PurePosixPath(self.build).name != "Dockerfile":
            raise ValueError("`build` must name a Dockerfile")
        tools = PurePosixPath(self.tools)
        if not tools.is_absolute() or ".." in tools.parts or len(tools.parts) < 3:
            raise ValueError("`tools` must be an absolute path below the top, such as /opt/agent")
        return self


class ScaffoldFile(BaseModel):
    """The keys of `scaffold.toml`.

    entry: run as `python3 ENTRY`; command: run instead; stdin: the instruction is the command's standard input;
    place: whose container it runs in; evolvable: glob patterns of the files that a patch may touch; shown: of those
    that the proposer only reads, by default all others of a small scaffold; env: variables of the scaffold; image: the
    name of an image; own_image: the same as a table; dockerfile: from which an image is built, with the files of its
    folder, instead. Without any of these it is the base image.
    """

    model_config = STRICT
    name: str = Field(min_length=1)
    entry: str | None = Field(None, min_length=1)
    command: tuple[str, ...] = ()
    stdin: bool = False
    place: Place = Place.OWN
    evolvable: tuple[str, ...] = Field(min_length=1)
    shown: tuple[str, ...] | None = None
    image: str | None = None
    own_image: ScaffoldImage | None = Field(None, alias=TABLE)
    dockerfile: str | None = None
    env: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_image(self) -> ScaffoldFile:
        if self.dockerfile is None:
            return self
        if self.image is not None or self.own_image is not None:
            raise ValueError("give `image` or `dockerfile`, not both")
        parts = PurePosixPath(self.dockerfile).parts
        if len(parts) < 2 or parts[0] == "/" or ".." in parts or parts[-1] != "Dockerfile":
            raise ValueError(
                "`dockerfile` must lie in a folder of its own within the scaffold, such as image/Dockerfile"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, keys: Any) -> Any:
        """Tell the two forms of `image` apart."""
        if isinstance(keys, dict) and isinstance(keys.get("image"), dict):
            return {**{key: value for key, value in keys.items() if key != "image"}, TABLE: keys["image"]}
        return keys

    @model_validator(mode="after")
    def _check_start(self) -> ScaffoldFile:
        if (self.entry is not None) is bool(self.command):
            raise ValueError("key `entry`: give `entry` or `command`, exactly one of them")
        if self.command and not self.command[0]:
            raise ValueError("`command` must begin with a program")
        if any("\0" in part for part in self.command):
            raise ValueError("`command` can't hold a zero character")
        if self.stdin and not self.command:
            raise ValueError("`stdin` is for a `command`")
        if self.own_image is not None:
            if self.place is Place.TASK and self.own_image.requirements is not None:
                raise ValueError('`requirements` installs for `place = "own"`; with "task", give `build`')
            if self.place is Place.OWN and self.own_image.tools != TOOLS:
                raise ValueError('`tools` is for `place = "task"`')
        return self

    @model_validator(mode="after")
    def _check_variables(self) -> ScaffoldFile:
        for name, value in self.env.items():
            if not VARIABLE.fullmatch(name) or "\0" in value:
                raise ValueError(f"`env`: {name!r} can't be a variable")
            if name in (*gateway_variables(""), *RESERVED):
                raise ValueError(f"`env`: Evolve sets {name}")
            if SECRET.search(name):
                raise ValueError(f"`env`: {name} looks like a secret, and scaffolds get none")
            if TEMPLATE.search(value):
                raise ValueError(f"`env`: {name} names another variable, and values are taken as they are")
        return self

    @property
    def launch(self) -> Launch:
        """How it is started."""
        tools = self.own_image.tools if self.own_image else TOOLS
        return Launch(self.place, self.command, self.stdin, tuple(sorted(self.env.items())), tools)

    @property
    def image_name(self) -> str | None:
        """The name of a ready image."""
        return self.own_image.name if self.own_image else self.image

    @property
    def build_file(self) -> str | None:
        """The file from which the image is built: a Dockerfile, or requirements of pip."""
        if self.own_image is not None:
            return self.own_image.build or self.own_image.requirements
        return self.dockerfile

    @property
    def has_context(self) -> bool:
        """Whether the image is built with the files of its Dockerfile's folder, which holds nothing that evolves."""
        path = PurePosixPath(self.build_file or "")
        return len(path.parts) > 1 and path.name == "Dockerfile"

    @property
    def named_files(self) -> tuple[tuple[str, str], ...]:
        """The keys that name a file of the scaffold's, with what they name."""
        named = [("entry", self.entry), ("dockerfile", self.dockerfile)]
        if self.own_image is not None:
            named += [("image.build", self.own_image.build), ("image.requirements", self.own_image.requirements)]
        return tuple((key, path) for key, path in named if path is not None)


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts
