"""The model's API: the real `openai` client for any compatible endpoint, or the embedded model in this process."""

from evolve.llm.factory import known_models, open_model
from evolve.llm.model import Body, ChatModel, EmbeddedModel
from evolve.llm.retries import OnLost, call_seconds
from evolve.llm.usage import estimated_prompt, usage_of
from evolve.llm.window import fitted

__all__ = [
    "Body",
    "ChatModel",
    "EmbeddedModel",
    "OnLost",
    "call_seconds",
    "estimated_prompt",
    "fitted",
    "known_models",
    "open_model",
    "usage_of",
]
