"""What an archive carries beside the weights: the network for other engines, and golden predictions."""
