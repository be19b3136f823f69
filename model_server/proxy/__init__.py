"""The batching proxy in front of TorchServe.

request (server, bodies) -> images that wait (batching) -> groups on their way (dispatch) -> one tar each (upstream)
     -> TorchServe (torchserve, watched by readiness) -> each image its own answer (answers)
"""
