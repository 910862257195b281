-- What was spent, infrastructure errors included. The seconds of proposals and lessons are not measured.
CREATE VIEW cost AS
SELECT t.run_id AS run,
       c.round,
       'trials' AS purpose,
       CAST(sum(t.calls) AS BIGINT) AS calls,
       CAST(sum(t.prompt_tokens) AS BIGINT) AS prompt_tokens,
       CAST(sum(t.completion_tokens) AS BIGINT) AS completion_tokens,
       sum(t.cost_usd) AS cost_usd,
       sum(t.seconds) AS seconds
FROM trial AS t
JOIN candidate AS c ON c.id = t.candidate_id
GROUP BY t.run_id, c.round
UNION ALL
SELECT run_id, round, 'proposal', calls, prompt_tokens, completion_tokens, cost_usd, NULL
FROM proposal
UNION ALL
SELECT run_id, round, 'lesson', calls, prompt_tokens, completion_tokens, cost_usd, NULL
FROM lesson
ORDER BY 1, 2, 3
