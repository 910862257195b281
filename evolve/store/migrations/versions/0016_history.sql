-- One row per round; `fixed` of `predicted` tasks went better than with the parent, `broken` of `feared` worse; `champion_round` is whose candidate was champion after it; `graded` of `attempts` have a trial that counts, and `ungraded` of the others failed by their grader. Trials are summed per candidate before the join, so that nothing is counted twice. Where `/*chosen*/` stands, readers of a part of the rounds name the trials that they need.
CREATE VIEW history AS
WITH task_score AS (
    SELECT candidate_id, split, task, avg(reward) AS score
    FROM trial /*chosen*/
    WHERE outcome <> 'infra_error'
    GROUP BY candidate_id, split, task
),
-- Each task's mean difference to the parent, over the attempts that both made.
task_move AS (
    SELECT c.id AS candidate_id, t.task, avg(t.reward - p.reward) AS move
    FROM candidate AS c
    JOIN trial /*chosen*/ AS t ON t.candidate_id = c.id AND t.outcome <> 'infra_error'
    JOIN trial AS p ON p.candidate_id = c.parent_id AND p.task = t.task AND p.attempt = t.attempt
        AND p.outcome <> 'infra_error'
    GROUP BY c.id, t.task
),
score AS (
    SELECT candidate_id,
           avg(CASE WHEN split = 'train' THEN score END) AS train_score,
           avg(CASE WHEN split = 'validation' THEN score END) AS validation_score
    FROM task_score
    GROUP BY candidate_id
),
measured AS (
    SELECT candidate_id,
           count(CASE WHEN outcome <> 'infra_error' THEN 1 END) AS trials,
           count(CASE WHEN outcome = 'infra_error' THEN 1 END) AS infra_errors,
           sum(cost_usd - reused_cost_usd) AS cost_usd
    FROM trial /*chosen*/
    GROUP BY candidate_id
),
attempt AS (
    SELECT candidate_id, task, attempt,
           max(CASE WHEN outcome <> 'infra_error' THEN 1 ELSE 0 END) AS graded,
           max(CASE WHEN fault = 'grader' THEN 1 ELSE 0 END) AS ungraded
    FROM trial /*chosen*/
    GROUP BY candidate_id, task, attempt
),
coverage AS (
    SELECT candidate_id,
           count(*) AS attempts,
           count(CASE WHEN graded = 1 THEN 1 END) AS graded,
           count(CASE WHEN graded = 0 AND ungraded = 1 THEN 1 END) AS ungraded
    FROM attempt
    GROUP BY candidate_id
),
predicted AS (
    SELECT n.run_id, n.round,
           count(CASE WHEN n.kind = 'fix' THEN 1 END) AS predicted,
           count(CASE WHEN n.kind = 'fix' AND m.move > 0 THEN 1 END) AS fixed,
           count(CASE WHEN n.kind = 'break' THEN 1 END) AS feared,
           count(CASE WHEN n.kind = 'break' AND m.move < 0 THEN 1 END) AS broken
    FROM prediction AS n
    LEFT JOIN candidate AS c ON c.run_id = n.run_id AND c.round = n.round
    LEFT JOIN task_move AS m ON m.candidate_id = c.id AND m.task = n.task
    GROUP BY n.run_id, n.round
),
moment AS (
    SELECT run_id, number, 'start' AS kind, started_at AS at FROM round
    UNION ALL
    SELECT run_id, round, 'end', decided_at FROM decision
),
part AS (
    SELECT run_id, number, kind,
           CAST(substr(at, 1, 4) AS INTEGER) AS y,
           CAST(substr(at, 6, 2) AS INTEGER) AS m,
           CAST(substr(at, 9, 2) AS INTEGER) AS d,
           CAST(substr(at, 12, 2) AS INTEGER) * 60 + CAST(substr(at, 15, 2) AS INTEGER)
               + CAST(substr(at, 18, 2) AS DOUBLE PRECISION) / 60 AS minute
    FROM moment
),
-- Minutes since a fixed day, by the integer formula for the day number (right from 1901 to 2099): the two databases
-- share no function for this.
clock AS (
    SELECT run_id, number, kind,
           (367 * y - 7 * (y + (m + 9) / 12) / 4 + 275 * m / 9 + d) * 1440 + minute AS minute
    FROM part
),
span AS (
    SELECT run_id, number,
           max(CASE WHEN kind = 'end' THEN minute END) - max(CASE WHEN kind = 'start' THEN minute END) AS minutes
    FROM clock
    GROUP BY run_id, number
),
-- A kept candidate, or what was the tip of a round by whose trials the tip became champion.
crowned AS (
    SELECT d.run_id, d.round,
           CASE WHEN d.verdict IN ('baseline', 'keep') THEN d.round
                WHEN d.fate = 'promoted' THEN coalesce(d.back_to, o.parent_round) END AS made,
           max(CASE WHEN d.verdict IN ('baseline', 'keep') OR d.fate = 'promoted' THEN d.round END)
               OVER (PARTITION BY d.run_id ORDER BY d.round) AS last_crowned
    FROM decision AS d
    JOIN round AS o ON o.run_id = d.run_id AND o.number = d.round
),
champion AS (
    SELECT run_id, round, max(made) OVER (PARTITION BY run_id, last_crowned) AS champion_round
    FROM crowned
)
SELECT r.run_id AS run,
       r.number AS round,
       d.verdict,
       s.train_score,
       s.validation_score,
       r.parent_round,
       champion.champion_round,
       d.fate,
       d.back_to,
       d.effect,
       d.error,
       d.doubt,
       CAST(n.predicted AS INTEGER) AS predicted,
       CAST(n.fixed AS INTEGER) AS fixed,
       CAST(n.feared AS INTEGER) AS feared,
       CAST(n.broken AS INTEGER) AS broken,
       CAST(coalesce(t.trials, 0) AS INTEGER) AS trials,
       CAST(coalesce(t.infra_errors, 0) AS INTEGER) AS infra_errors,
       CAST(coalesce(g.attempts, 0) AS INTEGER) AS attempts,
       CAST(coalesce(g.graded, 0) AS INTEGER) AS graded,
       CAST(coalesce(g.ungraded, 0) AS INTEGER) AS ungraded,
       coalesce(t.cost_usd, 0) + coalesce(p.cost_usd, 0) + coalesce(l.cost_usd, 0) AS cost_usd,
       span.minutes,
       c.commit_sha,
       p.hypothesis,
       d.reason
FROM round AS r
JOIN span ON span.run_id = r.run_id AND span.number = r.number
LEFT JOIN decision AS d ON d.run_id = r.run_id AND d.round = r.number
LEFT JOIN champion ON champion.run_id = r.run_id AND champion.round = r.number
LEFT JOIN proposal AS p ON p.run_id = r.run_id AND p.round = r.number
LEFT JOIN lesson AS l ON l.run_id = r.run_id AND l.round = r.number
LEFT JOIN predicted AS n ON n.run_id = r.run_id AND n.round = r.number
LEFT JOIN candidate AS c ON c.run_id = r.run_id AND c.round = r.number
LEFT JOIN score AS s ON s.candidate_id = c.id
LEFT JOIN measured AS t ON t.candidate_id = c.id
LEFT JOIN coverage AS g ON g.candidate_id = c.id
ORDER BY r.run_id, r.number
