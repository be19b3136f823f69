"""Pictures of every kind, made by code, as this project and two other decoders read them."""
