"""Where the container engine listens: `DOCKER_HOST`, else the Docker context in use, else Docker's default socket.

Contexts are read here rather than by `docker.context`: that module falls back to the default engine if a context is
missing, finds none without a `config.json`, and raises a bare `Exception` if a file is damaged.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import docker
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env
from pydantic import BaseModel, Field, ValidationError

from evolve.core.errors import BadInput

DEFAULT_URL = "unix:///var/run/docker.sock"
DEFAULT_CONTEXT = "default"
HOST_VARIABLE, CONTEXT_VARIABLE, FOLDER_VARIABLE = "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"
UNIX = "unix://"


class DockerConfig(BaseModel):
    """The part of `config.json` that names the current context."""

    current: str | None = Field(default=None, alias="currentContext")


class ContextEndpoint(BaseModel):
    """The engine's address in a context's `meta.json`."""

    host: str = Field(default="", alias="Host")
    skip_verify: bool = Field(default=False, alias="SkipTLSVerify")


class ContextFile(BaseModel):
    """A context's `meta.json`: endpoints by kind; the engine's is `docker`."""

    endpoints: dict[str, ContextEndpoint] = Field(default_factory=dict, alias="Endpoints")


Parsed = TypeVar("Parsed", bound=BaseModel)


@dataclass(frozen=True)
class Endpoint:
    """An engine's address. `source`: what names it (`DOCKER_HOST`, `context NAME`); empty for the default socket."""

    url: str = DEFAULT_URL
    source: str = ""
    tls: TLSConfig | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.url} ({self.source})" if self.source else self.url

    @property
    def chosen(self) -> bool:
        """Whether the user named it, so that starting another engine would be wrong."""
        return bool(self.source)

    def forbidden(self) -> bool:
        """Whether its socket exists and this user may not use it."""
        path = self.url.removeprefix(UNIX)
        if not self.url.startswith(UNIX):
            return False
        try:
            os.stat(path)
        except OSError as error:
            # A folder above it may be closed to this user.
            return isinstance(error, PermissionError)
        return not os.access(path, os.R_OK | os.W_OK)

    def client(self, timeout: int) -> docker.DockerClient:
        """Connect; every call has a time limit of `timeout` seconds. Raises ENGINE_FAULTS."""
        if self.tls is None:
            client = docker.DockerClient(base_url=self.url, timeout=timeout)
            # No proxy leads to a socket, and looking for one takes longer than the rest of a call.
            client.api.trust_env = not self.url.startswith(UNIX)
            return client
        return docker.DockerClient(base_url=self.url, timeout=timeout, tls=self.tls)


def current_endpoint() -> Endpoint:
    """The endpoint in use, found as the `docker` command finds it. Raises BadInput where its settings are wrong."""
    if url := os.environ.get(HOST_VARIABLE):
        return _local(Endpoint(url, HOST_VARIABLE, _tls_of_environment()))
    name = os.environ.get(CONTEXT_VARIABLE) or _current_context()
    return Endpoint() if name == DEFAULT_CONTEXT else _local(_endpoint_of_context(name))


def _local(endpoint: Endpoint) -> Endpoint:
    if endpoint.url.startswith("ssh://"):
        raise BadInput(
            endpoint.source,
            f"{endpoint.url} is on another machine, and scaffolds reach the gateway through a mounted socket",
            "use an engine on this machine, or run evolve on that one",
        )
    return endpoint


def _tls_of_environment() -> TLSConfig | None:
    try:
        tls: TLSConfig | None = kwargs_from_env().get("tls")
    except DockerException as error:
        raise BadInput("DOCKER_CERT_PATH", str(error), "name the folder with ca.pem, cert.pem and key.pem") from error
    return tls


def _config_folder() -> Path:
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else Path.home() / ".docker"


def _current_context() -> str:
    path = _config_folder() / "config.json"
    return (_read(path, DockerConfig).current if path.exists() else None) or DEFAULT_CONTEXT


def _endpoint_of_context(name: str) -> Endpoint:
    """The folders of a context are named after the SHA-256 of its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    top = _config_folder() / "contexts"
    path = top / "meta" / digest / "meta.json"
    source = f"context {name}"
    if not path.exists():
        raise BadInput(source, f"not in {top}", "choose another with `docker context use`, or unset DOCKER_CONTEXT")
    engine = _read(path, ContextFile).endpoints.get("docker")
    if engine is None or not engine.host:
        raise BadInput(source, f"{path} names no Docker engine", "choose another with `docker context use`")
    return Endpoint(engine.host, source, _tls_of_context(top / "tls" / digest / "docker", engine.skip_verify))


def _tls_of_context(folder: Path, skip_verify: bool) -> TLSConfig | None:
    """The certificates of a context, if it has any."""
    ca, cert, key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
    if not ca.exists():
        return None
    pair = (str(cert), str(key)) if cert.exists() and key.exists() else None
    return TLSConfig(client_cert=pair, ca_cert=str(ca), verify=not skip_verify)


def _read(path: Path, model: type[Parsed]) -> Parsed:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(str(path), f"can't be read: {error.strerror}", "make it readable for this user") from error
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise BadInput(str(path), f"not a file of Docker's: {problem}", "correct or remove it") from error
