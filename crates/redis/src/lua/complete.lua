-- DONE: from any state for a handled event, since its effect happened; for a rejected one by the
-- holder alone.

local completion = ARGV[6]
local is_handled = completion == 'handled'

if record and record.fingerprint ~= fingerprint then
  -- Another event took the record over, after this run lost its lease or its record. That event may
  -- still run, and is not handled because this one is.
  return {'NOT_HELD'}
elseif record and record.state == 'DONE' then
  -- It stays as it was first written, so that completing twice does not extend its retention.
  return {(is_handled or record.completion == completion) and 'APPLIED' or 'NOT_HELD'}
elseif not is_handled and not is_held() then
  return {'NOT_HELD'}
end

write(now + retention, 'state', 'DONE', 'completion', completion, 'at', text(now))
return {'APPLIED'}
