"""What a template makes: its resources with given parameters, and how they differ from a deployed stack's. Reads only."""
