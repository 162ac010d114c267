"""One turn of a conversation, whatever the store."""
