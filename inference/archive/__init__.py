"""What an archive holds: its record, its golden pictures and its digest, read and checked."""
