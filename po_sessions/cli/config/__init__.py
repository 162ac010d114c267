"""The settings: what they are, the files that hold them, the paths of the user directories."""
