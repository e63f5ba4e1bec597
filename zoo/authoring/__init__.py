"""For authors of plugins: scaffold one, see which are broken, train what travels with them."""
