"""How results look: lists, rows, transcripts, templates."""
