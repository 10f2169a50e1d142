-- The only way to a handler. Returns ACQUIRED, generation, attempts; IN_FLIGHT, what is left of the
-- lease (ms); DONE, how; CONFLICT; or, where the record is in none of the three states, FOREIGN.

local generation, attempts
if not record then
  generation, attempts = 1, 1
elseif record.state == 'DONE' and record.fingerprint ~= fingerprint then
  -- Other facts are another event: as a duplicate they would be acknowledged and never handled.
  return {'CONFLICT'}
elseif record.state == 'DONE' then
  return {'DONE', record.completion}
elseif is_held() then
  -- The same run claims again because the first reply was lost. It counts no new attempt.
  generation, attempts = record.generation, record.attempts
elseif record.state == 'CLAIMED' and record.lease_until > now then
  return {'IN_FLIGHT', text(record.lease_until - now)}
elseif record.state ~= 'CLAIMED' and record.state ~= 'FREE' then
  return {'FOREIGN'}
else
  -- FREE, or the lease is over: nothing is known to be handled, so any facts may take the record.
  -- The bounds are what is left of 64 bits in a Lua number, and 32 bits.
  generation = math.min(record.generation + 1, 9007199254740992)
  attempts = math.min(record.attempts + 1, 4294967295)
end

write_claim(generation, attempts)
return {'ACQUIRED', text(generation), text(attempts)}
