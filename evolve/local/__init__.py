"""A real language model without a key: llama.cpp's server with a GGUF file, as a child of this process."""

from evolve.local.files import model_file
from evolve.local.server import LocalServer, running_server

__all__ = ["LocalServer", "model_file", "running_server"]
