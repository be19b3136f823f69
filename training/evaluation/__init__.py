"""How good a trained model is, with an interval on every headline, and what it gets wrong.

run folder, split -> scores (logits of every photo) -> counting (records) -> evaluation/SPLIT/ in the run folder
"""
