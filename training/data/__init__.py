"""From the address of the data to the list of photos and their splits.

sources (folders, manifest, s3, torchvision_sets) -> listing -> split -> cache (decoded once) -> photos
"""
