"""What the check of each imitated endpoint learns, or how it stops. The table of docs/models.md says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evolve.core.config import AskedModel, LearnedFacts, ModelFacts
from evolve.core.errors import BadInput, EvolveError, RequestsRefused
from evolve.llm import unsupported_parameters
from tests.imitated.catalogue import MODEL
from tests.imitated.endpoint import NO_KEY, ImitatedEndpoint


@dataclass(frozen=True)
class Row:
    """An imitated endpoint.

    Attributes:
        name: In the catalogue.
        title: In the documentation's table; several endpoints may share one.
        learned: What the check learns.
        given: Facts that the user or a profile states.
        stops: Words of the line with which the check stops instead.
        error: The class of that error.
        model: The model's name.
        streams: Whether it streams.
    """

    name: str
    title: str
    learned: LearnedFacts = field(default_factory=LearnedFacts)
    given: Mapping[str, Any] = field(default_factory=dict)
    stops: str = ""
    error: type[EvolveError] = BadInput
    model: str = MODEL
    streams: bool = True

    @property
    def id(self) -> str:
        return "-".join((self.name, *self.given))

    def asked(self, endpoint: ImitatedEndpoint) -> AskedModel:
        """The model before its check."""
        facts = ModelFacts(key_variable=NO_KEY, **self.given)
        return AskedModel(model=self.model, base_url=endpoint.base_url, facts=facts)


def learns(*unsent: str, renamed: Mapping[str, str] | None = None, **values: Any) -> LearnedFacts:
    parameters = {**dict.fromkeys(unsent, ""), **(renamed or {})}
    return LearnedFacts(parameters=tuple(sorted(parameters.items())), **values)


LENGTH = {"max_tokens": "max_completion_tokens"}
GPT5 = ("temperature", "top_k", "min_p", "repetition_penalty")
RESPONSES = {*GPT5, *unsupported_parameters("responses")}
MISTRAL = ("top_k", "min_p", "repetition_penalty", "stream_options")
ODD_CALLS = "OpenRouter's Claude, llama.cpp, TensorRT"
NO_TOOLS = "vLLM without a parser of tools, llama.cpp without `--jinja`"
UNLISTED = "aliases, Azure, LiteLLM's wildcards, llama.cpp"
ROWS = (
    Row("openai-gpt5", "GPT-5 family", learns(*GPT5, renamed=LENGTH)),
    Row("openai-gpt56", "GPT-5.6 with tools", learns(*RESPONSES, renamed=LENGTH, api="responses")),
    Row(
        "openai-unverified", "OpenAI, organisation not verified", learns(*GPT5, renamed=LENGTH, stream=False),
        given={"stream": True}, streams=False,
    ),
    Row("deepseek", "DeepSeek, thinking", learns(keep_reasoning=True)),
    Row("kimi", "Kimi, thinking", learns("temperature", keep_reasoning=True)),
    Row("gemini", "Gemini 3"),
    Row("mistral", "Mistral", learns(*MISTRAL, renamed={"seed": "random_seed"})),
    Row("tgi", "TGI, vLLM, SGLang"),
    Row("openrouter-claude", ODD_CALLS),
    Row("object-arguments", ODD_CALLS),
    Row("calls-without-id", ODD_CALLS),
    Row("claude", "Claude 4.7 and later", learns("temperature", "top_p", "top_k")),
    Row("vllm-no-parser", NO_TOOLS, stops="--enable-auto-tool-choice"),
    Row("llamacpp-no-jinja", NO_TOOLS, stops="--jinja"),
    Row("llamacpp-history", "llama.cpp, Ollama: a call that the model misspelt"),
    Row("misspelt-always", "a server that can't read any of its model's calls", stops="parser of tool calls"),
    Row("ollama", "Ollama", stops="cuts prompts in silence"),
    Row("ollama", "Ollama, with its window in `evolve.models.toml`", given={"context_tokens": 4_096}),
    Row("nonsense", "a broken quantisation, GPU kernel or chat template", stops="it writes nonsense"),
    Row("cdn", "a CDN before the endpoint", learns(stream=True)),
    Row("openrouter", "OpenRouter", model=f"{MODEL}:nitro"),
    Row("unlisted", UNLISTED),
    Row("azure", UNLISTED),
    Row("litellm-wildcard", UNLISTED, model=f"openai/{MODEL}"),
    Row("llamacpp-any", UNLISTED, model="whatever"),
    Row("xai", "xAI, Gemini"),
    Row("bill-within", "OpenAI, DeepSeek, Kimi"),
    Row("bill-beside", "OpenAI, DeepSeek, Kimi"),
    Row("rate-limited", "limits on requests a minute"),
    Row("groq", "Groq", learns(context_tokens=6_000, answer_tokens=1_500)),
    Row("refuses-all", "a filter that refuses everything", stops="content management policy", error=RequestsRefused),
)  # fmt: skip
WORKING = tuple(row for row in ROWS if not row.stops)
STOPPING = tuple(row for row in ROWS if row.stops)


def stored_text(row: Row) -> str:
    """What the table says is learned and stored."""
    if row.stops:
        return f"nothing: exit status {4 if row.error is RequestsRefused else 2}"
    values = row.learned.model_dump(exclude={"parameters"}, exclude_defaults=True)
    texts = [f"`{name}` = `{str(value).lower()}`" for name, value in values.items()]
    parameters, without_field = dict(row.learned.parameters), unsupported_parameters(row.learned.api or "chat")
    texts += [f"`{name}` is sent as `{sent}`" for name, sent in parameters.items() if sent]
    unsent = [f"`{name}`" for name, sent in parameters.items() if not sent and name not in without_field]
    texts += [f"never sent: {', '.join(unsent)}"] if unsent else []
    return "; ".join(texts) or "nothing"
