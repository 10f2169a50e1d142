-- purge: finished events whose bodies were kept long enough. ?1 limit  ?2 offset  ?3 how long
SELECT namespace, id
FROM webhook_events
WHERE stored = 1
  AND state IN ('handled', 'rejected')
  AND changed_at <= CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + ?2 - ?3
ORDER BY changed_at
LIMIT ?1
