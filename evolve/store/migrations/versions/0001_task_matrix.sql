-- One row per task and round that has at least one counted trial.
CREATE VIEW task_matrix AS
SELECT t.run_id AS run,
       t.task,
       t.split,
       k.difficulty,
       c.round,
       CAST(count(*) AS INTEGER) AS trials,
       CAST(sum(CASE WHEN t.outcome = 'passed' THEN 1 ELSE 0 END) AS INTEGER) AS passes,
       avg(t.reward) AS mean_reward
FROM trial AS t
JOIN candidate AS c ON c.id = t.candidate_id
JOIN task AS k ON k.run_id = t.run_id AND k.name = t.task
WHERE t.outcome <> 'infra_error'
GROUP BY t.run_id, t.task, t.split, k.difficulty, c.round
ORDER BY t.run_id, c.round, t.split, t.task
