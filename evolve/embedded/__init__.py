"""The model that needs no key: it repairs and improves programs through the chat-completions protocol."""

from evolve.embedded.front import complete
from evolve.embedded.knobs import Knobs

__all__ = ["Knobs", "complete"]
