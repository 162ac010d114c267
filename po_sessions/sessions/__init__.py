"""What can be done with sessions, whatever the model."""
