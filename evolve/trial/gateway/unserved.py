"""The routes of model APIs that a trial does not have, and why."""

from __future__ import annotations

STORED = "nothing is stored: send the whole conversation with each request"
REASONS = {
    "/v1/embeddings": "a trial has no model for embeddings",
    "/v1/audio": "a trial has no model for audio",
    "/v1/images": "a trial has no model that makes images",
    "/v1/videos": "a trial has no model that makes videos",
    "/v1/moderations": "a trial has no model for moderation",
    "/v1/realtime": "connections are HTTP requests only",
    "/v1/completions": "use /v1/chat/completions",
    "/v1/complete": "use /v1/messages",
    "/v1/responses/compact": "shorten the conversation yourself",
    "/v1/responses": STORED,
    "/v1/conversations": STORED,
    "/v1/messages/batches": "send the requests one by one",
    "/v1/batches": "send the requests one by one",
    "/v1/files": "send the content with the request",
    "/v1/vector_stores": STORED,
    "/v1/assistants": STORED,
    "/v1/threads": STORED,
    "/v1/fine_tuning": "the model is fixed",
}


def reason_of(path: str) -> str:
    """Return why a path is not served; "" if it is none that clients know."""
    known = (reason for prefix, reason in REASONS.items() if path == prefix or path.startswith(f"{prefix}/"))
    return next(known, "")
