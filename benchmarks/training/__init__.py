"""Training's samples per second: ours beside timm's own train.py, and beside the same steps on pixels already in memory."""
