-- Drops the record, whatever its state.

redis.call('DEL', key)
return {record and 'APPLIED' or 'NOT_HELD'}
