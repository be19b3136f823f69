"""One small model of every family of timm: trained a step, evaluated, packaged, served."""
