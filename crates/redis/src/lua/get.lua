-- The record's fields in the order in which they are read above; nothing if there is none.

return record and found or {}
