-- FREE, for the holder alone. The attempts are kept.

if not is_held() then
  return {'NOT_HELD'}
end
write(now + retention, 'state', 'FREE', 'generation', text(record.generation), 'attempts', text(record.attempts))
return {'APPLIED'}
