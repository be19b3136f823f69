"""Bytes become pixels: formats, limits, colour and orientation. The one reader of training and serving."""
