"""Requests and responses of the handler; the proxy shares `bundle`. The archive carries this folder beside handler.py."""
