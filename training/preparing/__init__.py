"""Everything before the first step: the network, settings without `auto`, decoded photos, and a claimed run folder."""
