"""What is answered before Typer is imported: status, lists, completion."""
