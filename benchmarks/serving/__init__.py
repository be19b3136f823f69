"""Model servers side by side on one machine, against each other and against decode and forward without a server."""
