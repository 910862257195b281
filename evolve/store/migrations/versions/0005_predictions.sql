-- One row per task that a proposal said it would mend (`fix`) or might break; `move`: the mean difference of the reward to the parent's, over the `pairs` attempts that both made.
CREATE VIEW predictions AS
SELECT n.run_id AS run,
       n.round,
       n.task,
       n.kind,
       d.verdict,
       avg(t.reward - p.reward) AS move,
       CAST(count(p.id) AS INTEGER) AS pairs
FROM prediction AS n
LEFT JOIN decision AS d ON d.run_id = n.run_id AND d.round = n.round
LEFT JOIN candidate AS c ON c.run_id = n.run_id AND c.round = n.round
LEFT JOIN trial AS t ON t.candidate_id = c.id AND t.task = n.task AND t.outcome <> 'infra_error'
LEFT JOIN trial AS p ON p.candidate_id = c.parent_id AND p.task = t.task AND p.attempt = t.attempt
    AND p.outcome <> 'infra_error'
GROUP BY n.run_id, n.round, n.task, n.kind, d.verdict
ORDER BY n.run_id, n.round, n.kind, n.task
