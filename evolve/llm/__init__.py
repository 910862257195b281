"""Model APIs: the `openai` client for any compatible endpoint, or the embedded model in this process."""

from evolve.llm.addresses import check_address, is_local
from evolve.llm.counted import CountedPrompts, Prompt, prompt_of
from evolve.llm.estimates import estimate_prompt_tokens, required_answer_tokens
from evolve.llm.factory import dialect_of, known_models, open_model
from evolve.llm.fields import unsupported_parameters
from evolve.llm.model import Body, ChatModel, EmbeddedModel, NamedModels
from evolve.llm.reasoning import with_sent_messages
from evolve.llm.redaction import redacted
from evolve.llm.retries import OnLost, call_seconds, set_call_seconds
from evolve.llm.tiny import TINY_MESSAGE, tiny_body
from evolve.llm.usage import counted_prompt_tokens, highest_usage, usage_of
from evolve.llm.window import fit_to_window

__all__ = [
    "TINY_MESSAGE",
    "Body",
    "ChatModel",
    "CountedPrompts",
    "EmbeddedModel",
    "NamedModels",
    "OnLost",
    "Prompt",
    "call_seconds",
    "check_address",
    "counted_prompt_tokens",
    "dialect_of",
    "estimate_prompt_tokens",
    "fit_to_window",
    "highest_usage",
    "is_local",
    "known_models",
    "open_model",
    "prompt_of",
    "redacted",
    "required_answer_tokens",
    "set_call_seconds",
    "tiny_body",
    "unsupported_parameters",
    "usage_of",
    "with_sent_messages",
]
