"""Augmentation: training photos changed at random, in every epoch in another way.

one photo at a time (single) or a batch on the device (batched) -> normalised -> mixed, erased, noisy (mixing)
"""
