"""The batching proxy in front of TorchServe.

request (http) -> images that wait -> groups (groups) -> one tar each -> TorchServe (torchserve) -> each image its response

Rooms import only what stands to their right, and each may import itself:
service -> http -> torchserve -> groups -> responses, metrics
"""
