"""Keep nonsense from a broken server away from trials: an answer that looks like it is checked by simple questions."""

from __future__ import annotations

import itertools
from typing import Any

from evolve.core.errors import EndpointError
from evolve.core.records import ModelSpec
from evolve.llm.model import Body, ChatModel
from evolve.llm.retries import OnLost
from evolve.llm.sanity import QUESTIONS, garbage, text_of
from evolve.llm.usage import usage_of

# A model that thinks before it answers needs room for that.
QUESTION_TOKENS = 2_048
# A small model gets some of the questions wrong: all are asked with each of these seeds.
SEEDS = (1, 2)


class SoundModel:
    """A model whose answers make sense, or it fails. A scaffold may ask for nonsense: then the model still answers.

    Raises:
        EndpointError: An answer is garbage, and the model answers no simple question either.
    """

    def __init__(self, inner: ChatModel, spec: ModelSpec) -> None:
        self.inner, self._spec = inner, spec

    def complete(self, body: Body, on_lost: OnLost | None = None) -> dict[str, Any]:
        answer = self.inner.complete(body, on_lost)
        problem = garbage(text_of(answer))
        if problem and not self._answers_a_question(on_lost):
            self._report(answer, body, on_lost)
            raise EndpointError(f"the model writes nonsense ({problem}) and answers no simple question")
        return answer

    def _answers_a_question(self, on_lost: OnLost | None) -> bool:
        """Ask until one is answered. What that costs is reported as lost."""
        for seed, question in itertools.product(SEEDS, QUESTIONS):
            messages = [{"role": "user", "content": question.text}]
            body = {"model": self._spec.name, "messages": messages, "max_tokens": QUESTION_TOKENS, "seed": seed}
            answer = self.inner.complete(body, on_lost)
            self._report(answer, body, on_lost)
            if question.is_answered_by(text_of(answer)):
                return True
        return False

    def _report(self, answer: dict[str, Any], body: Body, on_lost: OnLost | None) -> None:
        if on_lost:
            on_lost(usage_of(answer, self._spec, body))
