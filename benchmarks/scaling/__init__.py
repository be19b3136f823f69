"""A day of images through each shape, simulated: how long results take, how often the number of GPUs changes, and dollars.

workloads -> simulation (clock, backlog, fleet) with a policy -> outcome -> dollars, page and plots
"""
