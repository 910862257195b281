"""How a task's tests reach a model: which of their variables are keys, addresses and names of models. Pure.

A key never enters a container. Where a task asks for one, its tests get the address of a gateway and a token that is
good for one trial; the gateway asks the model that the run has for that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from evolve.core.task_format import Step, TaskFormat, Variables, VerifierPhase, has_default, template_name

# APIs that speak OpenAI's protocol, by the beginning of their variables; the last ones name no provider.
_OPENAI_LIKE = (
    "OPENAI", "OPENROUTER", "DEEPSEEK", "TOGETHERAI", "TOGETHER", "TOGETHER_AI", "GROQ", "MISTRAL", "XAI", "FIREWORKS",
    "FIREWORKS_AI", "MOONSHOT", "DASHSCOPE", "CEREBRAS", "NVIDIA_NIM", "PERPLEXITY", "LITELLM", "LLM", "JUDGE",
    "GRADER",
)  # fmt: skip
# APIs that the gateway doesn't speak.
_OTHERS = (
    "GEMINI_API_KEY", "GOOGLE_API_KEY", "AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_SECRET_ACCESS_KEY", "COHERE_API_KEY", "CO_API_KEY", "REPLICATE_API_TOKEN", "VERTEXAI_CREDENTIALS",
)  # fmt: skip
_MODEL_NAME = re.compile(r"(.*_)?MODEL(_NAME|_ID)?", re.I)
# Programs that use a proxy must not send it what is for their own host.
_DIRECT = "127.0.0.1,localhost"


@dataclass(frozen=True)
class ModelApi:
    """One API as programs find it in their variables.

    Attributes:
        keys: Variables that hold its key.
        addresses: Variables that hold its address, all of which programs may look at.
        path: The end of the address.
        served: Whether the gateway speaks it.
    """

    keys: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    path: str = ""
    served: bool = True

    @property
    def name(self) -> str:
        return self.keys[0].removesuffix("_API_KEY")


APIS = (
    *(ModelApi((f"{one}_API_KEY",), (f"{one}_BASE_URL", f"{one}_API_BASE"), "/v1") for one in _OPENAI_LIKE),
    ModelApi(("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE")),
    *(ModelApi((key,), served=False) for key in _OTHERS),
)
_KEYS = {key: api for api in APIS for key in api.keys}
_ADDRESSES = {address: api for api in APIS for address in api.addresses}


@dataclass(frozen=True)
class ModelAccess:
    """The variables by which tests ask a model, each with its API.

    Attributes:
        keys: They ask for a key.
        addresses: They hold an address.
        models: They name the model, with the name that the task gives itself; "" for none.
        unused: Keys of other APIs that the task can do without, with what it says itself in their place.
    """

    keys: dict[str, ModelApi]
    addresses: dict[str, ModelApi]
    models: dict[str, str]
    unused: dict[str, str]

    @property
    def names(self) -> frozenset[str]:
        """All of these variables."""
        return frozenset((*self.keys, *self.addresses, *self.models, *self.unused))

    def variables(self, url: str, token: str, model: str) -> dict[str, str]:
        """What takes the place of these variables, and what programs look at besides.

        Args:
            url: The gateway's, without a path.
            model: The name of the model that answers, for variables that name none.
        """
        apis = (*self.keys.values(), *self.addresses.values())
        usual = {address: f"{url}{api.path}" for api in apis for address in api.addresses}
        own = {name: f"{url}{api.path}" for name, api in self.addresses.items()}
        models = {name: given or model for name, given in self.models.items()}
        return {**usual, **own, **dict.fromkeys(self.keys, token), **models, **self.unused}


def is_model_key(variable: str) -> bool:
    """Whether a variable of the host is known to hold the key of a model's API."""
    return variable in _KEYS


def model_access(variables: Variables) -> ModelAccess | None:
    """How tests with these variables ask a model; None if they ask none.

    They do if a template takes the place of a key or an address. What is written out is the task's own.
    """
    asked = {name: (template_name(value) or "", value) for name, value in variables}
    keys = {name: api for name, (own, _) in asked.items() if own and (api := _KEYS.get(own) or _KEYS.get(name))}
    unused = {name: _own_default(asked[name][1]) for name, api in keys.items() if not api.served}
    unused = {name: value for name, value in unused.items() if has_default(asked[name][1])}
    keys = {name: api for name, api in keys.items() if name not in unused}
    addresses = {
        name: api
        for name, (own, _) in asked.items()
        if name not in keys and (api := _ADDRESSES.get(own) or _ADDRESSES.get(name)) and (own or api in keys.values())
    }
    if not keys and not addresses:
        return None
    models = {
        name: _own_default(value)
        for name, (own, value) in asked.items()
        if own
        and name not in {*keys, *addresses, *unused}
        and (_MODEL_NAME.fullmatch(own) or _MODEL_NAME.fullmatch(name))
    }
    return ModelAccess(keys, addresses, models, unused)


def _own_default(template: str) -> str:
    """What a template says for a host that lacks its variable."""
    return template.partition(":-")[2].removesuffix("}")


def verifier_access(phase: VerifierPhase) -> ModelAccess | None:
    """How the tests of a phase ask a model, by their own variables or by those of their container; None: not at all."""
    outer = phase.environment.env if phase.environment else ()
    return model_access((*outer, *phase.env))


def asking_phases(format: TaskFormat) -> list[tuple[str, VerifierPhase, ModelAccess]]:
    """The key, the phase and the access of all tests that ask a model."""
    steps = [(f"steps.{step.name}.verifier", step.verifier) for step in format.steps]
    phases = steps or [("verifier", format.verifier)]
    return [(key, phase, access) for key, phase in phases if (access := verifier_access(phase))]


def with_gateway(format: TaskFormat, url: str, token: str, model: str) -> TaskFormat:
    """The format of a task whose tests ask a model at this gateway; other tests keep their variables."""

    def changed(phase: VerifierPhase) -> VerifierPhase:
        access = verifier_access(phase)
        if access is None:
            return phase
        given = {**_direct(phase.env), **access.variables(url, token, model)}
        outer = phase.environment and replace(phase.environment, env=_without(phase.environment.env, given))
        return replace(phase, environment=outer, env=(*_without(phase.env, given), *given.items()))

    def changed_step(step: Step) -> Step:
        return replace(step, verifier=changed(step.verifier))

    return replace(format, verifier=changed(format.verifier), steps=tuple(map(changed_step, format.steps)))


def _direct(variables: Variables) -> dict[str, str]:
    """The variables by which programs know what no proxy is for."""
    own = dict(variables)
    return {name: f"{own[name]},{_DIRECT}" if own.get(name) else _DIRECT for name in ("NO_PROXY", "no_proxy")}


def _without(variables: Variables, names: dict[str, str]) -> Variables:
    return tuple((name, value) for name, value in variables if name not in names)
