"""Parts that several plugins share; nothing here is specific to one paper."""
