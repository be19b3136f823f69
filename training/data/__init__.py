"""From what a person calls their data to the pixels that a training sees.

sources (folders, manifest, s3, torchvision_sets) -> listing -> split -> cache (decoded once) -> photos
"""
