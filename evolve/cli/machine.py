"""Commands that start what the machine has to run."""

from __future__ import annotations

import contextlib
from pathlib import Path

from evolve import local
from evolve.embedded import server
from evolve.host.listening import listen
from evolve.report.live import Live
from evolve.sandbox import engine, images


def set_up() -> None:
    with Live(priced=False) as view:
        engine.bring_up(view.say)
        view.say(f"container engine and base image ({images.base_image(view.say)}) are ready")


def serve_embedded(host: str, port: int) -> None:
    """Serve until interrupted. Raises BadInput for an address that can't be listened on."""
    with listen(host, port) as listening:
        server.serve(listening)


def serve_local(file: Path | None, port: int) -> None:
    """Serve a GGUF file until interrupted."""
    with contextlib.suppress(KeyboardInterrupt), local.running_server(local.model_file(file), port) as running:
        print(f"{running.name} at {running.url}", flush=True)
        running.process.wait()
