"""Who may speak to the embedded AWS: every request is signed, or it is refused before the emulator sees it.

It runs in the environment of the tools, beside MiniStack, and in its process: there is no inner port to go around it.
"""
