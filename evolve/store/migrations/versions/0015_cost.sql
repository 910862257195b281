-- What was spent, infrastructure errors included and answers that trials took over left out, on the model that tests ask (`grading`), on checks of the endpoint (`preflight`, of no round), and on work that left no row (`lost`, of no round). The seconds of trials hold those of their gradings; those of proposals and lessons are not measured.
CREATE VIEW cost AS
SELECT t.run_id AS run,
       c.round,
       'trials' AS purpose,
       CAST(sum(t.calls - t.reused_calls) AS BIGINT) AS calls,
       CAST(sum(t.prompt_tokens - t.reused_prompt_tokens) AS BIGINT) AS prompt_tokens,
       CAST(sum(t.completion_tokens - t.reused_completion_tokens) AS BIGINT) AS completion_tokens,
       CAST(sum(t.cached_tokens) AS BIGINT) AS cached_tokens,
       CAST(sum(t.cache_write_tokens) AS BIGINT) AS cache_write_tokens,
       sum(t.cost_usd - t.reused_cost_usd) AS cost_usd,
       sum(t.seconds) AS seconds,
       CAST(sum(t.retries) AS BIGINT) AS retries,
       sum(t.lost_seconds) AS lost_seconds
FROM trial AS t
JOIN candidate AS c ON c.id = t.candidate_id
GROUP BY t.run_id, c.round
UNION ALL
SELECT t.run_id, c.round, 'grading', CAST(sum(g.calls) AS BIGINT), CAST(sum(g.prompt_tokens) AS BIGINT),
       CAST(sum(g.completion_tokens) AS BIGINT), CAST(sum(g.cached_tokens) AS BIGINT),
       CAST(sum(g.cache_write_tokens) AS BIGINT), sum(g.cost_usd), NULL, CAST(sum(g.retries) AS BIGINT),
       sum(g.lost_seconds)
FROM grading AS g
JOIN trial AS t ON t.id = g.trial_id
JOIN candidate AS c ON c.id = t.candidate_id
GROUP BY t.run_id, c.round
UNION ALL
SELECT run_id, round, 'proposal', calls, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, cost_usd,
       NULL, retries, lost_seconds
FROM proposal
UNION ALL
SELECT run_id, round, 'lesson', calls, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, cost_usd,
       NULL, retries, lost_seconds
FROM lesson
UNION ALL
SELECT run_id, NULL, 'preflight', CAST(sum(calls) AS BIGINT), CAST(sum(prompt_tokens) AS BIGINT),
       CAST(sum(completion_tokens) AS BIGINT), CAST(sum(cached_tokens) AS BIGINT),
       CAST(sum(cache_write_tokens) AS BIGINT), sum(cost_usd), NULL, CAST(sum(retries) AS BIGINT), sum(lost_seconds)
FROM preflight
GROUP BY run_id
UNION ALL
SELECT run_id, NULL, 'lost', CAST(sum(calls) AS BIGINT), CAST(sum(prompt_tokens) AS BIGINT),
       CAST(sum(completion_tokens) AS BIGINT), CAST(sum(cached_tokens) AS BIGINT),
       CAST(sum(cache_write_tokens) AS BIGINT), sum(cost_usd), NULL, 0, 0
FROM loss
GROUP BY run_id
ORDER BY 1, 2, 3
