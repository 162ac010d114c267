"""The manual and the table of completion, generated from the commands."""
