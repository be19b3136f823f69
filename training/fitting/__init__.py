"""The loop: order -> batches -> steps -> epochs, with a state that is saved and resumed exactly.

Every random choice is a function of (seed, epoch, photo) or (seed, step, process), never of what was drawn before: so a
training that was killed goes on as if it had not been, with any number of loader workers.
"""
