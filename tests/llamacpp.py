"""A package `xllamacpp` for tests without llama.cpp: its server is the embedded model's."""

from __future__ import annotations

from pathlib import Path

PACKAGE = """
import socket, sys, threading
from types import SimpleNamespace

import uvicorn

from evolve.embedded import server


def CommonParams():
    part = SimpleNamespace
    return part(model=part(), cpuparams=part(), cpuparams_batch=part())


class Server:
    def __init__(self, params):
        if b"broken" in open(params.model.path, "rb").read():
            sys.stderr.write("0.00.1 W a warning\\n0.00.2 E llama: failed to load the model\\n0.00.3 E and more\\n")
            raise RuntimeError("Failed to init server")
        server.MODELS = (*server.MODELS, *params.model_alias)
        listener = socket.create_server((params.hostnames[0], params.port))
        self.listening_address = "http://%s:%s" % listener.getsockname()[:2]
        running = uvicorn.Server(uvicorn.Config(server.create_app(), log_level="error"))
        threading.Thread(target=running.run, args=([listener],), daemon=True).start()
"""


def install(folder: Path) -> Path:
    """Write the package into a folder of modules, and a model file beside it; returns the file."""
    (folder / "xllamacpp.py").write_text(PACKAGE)
    file = folder / "Small-1B.Q4_0.gguf"
    file.write_bytes(b"GGUF and weights")
    return file
