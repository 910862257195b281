-- One row per trial, infrastructure errors included, with names in place of keys.
CREATE VIEW trials AS
SELECT t.id,
       t.run_id AS run,
       c.round,
       c.commit_sha,
       t.task,
       t.split,
       t.attempt,
       t.outcome,
       t.fault,
       t.cause,
       t.verifier,
       t.reward,
       t.seconds,
       t.calls,
       t.commands,
       t.prompt_tokens + t.completion_tokens AS tokens,
       t.cost_usd,
       t.retries,
       t.lost_seconds,
       t.detail,
       t.trajectory_path AS trajectory,
       t.recording_path AS recording
FROM trial AS t
JOIN candidate AS c ON c.id = t.candidate_id
ORDER BY t.run_id, t.id
