"""What a stack costs: the price file, the arithmetic of each shape, and the forecast. Pure; nothing here reaches AWS."""
