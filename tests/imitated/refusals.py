"""Requests that real endpoints refuse, with their own words. Each behaviour names the reports that it is taken from."""

from __future__ import annotations

import json
from typing import Any

from evolve.core.records import stable_hash
from tests.imitated.behaviour import Behaviour, Body, Ledger, Refusal, assistants

# What OpenAI's chat completions take; other servers ignore what they don't know, or refuse it as Mistral does.
COMMON = {
    "model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "stop", "temperature", "top_p", "frequency_penalty", "presence_penalty", "n", "metadata",
}  # fmt: skip
OPENAI_FIELDS = COMMON | {
    "max_tokens", "max_completion_tokens", "seed", "logit_bias", "logprobs", "top_logprobs", "reasoning_effort",
    "functions", "function_call", "user", "store", "service_tier", "verbosity", "prompt_cache_key", "prediction",
}  # fmt: skip
MISTRAL_FIELDS = (COMMON | {"max_tokens", "random_seed", "prompt_mode", "safe_prompt", "prediction"}) - {
    "stream_options"
}
MISTRAL_MESSAGE = {"role", "content", "tool_calls", "tool_call_id", "name", "prefix"}
THINKING_GUIDE = "https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
SIGNATURE_GUIDE = "https://ai.google.dev/gemini-api/docs/thought-signatures"


def openai_error(message: str, param: str | None, code: str | None, status: int = 400) -> Refusal:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Refusal(status, {"error": error}, code or param or "refused")


def _max_tokens(body: Body, ledger: Ledger) -> Refusal | None:
    if "max_tokens" not in body:
        return None
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    return openai_error(message, "max_tokens", "unsupported_parameter")


def _only_default_temperature(body: Body, ledger: Ledger) -> Refusal | None:
    value = body.get("temperature")
    if value is None or value == 1:
        return None
    message = (
        f"Unsupported value: 'temperature' does not support {value} with this model. "
        "Only the default (1) value is supported."
    )
    return openai_error(message, "temperature", "unsupported_value")


def _unknown_field(body: Body, ledger: Ledger) -> Refusal | None:
    unknown = next((name for name in body if name not in OPENAI_FIELDS), None)
    return openai_error(f"Unknown parameter: '{unknown}'.", unknown, "unknown_parameter") if unknown else None


def _tools_with_effort(body: Body, ledger: Ledger) -> Refusal | None:
    if not body.get("tools") or body.get("reasoning_effort") == "none":
        return None
    message = (
        f"Function tools with reasoning_effort are not supported for {body.get('model')} in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
    )
    return openai_error(message, "reasoning_effort", None)


def _not_verified(body: Body, ledger: Ledger) -> Refusal | None:
    if not body.get("stream"):
        return None
    message = (
        "Your organization must be verified to stream this model. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. "
        "If you just verified, it can take up to 15 minutes for access to propagate."
    )
    return openai_error(message, "stream", "unsupported_value")


GPT5 = (
    Behaviour("max_tokens", "langgenius/dify#24307, anomalyco/opencode#37964", _max_tokens),
    Behaviour("temperature", "diffbot/code-gpt-docs#445, johny-b/llmcomp#69", _only_default_temperature),
    Behaviour("unknown", "bug-ops/zeph#5789", _unknown_field),
)
TOOLS_WITH_EFFORT = Behaviour("effort", "BerriAI/litellm#34569, openai/openai-openapi#541", _tools_with_effort)
NOT_VERIFIED = Behaviour("stream", "continuedev/continue#7129, langflow-ai/openrag#257", _not_verified)


def _deepseek_reasoning(body: Body, ledger: Ledger) -> Refusal | None:
    number = next((number for number, message in assistants(body) if "reasoning_content" not in message), None)
    if number is None:
        return None
    message = (
        f"Missing `reasoning_content` field in the assistant message at message index {number}. "
        f"For more information, please refer to {THINKING_GUIDE}"
    )
    return openai_error(message, None, "invalid_request_error")


def _kimi_reasoning(body: Body, ledger: Ledger) -> Refusal | None:
    for number, message in assistants(body):
        if message.get("tool_calls") and "reasoning_content" not in message:
            words = (
                f"thinking is enabled but reasoning_content is missing in assistant tool call message at index {number}"
            )
            return Refusal(400, {"error": {"message": words, "type": "invalid_request_error"}}, "reasoning_content")
    return None


def _kimi_temperature(body: Body, ledger: Ledger) -> Refusal | None:
    if body.get("temperature") in (None, 1):
        return None
    error = {"message": "invalid temperature: only 1 is allowed for this model", "type": "invalid_request_error"}
    return Refusal(400, {"error": error}, "temperature")


DEEPSEEK = Behaviour(
    "reasoning_content", "deepseek-ai/DeepSeek-V3#1053, continuedev/continue#9606", _deepseek_reasoning
)
KIMI = (
    Behaviour("reasoning_content", "bytedance/deer-flow#3043, anomalyco/opencode#16318", _kimi_reasoning),
    Behaviour("temperature", "Warma10032/VideoAdGuard#34, opencyvis/opencyvis-phone#12", _kimi_temperature),
)


def _gemini_signature(body: Body, ledger: Ledger) -> Refusal | None:
    for number, message in assistants(body):
        for call in (message.get("tool_calls") or [])[:1]:
            signature = ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature")
            if signature != signature_of(call):
                return _no_signature(call["function"]["name"], number)
    return None


def _no_signature(name: str, number: int) -> Refusal:
    message = (
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
        "correctly, and missing thought_signature may lead to degraded model performance. Additional data, function "
        f"call `default_api:{name}` , position {number}. Please refer to {SIGNATURE_GUIDE} for more details."
    )
    return Refusal(400, [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}], "signature")


def signature_of(call: Body) -> str:
    """The signature that this endpoint gives a call: it knows its own again."""
    return f"sig{stable_hash(call['function']['name'], call.get('id')):016x}"


GEMINI = Behaviour("signature", "securo-finance/securo#884, noho/dayu-agent#45", _gemini_signature)


def _mistral_fields(body: Body, ledger: Ledger) -> Refusal | None:
    details = [_extra("body", name, value=value) for name, value in body.items() if name not in MISTRAL_FIELDS]
    for number, message in enumerate(body["messages"]):
        unknown = ((name, value) for name, value in message.items() if name not in MISTRAL_MESSAGE)
        details += [_extra("body", "messages", number, message["role"], name, value=value) for name, value in unknown]
    if not details:
        return None
    error = {"object": "error", "message": {"detail": details}, "type": "invalid_request_error"}
    return Refusal(422, {**error, "param": None, "code": None}, f"extra_{details[0]['loc'][-1]}")


def _extra(*path: Any, value: Any) -> Body:
    return {"type": "extra_forbidden", "loc": list(path), "msg": "Extra inputs are not permitted", "input": value}


MISTRAL = Behaviour(
    "extra", "editor-code-assistant/eca#231, charmbracelet/crush#1590, dnakov/anon-kode#53", _mistral_fields
)


def _content_key(body: Body, ledger: Ledger) -> Refusal | None:
    for number, message in enumerate(body["messages"]):
        if "content" not in message:
            words = f"messages[{number}]: missing field `content` at line 1 column {len(json.dumps(body))}"
            text = f"Failed to deserialize the JSON body into the target type: {words}"
            return Refusal(422, text, "content", "text/plain; charset=utf-8")
    return None


CONTENT_KEY = Behaviour("content", "huggingface/text-generation-inference#3021", _content_key)


def _textual_arguments(body: Body, ledger: Ledger) -> Refusal | None:
    for number, message in assistants(body):
        for call in message.get("tool_calls") or []:
            if call["function"].get("arguments") in ("", None):
                words = f"messages.{number}: tool call arguments are not valid JSON: unexpected end of input"
                return Refusal(400, {"error": {"message": words, "code": 400}}, "arguments")
    return None


TEXTUAL_ARGUMENTS = Behaviour("arguments", "Significant-Gravitas/AutoGPT#12289", _textual_arguments)


def _no_sampling(body: Body, ledger: Ledger) -> Refusal | None:
    name = next((name for name in ("temperature", "top_p", "top_k") if name in body), None)
    if name is None:
        return None
    error = {"type": "invalid_request_error", "message": f"`{name}` is deprecated for this model."}
    return Refusal(400, {"type": "error", "error": error, "request_id": "req_imitated"}, name)


NO_SAMPLING = Behaviour("sampling", "RooCodeInc/Roo-Code#12162, UKGovernmentBEIS/inspect_ai#3721", _no_sampling)


def _vllm_no_parser(body: Body, ledger: Ledger) -> Refusal | None:
    if not body.get("tools") or body.get("tool_choice") == "none":
        return None
    words = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    error = {"object": "error", "message": words, "type": "BadRequestError", "param": None, "code": 400}
    return Refusal(400, error, "tools")


def _no_jinja(body: Body, ledger: Ledger) -> Refusal | None:
    if not body.get("tools"):
        return None
    error = {"code": 500, "message": "tools param requires --jinja flag", "type": "server_error"}
    return Refusal(500, {"error": error}, "tools")


VLLM_NO_PARSER = Behaviour("tools", "langchain4j/langchain4j#3475, vllm-project/vllm#9986", _vllm_no_parser)
NO_JINJA = Behaviour("tools", "containers/ramalama#988, defilantech/LLMKube#126", _no_jinja)


def _broken_history(body: Body, ledger: Ledger) -> Refusal | None:
    for _, message in assistants(body):
        for call in message.get("tool_calls") or []:
            try:
                json.loads(call["function"]["arguments"])
            except ValueError as error:
                words = f"Failed to parse tool call arguments as JSON: [json.exception.parse_error.101] {error}"
                return Refusal(500, {"error": {"code": 500, "message": words, "type": "server_error"}}, "misspelt")
    return None


def misspelt(share: float) -> Behaviour:
    """A share of the requests with tools, each for ever: the model spells its call so that the server can't read it."""

    def check(body: Body, ledger: Ledger) -> Refusal | None:
        what = json.dumps([body["messages"], body.get("seed")], sort_keys=True)
        if not body.get("tools") or stable_hash("misspelt", what) / 2**63 >= share:
            return None
        words = "error parsing tool call: raw='{\"input\":\"...\"}]', err=invalid character ']' after top-level value"
        return Refusal(500, {"error": {"message": words, "type": "api_error", "param": None, "code": None}}, "misspelt")

    return Behaviour("misspelt", "ollama/ollama#17638", check)


BROKEN_HISTORY = Behaviour("history", "ggml-org/llama.cpp#20532, am17an/llama.cpp#43", _broken_history)


def rate_limit(most: int, seconds: float) -> Behaviour:
    """At most so many requests within so many seconds."""

    def check(body: Body, ledger: Ledger) -> Refusal | None:
        wait = ledger.take_turn(most, seconds)
        if not wait:
            return None
        words = (
            f"Rate limit reached for {body.get('model')} in organization org-imitated on requests per min (RPM): "
            f"Limit {most}, Used {most}, Requested 1. Please try again in {wait:.3f}s."
        )
        error = {"message": words, "type": "requests", "param": None, "code": "rate_limit_exceeded"}
        headers = (("Retry-After", f"{wait:.3f}"), ("x-ratelimit-limit-requests", str(most)))
        return Refusal(429, {"error": error}, "rate", headers=headers)

    return Behaviour("rate", "OpenAI's guide on rate limits", check)


def tokens_a_minute(limit: int) -> Behaviour:
    """Refuses requests that alone need more tokens than a minute may have: they can never fit."""

    def check(body: Body, ledger: Ledger) -> Refusal | None:
        answer = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        needed = len(json.dumps([body["messages"], body.get("tools")])) // 4 + int(answer)
        if needed <= limit:
            return None
        words = (
            f"Request too large for model `{body.get('model')}` in organization `org_imitated` service tier "
            f"`on_demand` on tokens per minute (TPM): Limit {limit}, Requested {needed}, please reduce your message "
            "size and try again. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
        )
        return Refusal(413, {"error": {"message": words, "type": "tokens", "code": "rate_limit_exceeded"}}, "tokens")

    return Behaviour("tokens", "continuedev/continue#10218, zeeyado/koassistant.koplugin#106", check)


def _refuse_all(body: Body, ledger: Ledger) -> Refusal | None:
    words = "The response was filtered due to the prompt triggering the content management policy."
    return openai_error(words, "prompt", "content_filter")


REFUSE_ALL = Behaviour("content_filter", "Azure OpenAI's guide on content filtering", _refuse_all)


def outage(tool: str, status: int, times: int) -> Behaviour:
    """Fails the first so many requests that offer this tool: proposals offer `propose`, lessons `lesson`."""

    def check(body: Body, ledger: Ledger) -> Refusal | None:
        names = [offered["function"]["name"] for offered in body.get("tools") or []]
        if tool not in names or ledger.refused["outage"] >= times:
            return None
        return Refusal(status, {"error": {"message": "upstream connect error", "code": status}}, "outage")

    return Behaviour("outage", check=check)
