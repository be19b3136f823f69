"""What is made of training photos, anew in every epoch.

one photo at a time (single) or a batch on the device (batched) -> normalised -> mixed, erased, noisy (mixing)
"""
