-- purge: what counts as absent, the oldest first, a batch at a time.
-- ?1 limit  ?2 offset
DELETE FROM webhook_events
WHERE (namespace, id) IN (
    SELECT namespace, id
    FROM webhook_events
    WHERE expires_at <= CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?2
    ORDER BY expires_at
    LIMIT ?1
)
