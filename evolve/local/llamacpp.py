"""The program of the child process: it serves a GGUF file with llama.cpp, and ends with its parent.

Only this module imports llama.cpp, which is optional: `python -m evolve.local.llamacpp FILE PORT PIPE PARENT`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import xllamacpp

from evolve.host.platform import die_with_parent, usable_processors

HOST = "127.0.0.1"
# Of prompt and answer together: as many as SmolLM2 was trained with.
CONTEXT_TOKENS = 8192
# As in the profile: at ten tokens a second, three and a half minutes.
ANSWER_TOKENS = 2048
ERRORS_ONLY = 1


def parameters(file: Path, port: int) -> xllamacpp.CommonParams:
    """The server's settings: one conversation at a time, tools by the model's own chat template, and counters."""
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = str(file), {file.stem}
    params.hostnames, params.port = [HOST], port
    params.n_ctx, params.n_predict, params.n_parallel = CONTEXT_TOKENS, ANSWER_TOKENS, 1
    # More threads than free processors wait for each other at every token; one stays for the trials.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, usable_processors() - 1)
    params.use_jinja = params.endpoint_props = params.endpoint_metrics = True
    params.verbosity = ERRORS_ONLY
    return params


def main(file: str, port: str, pipe: str, parent: str) -> None:
    """Serve until the parent ends. Its address goes to the pipe as soon as it answers."""
    die_with_parent(int(parent))
    # Ctrl-C reaches the whole process group; only the parent decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = xllamacpp.Server(parameters(Path(file), int(port)))
    os.write(int(pipe), server.listening_address.encode())
    os.close(int(pipe))
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
