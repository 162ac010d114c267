"""What is printed, and how: streams, pager, progress, times, cells."""
