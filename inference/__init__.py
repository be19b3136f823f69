"""The leaf: a packaged archive and the bytes of an image become probabilities.

archive folder -> archive/ (model.json, golden pictures) -> engines/ -> classifier: bytes -> images/ -> pixels -> probabilities

It imports no other room and knows no server. With OpenVINO it needs neither torch nor timm (requirements/inference.in).
"""
