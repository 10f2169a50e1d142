-- Restarts the lease for the holder, also after its lease was over if nobody took the claim
-- since.

if not is_held() then
  return {'NOT_HELD'}
end
write_claim(record.generation, record.attempts)
return {'APPLIED'}
