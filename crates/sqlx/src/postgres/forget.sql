-- forget: whatever its state, unless it counts as absent.
-- $1 namespace  $2 id  $3 offset
DELETE FROM webhook_events
WHERE namespace = $1
  AND id = $2
  AND expires_at > clock_timestamp() + $3 * interval '1 millisecond'
RETURNING true
