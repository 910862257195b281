-- One row per candidate; depth 0 is the seed scaffold.
CREATE VIEW lineage AS
WITH RECURSIVE tree (id, depth) AS (
    SELECT id, 0 FROM candidate WHERE parent_id IS NULL
    UNION ALL
    SELECT child.id, tree.depth + 1
    FROM candidate AS child
    JOIN tree ON child.parent_id = tree.id
)
SELECT c.run_id AS run,
       c.round,
       c.commit_sha,
       p.round AS parent_round,
       p.commit_sha AS parent_commit,
       c.branch,
       d.verdict,
       tree.depth
FROM tree
JOIN candidate AS c ON c.id = tree.id
LEFT JOIN candidate AS p ON p.id = c.parent_id
LEFT JOIN decision AS d ON d.run_id = c.run_id AND d.round = c.round
ORDER BY c.run_id, c.round
