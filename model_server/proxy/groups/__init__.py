"""Images that wait, the groups that they form, and the groups on their way."""
