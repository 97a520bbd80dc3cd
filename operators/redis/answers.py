"""Lua that the scripts share: one key never fails the others, and what went wrong with any is counted."""

# A script puts this first. It counts in `foreign` what stood under a key and was none of ours; `refuses` counts an answer of
# redis.pcall that is an error, and keeps the first.
COUNTS = """
local foreign, refused, refusal = 0, 0, false
local function refuses(answer)
  local is_error = type(answer) == 'table' and answer.err
  if is_error then
    refused = refused + 1
    refusal = refusal or answer.err
  end
  return is_error
end
"""
