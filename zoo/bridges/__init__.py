"""Other people's models: how mechanisms get into them, and how tensors are spread over devices."""
