"""Keys and messages that nobody should send, made by code."""
