"""The file store: one JSON file a session, an index beside them, locks between processes."""
