-- One row per trial, infrastructure errors included, with names in place of keys. Trials of older versions have no conditions.
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
       t.failed_gradings,
       t.reward,
       t.rewards,
       t.seconds,
       t.calls,
       t.commands,
       t.prompt_tokens + t.completion_tokens AS tokens,
       t.cached_tokens,
       t.cache_write_tokens,
       t.cost_usd,
       t.retries,
       t.lost_seconds,
       t.detail,
       t.trajectory_path AS trajectory,
       t.recording_path AS recording,
       t.state_path AS state,
       d.endpoint_models,
       d.fingerprints,
       d.base_image,
       d.task_image,
       d.concurrency
FROM trial AS t
JOIN candidate AS c ON c.id = t.candidate_id
LEFT JOIN trial_condition AS d ON d.trial_id = t.id
ORDER BY t.run_id, t.id
