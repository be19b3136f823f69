"""Fine-tune a timm model on a folder of photos, and package it.

photos (listing, pixels) -> model (network) -> epochs (loop) -> temperature (calibration) -> run folder -> .mar (package)
"""
