"""What a user would take instead of us, run as its authors say."""
