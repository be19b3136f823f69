"""Children of a bulk job: how fast they are, what memory they take, and that none of their deaths costs or doubles an image."""
