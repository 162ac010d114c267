"""The on-disk form, read with `os` and `_json` only, for the fast commands and for the file store."""
