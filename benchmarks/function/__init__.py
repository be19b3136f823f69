"""What the model inside the classify function costs: its start, its images a second, its memory, and dollars."""
