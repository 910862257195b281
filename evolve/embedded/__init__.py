"""The model that needs no key: a repairer and improver of programs behind the chat-completions protocol."""

from evolve.embedded.front import complete
from evolve.embedded.knobs import Knobs

__all__ = ["Knobs", "complete"]
