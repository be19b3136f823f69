"""The loop: order -> batches -> steps -> epochs, with a state that is saved and resumed exactly.

Every random choice is a function of (seed, epoch, photo) or (seed, step, process), never of earlier draws: a
killed training resumes to the same weights, with any number of loader workers.
"""
