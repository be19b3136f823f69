"""Pages: the report of one evaluation, the comparison of several runs, the model card.

run folder -> scored (ScoredEvaluation) -> choices, confusion, plots, thumbnails, heat -> templates -> one HTML file
"""
