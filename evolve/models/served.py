"""Ask an endpoint which models it serves: its list, and one tiny call for a name that is not in it."""

from __future__ import annotations

import difflib
import re

from evolve import llm
from evolve.core.errors import BadInput, EndpointError, HostRefused, InfraError, RequestRefused
from evolve.core.records import ModelSpec

# How endpoints report, with other statuses than 404, that they have no such model; in lower case.
UNKNOWN_MODEL = re.compile(
    r"model_not_found|unknown[_ ]model|invalid[_ ]model|no such model|no healthy deployments for this model"
    r"|model.{0,120}(not found|does not exist|doesn't exist|is not (a valid|available|supported)|not exist)"
)
MOST_NAMES = 8


def listed_models(spec: ModelSpec) -> list[str]:
    """The names that the endpoint lists; empty if it lists none.

    Raises:
        BadInput: The endpoint can't be reached, or rejects the key.
    """
    try:
        return llm.known_models(spec)
    except InfraError as error:
        raise BadInput("base_url", str(error), "correct it, or start the endpoint") from error


def only_model(spec: ModelSpec) -> str:
    """The one model that the endpoint lists. Raises BadInput if it doesn't list exactly one."""
    listed = listed_models(spec)
    if len(listed) == 1:
        return listed[0]
    fix = f"give --model, one of: {', '.join(listed[:MOST_NAMES]) or 'see the endpoint'}"
    raise BadInput("model", "no model is given, and the endpoint does not serve exactly one", fix)


def check_served(spec: ModelSpec) -> None:
    """Check that the endpoint lists the model, or else answers a call to it: aliases and deployments are not listed.

    Raises:
        BadInput: The endpoint doesn't serve the model, can't be reached, or rejects the key.
        AccountError: It refuses the key or has no quota left for the call.
    """
    listed = listed_models(spec)
    if spec.name in listed or not listed:
        return
    if spec.in_process or not _answers(spec):
        names = difflib.get_close_matches(spec.name, listed, MOST_NAMES, 0.4) or listed[:MOST_NAMES]
        fix = f"use one of: {', '.join(names)}" if names else "correct --model"
        raise BadInput(f"model {spec.name}", "the endpoint does not serve it", fix)


def _answers(spec: ModelSpec) -> bool:
    """Whether the endpoint has the model: any answer but that it is unknown shows so, even a refusal or a fault."""
    body = llm.tiny_body(spec.name)
    model = llm.open_model(spec)
    try:
        model.complete(body)
    except BadInput:
        return False
    except RequestRefused as refusal:
        return refusal.status != 404 and not UNKNOWN_MODEL.search(f"{refusal.code} {refusal}".lower())
    except EndpointError as fault:
        return not (isinstance(fault, HostRefused) and fault.parameter == "model")
    return True
