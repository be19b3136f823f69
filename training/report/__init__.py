"""Pages that make a person trust a model, or distrust it: the report of one evaluation, the comparison of several runs.

run folder -> inputs (Judged) -> choices, confusion, plots, thumbnails, heat -> templates -> one HTML file
"""
