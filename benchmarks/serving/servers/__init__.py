"""How each server is started, at the settings that its own documentation names as best; one module each."""
