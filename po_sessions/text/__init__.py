"""Text: strict JSON, front matter, durations, sizes, suggestions."""
