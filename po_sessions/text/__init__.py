"""Text: strict JSON, front matter, times, durations, sizes, suggestions."""
